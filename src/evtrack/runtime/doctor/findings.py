"""The findings of `evtrack doctor`: pure functions from facts that were read to what they mean and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from evtrack.domain.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from evtrack.storage.monitoring.diagnosis import OldTransaction, Right, Server, Stuck
    from evtrack.storage.reports.worker_reports import WorkerRow
    from evtrack.storage.schema.migrations import Status

OLD_S: Final = 60.0
"""Age at which an open transaction is worth a word: evtrack's own are over within milliseconds."""

CLOCK_S: Final = 1.0
"""How far clocks may be apart."""

UNTOLD_S: Final = 60.0
"""How long an alert may wait: a watcher writes it within a second."""

_LEAST_VERSION: Final = 140_000
_DAYS: Final = 2
_CROWDED: Final = 0.9
_MORE: Final = 5


class Level(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Args:
        check: What was checked, in one word.
        level: Whether somebody must act.
        says: What is right or wrong.
        next: What to do, usually a command; empty where there is nothing to do.
    """

    check: str
    level: Level
    says: str
    next: str = ""


def ok(check: str, says: str) -> Finding:
    """Report that a check passed."""
    return Finding(check, Level.OK, says)


def note(check: str, says: str, next_step: str = "") -> Finding:
    """Report something worth knowing that needs no action."""
    return Finding(check, Level.NOTE, says, next_step)


def problem(check: str, says: str, next_step: str) -> Finding:
    """Report what is wrong, and what to do."""
    return Finding(check, Level.PROBLEM, says, next_step)


def server(found: Server) -> list[Finding]:
    """Judge the server's version and settings."""
    findings = []
    if found.version_num < _LEAST_VERSION:
        findings.append(problem("server", f"PostgreSQL {found.version} is too old", "use PostgreSQL 14 or later"))
    if found.standby:
        findings.append(problem("server", "it is a read-only standby", "let --dsn name the primary"))
    if found.encoding != "UTF8":
        make = "CREATE DATABASE evtrack ENCODING 'UTF8' TEMPLATE template0"
        findings.append(problem("server", f"the database is encoded in {found.encoding}", make))
    if not found.durable:
        says = "fsync or full_page_writes is off: a power cut may destroy the log"
        findings.append(note("server", says, "ALTER SYSTEM RESET fsync; ALTER SYSTEM RESET full_page_writes"))
    if found.synchronous_commit == "off":
        findings.append(note("server", "synchronous_commit is off: a power cut may lose the last moments of the log"))
    if found.connections > _CROWDED * found.max_connections:
        says = f"{found.connections} of {found.max_connections} connections are in use"
        findings.append(problem("server", says, "raise max_connections, or run fewer processes"))
    return findings or [ok("server", f"PostgreSQL {found.version}, role {printable(found.role, 60)}")]


def schema(found: Status) -> list[Finding]:
    """Judge whether the schema is what this code brings."""
    if not found.version:
        return [problem("schema", "the database has no evtrack schema", "evtrack migrate up")]
    if found.pending:
        names = ", ".join(found.pending)
        return [problem("schema", f"version {found.version} lacks migrations: {names}", "evtrack migrate up")]
    if found.stale_objects:
        names = ", ".join(found.stale_objects[:_MORE]) + (", ..." if len(found.stale_objects) > _MORE else "")
        return [problem("schema", f"functions or views are not those of this evtrack: {names}", "evtrack migrate up")]
    if found.version > found.latest:
        says = f"version {found.version} is newer than this evtrack's {found.latest}, and can live with it"
        return [note("schema", says, "upgrade evtrack here when the deployment is through")]
    return [ok("schema", f"version {found.version}, nothing to migrate")]


def roles(found: Sequence[Right], me: str) -> list[Finding]:
    """Judge whether evtrack's roles are there and what the present one may."""
    findings = []
    missing = [right.role for right in found if not right.role_exists]
    if len(missing) == len(found):
        says = "evtrack's roles are not made: whoever connects needs the owner's rights"
        findings.append(note("roles", says, "evtrack migrate roles"))
    elif missing:
        says = f"{'role' if len(missing) == 1 else 'roles'} {', '.join(missing)} missing"
        findings.append(problem("roles", says, "evtrack migrate roles"))
    mine = [right.part for right in found if right.i_may]
    if not mine:
        grant = f'GRANT {found[0].role} TO "{printable(me, 63)}" (or another of evtrack\'s roles)'
        findings.append(problem("rights", f"role {printable(me, 60)} may do nothing with evtrack", grant))
    else:
        findings.append(ok("rights", f"role {printable(me, 60)} may {', '.join(mine)}"))
    return findings


def grants(missing: Mapping[str, str]) -> list[Finding]:
    """Judge whether evtrack's roles have the rights that they should have."""
    return [
        problem(
            "roles", f"{role} lacks rights on {printable(names, 120)}", "evtrack migrate roles (as the schema's owner)"
        )
        for role, names in missing.items()
    ]


def clock(before: float, there: float, after: float) -> Finding:
    """Judge how far this machine's clock is from the server's.

    Args:
        before: Here, before the server was asked.
        there: The server's clock.
        after: Here, when the answer had come.
    """
    apart = there - (before + after) / 2
    if abs(apart) - abs(after - before) / 2 > CLOCK_S:
        relation = "behind" if apart > 0 else "ahead of"
        says = f"this machine's clock is {abs(apart):.1f} s {relation} the server's: log lines and events do not fit"
        return problem("clock", says, "timedatectl set-ntp true (on the machine that is wrong)")
    return ok("clock", f"within {max(abs(apart), 0.001):.3f} s of the server's")


def notifications(*, arrived: bool, pooled: bool) -> Finding:
    """Judge whether wake-ups come through."""
    if not arrived:
        cause = "a transaction pooler is in between" if pooled else "something between here and the server drops it"
        says = f"NOTIFY does not arrive, {cause}: work and alerts are noticed by polling, up to a second late"
        return problem("notify", says, "give workers and watchers a --dsn that leads to the server itself")
    if pooled:
        says = "NOTIFY arrives, but through a pooler: a worker is missed after its lease only, not after the grace"
        return note("notify", says, "give workers a --dsn that leads to the server itself")
    return ok("notify", "LISTEN and NOTIFY arrive")


def partitions(found: Sequence[tuple[date, bool]]) -> Finding:
    """Judge whether there are partitions for the days to come."""
    ahead = next((number for number, (_, made) in enumerate(found) if not made), len(found))
    make = "evtrack migrate up (a running worker or watcher makes them each hour)"
    if not ahead:
        return problem("partitions", f"none for today, {found[0][0]}", make)
    if ahead <= _DAYS:
        return problem("partitions", f"none for {found[ahead][0]}", make)
    return ok("partitions", f"made until {found[ahead - 1][0]}")


def horizon(found: Sequence[OldTransaction], *, sees_all: bool) -> list[Finding]:
    """Judge whether an old transaction holds everything back."""
    if not found:
        seen = "" if sees_all else ", as far as this role may see"
        return [ok("horizon", f"no transaction is open for more than {OLD_S:.0f} s{seen}")]
    return [
        problem(
            "horizon",
            f"{f'process {one.pid}' if one.pid else printable(one.gid, 60)} ({printable(one.application, 40)}, "
            f"database {printable(one.database, 40)}, {printable(one.state, 40)}) has a transaction open for "
            f"{one.open_s:.0f} s: "
            "what it writes is not to be seen, nothing dead is cleared away, and metrics count nothing new",
            f"SELECT pg_terminate_backend({one.pid})" if one.pid else f"ROLLBACK PREPARED '{printable(one.gid, 200)}'",
        )
        for one in found
    ]


def workers(found: Sequence[WorkerRow], version: str) -> list[Finding]:
    """Judge whether workers live, and whether somebody takes care of those that do not."""
    findings = [
        problem(
            "workers",
            f"worker {one.worker_id} ({printable(one.name, 60)}) has sent no heartbeat for {one.silent_s:.0f} s and "
            "nobody has declared it lost",
            "start a worker or `evtrack watch`: each declares lost who is",
        )
        for one in found
        if one.state == "silent"
    ]
    alive = [one for one in found if one.state == "alive"]
    others = sorted({one.version for one in alive} - {version})
    if others:
        findings.append(note("workers", f"some run evtrack {', '.join(map(printable, others))}, this is {version}"))
    if not alive:
        findings.append(note("workers", "no live worker", "evtrack work --import MODULE"))
    else:
        busy, slots = sum(one.busy for one in alive), sum(one.slots for one in alive)
        findings.append(ok("workers", f"{len(alive)} alive, {busy} of {slots} slots busy"))
    return findings


def alerts(undelivered: int, lag_s: float) -> Finding:
    """Judge whether somebody is told of what goes wrong."""
    if lag_s <= UNTOLD_S:
        return ok("alerts", "none waits for a watcher" if not undelivered else f"{undelivered} are about to be told")
    says = f"{undelivered} wait to be told, the oldest for {lag_s:.0f} s: no watcher is at work"
    return problem("alerts", says, "evtrack watch; or look at them here: evtrack alerts --undelivered")


def queue(found: Sequence[Stuck]) -> list[Finding]:
    """Judge whether batches wait for a reason that is no queue."""
    findings = []
    for one in found:
        handler, number = (
            printable(one.handler, 60),
            "1 batch waits" if one.batches == 1 else f"{one.batches} batches wait",
        )
        if one.why == "no worker":
            says = f"no worker offers the handler {handler}, for which {number}, for {one.waited_s:.0f} s now"
            findings.append(problem("queue", says, f"evtrack work --import MODULE --handler {handler}"))
        else:
            says = f"{handler}: {number}, for {one.waited_s:.0f} s now, although {one.free_slots} slots are free"
            findings.append(problem("queue", says, f"evtrack status {one.example_job_id}; restart the worker"))
    return findings or [ok("queue", "nothing waits but for its turn")]
