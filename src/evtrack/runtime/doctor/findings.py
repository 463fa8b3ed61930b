"""The findings of `evtrack doctor`: pure functions that evaluate facts and recommend what to do."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from evtrack.domain.text import printable
from evtrack.storage.queue.notify_queue import MAX_USED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from evtrack.storage.monitoring.alert_delivery import SinkSums
    from evtrack.storage.monitoring.doctor_facts import OldTransaction, PartitionLocks, Right, Server, Stuck
    from evtrack.storage.queue.notify_queue import NotifyQueue
    from evtrack.storage.reports.worker_reports import WorkerRow
    from evtrack.storage.schema.migrations import Status

OLD_TRANSACTION_S: Final = 60.0
"""Age from which an open transaction is a problem; evtrack's own end within milliseconds."""

MAX_CLOCK_OFFSET_S: Final = 1.0
"""How far this machine's clock may be from the server's."""

MAX_ALERT_LAG_S: Final = 60.0
"""How long an alert may be undelivered; a watcher delivers it within a second."""

MAX_SINK_LAG_S: Final = 300.0
"""How long a delivery to a sink may be pending: some failures pass."""

_MIN_SERVER_VERSION: Final = 140_000
_MIN_DAYS_AHEAD: Final = 2
_MAX_CONNECTIONS_USED: Final = 0.9
_CALLS_AT_ONCE: Final = 3
_MAX_NAMES: Final = 5


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
        message: What is right or wrong.
        next: What to do, usually a command; empty where there is nothing to do.
    """

    check: str
    level: Level
    message: str
    next: str = ""


def ok(check: str, message: str) -> Finding:
    """Report that a check passed."""
    return Finding(check, Level.OK, message)


def note(check: str, message: str, next_step: str = "") -> Finding:
    """Report something worth knowing that needs no action."""
    return Finding(check, Level.NOTE, message, next_step)


def problem(check: str, message: str, next_step: str) -> Finding:
    """Report what is wrong, and what to do."""
    return Finding(check, Level.PROBLEM, message, next_step)


def server(found: Server) -> list[Finding]:
    """Check the server's version and settings."""
    findings = []
    if found.version_num < _MIN_SERVER_VERSION:
        findings.append(problem("server", f"PostgreSQL {found.version} is too old", "use PostgreSQL 14 or later"))
    if found.standby:
        findings.append(problem("server", "it is a read-only standby", "use a --dsn of the primary"))
    if found.encoding != "UTF8":
        create = "CREATE DATABASE evtrack ENCODING 'UTF8' TEMPLATE template0"
        findings.append(problem("server", f"the database's encoding is {found.encoding}, not UTF8", create))
    if not found.durable:
        message = "fsync or full_page_writes is off: a power failure may destroy the log"
        findings.append(note("server", message, "ALTER SYSTEM RESET fsync; ALTER SYSTEM RESET full_page_writes"))
    if found.synchronous_commit == "off":
        findings.append(note("server", "synchronous_commit is off: a power failure may lose the latest events"))
    if found.connections > _MAX_CONNECTIONS_USED * found.max_connections:
        message = f"{found.connections} of {found.max_connections} connections are in use"
        findings.append(problem("server", message, "raise max_connections, or run fewer processes"))
    return findings or [ok("server", f"PostgreSQL {found.version}, role {printable(found.role, 60)}")]


def schema(found: Status) -> list[Finding]:
    """Check whether the schema matches this version of evtrack."""
    if not found.version:
        return [problem("schema", "the database has no evtrack schema", "evtrack migrate up")]
    if found.pending:
        names = ", ".join(found.pending)
        return [problem("schema", f"version {found.version}: migrations are missing: {names}", "evtrack migrate up")]
    if found.stale_objects:
        names = ", ".join(found.stale_objects[:_MAX_NAMES]) + (", ..." if len(found.stale_objects) > _MAX_NAMES else "")
        return [
            problem("schema", f"functions or views differ from those of this evtrack: {names}", "evtrack migrate up")
        ]
    if found.version > found.latest:
        message = f"version {found.version} is newer than this evtrack's {found.latest}, but compatible with it"
        return [note("schema", message, "upgrade evtrack here after the deployment")]
    return [ok("schema", f"version {found.version}, nothing to migrate")]


def roles(found: Sequence[Right], me: str) -> list[Finding]:
    """Check whether evtrack's roles exist and what the current role may do."""
    findings = []
    missing = [right.role for right in found if not right.role_exists]
    if len(missing) == len(found):
        message = "evtrack's roles do not exist: every client must connect as the schema's owner"
        findings.append(note("roles", message, "evtrack migrate roles"))
    elif missing:
        message = f"missing {'role' if len(missing) == 1 else 'roles'}: {', '.join(missing)}"
        findings.append(problem("roles", message, "evtrack migrate roles"))
    mine = [right.part for right in found if right.i_may]
    if not mine:
        grant = f'GRANT {found[0].role} TO "{printable(me, 63)}" (or another of evtrack\'s roles)'
        findings.append(problem("rights", f"role {printable(me, 60)} has no rights on evtrack", grant))
    else:
        findings.append(ok("rights", f"role {printable(me, 60)} may {', '.join(mine)}"))
    return findings


def grants(missing: Mapping[str, str]) -> list[Finding]:
    """Check whether evtrack's roles have all their rights."""
    return [
        problem(
            "roles", f"{role} lacks rights on {printable(names, 120)}", "evtrack migrate roles (as the schema's owner)"
        )
        for role, names in missing.items()
    ]


def clock(before: float, server_time: float, after: float) -> Finding:
    """Check how far this machine's clock is from the server's.

    Args:
        before: This machine's time before the query.
        after: This machine's time after the query.
    """
    offset = server_time - (before + after) / 2
    if abs(offset) - abs(after - before) / 2 > MAX_CLOCK_OFFSET_S:
        relation = "behind" if offset > 0 else "ahead of"
        message = (
            f"this machine's clock is {abs(offset):.1f} s {relation} the server's: times in logs and events differ"
        )
        return problem("clock", message, "timedatectl set-ntp true (on the machine whose clock is wrong)")
    return ok("clock", f"within {max(abs(offset), 0.001):.3f} s of the server's")


def notifications(*, arrived: bool, pooled: bool) -> Finding:
    """Check whether notifications arrive."""
    if not arrived:
        cause = "because of a transaction pooler" if pooled else "something between here and the server drops it"
        message = f"NOTIFY does not arrive, {cause}: workers and watchers poll, so they are up to a second late"
        return problem("notify", message, "use a --dsn that connects workers and watchers to the server directly")
    if pooled:
        message = (
            "NOTIFY arrives, but behind a pooler a lost worker is noticed only after its lease, not its grace period"
        )
        return note("notify", message, "use a --dsn that connects workers to the server directly")
    return ok("notify", "LISTEN and NOTIFY arrive")


def notify_queue(found: NotifyQueue) -> list[Finding]:
    """Check whether somebody keeps the server's queue of notifications full; without a finding, nobody does."""
    if found.used <= MAX_USED:
        return []
    who, next_step = "", "find the session in pg_stat_activity, as a role with pg_read_all_stats, and end it"
    if found.pid is not None:
        who = f"; process {found.pid} ({printable(found.application, 40)}) has had one open for {found.open_s:.0f} s"
        next_step = f"SELECT pg_terminate_backend({found.pid})"
    message = f"the NOTIFY queue is {found.used:.0%} full: a session that listens keeps a transaction open{who}"
    return [problem("notify", message, next_step)]


def partitions(found: Sequence[tuple[date, bool]]) -> Finding:
    """Check whether the coming days have partitions."""
    ahead = next((number for number, (_, exists) in enumerate(found) if not exists), len(found))
    create = "evtrack migrate up (a running worker or watcher creates them every hour)"
    if not ahead:
        return problem("partitions", f"none for today, {found[0][0]}", create)
    if ahead <= _MIN_DAYS_AHEAD:
        return problem("partitions", f"none for {found[ahead][0]}", create)
    return ok("partitions", f"exist up to {found[ahead - 1][0]}")


def partition_locks(found: PartitionLocks) -> list[Finding]:
    """Check whether the server has room for the locks of several calls that look at all days."""
    needed = found.relations * _CALLS_AT_ONCE
    if needed <= found.per_transaction * found.transactions:
        return []
    wanted = -(-needed // found.transactions)
    message = (
        f"{found.days:,} days have {found.relations:,} tables and indexes, and {_CALLS_AT_ONCE} calls at once may lock"
        f" them all; the server has room for {found.per_transaction * found.transactions:,} locks"
    )
    return [note("partitions", message, f"evtrack cleanup, or set max_locks_per_transaction to {wanted} and restart")]


def horizon(found: Sequence[OldTransaction], *, sees_all: bool) -> list[Finding]:
    """Check whether an old transaction holds back vacuum and the log's readers."""
    if not found:
        limits = "" if sees_all else ", among those that this role can see"
        return [ok("horizon", f"no transaction has been open for more than {OLD_TRANSACTION_S:.0f} s{limits}")]
    return [
        problem(
            "horizon",
            f"{f'process {one.pid}' if one.pid else printable(one.gid, 60)} ({printable(one.application, 40)}, "
            f"database {printable(one.database, 40)}, {printable(one.state, 40)}) has had a transaction open for "
            f"{one.open_s:.0f} s: its events are not visible, vacuum removes nothing, and metrics do not advance",
            f"SELECT pg_terminate_backend({one.pid})" if one.pid else f"ROLLBACK PREPARED '{printable(one.gid, 200)}'",
        )
        for one in found
    ]


def workers(found: Sequence[WorkerRow], version: str) -> list[Finding]:
    """Check whether there are live workers, and whether silent ones are declared lost."""
    findings = [
        problem(
            "workers",
            f"worker {one.worker_id} ({printable(one.name, 60)}) has sent no heartbeat for {one.silent_s:.0f} s and "
            "has not been declared lost",
            "start a worker or `evtrack watch`: they declare silent workers lost",
        )
        for one in found
        if one.state == "silent"
    ]
    alive = [one for one in found if one.state == "alive"]
    others = sorted({one.version for one in alive} - {version})
    if others:
        findings.append(
            note("workers", f"some run evtrack {', '.join(map(printable, others))}, this is version {version}")
        )
    if not alive:
        findings.append(note("workers", "no live worker", "evtrack work --import MODULE"))
    else:
        busy, slots = sum(one.busy for one in alive), sum(one.slots for one in alive)
        findings.append(ok("workers", f"{len(alive)} alive, {busy} of {slots} slots busy"))
    return findings


def alerts(undelivered: int, lag_s: float) -> Finding:
    """Check whether a watcher delivers alerts."""
    if lag_s <= MAX_ALERT_LAG_S:
        return ok("alerts", f"{undelivered} about to be delivered" if undelivered else "all delivered")
    message = f"{undelivered} undelivered, the oldest for {lag_s:.0f} s: no watcher is running"
    return problem("alerts", message, "evtrack watch; or list them with evtrack alerts --undelivered")


def sinks(found: Sequence[SinkSums]) -> list[Finding]:
    """Check whether alerts reach the sinks of watchers; without a finding, they do."""
    findings = []
    for one in found:
        name, last = printable(one.sink, 100), f": {printable(one.error, 200)}" if one.error else ""
        if one.lag_s > MAX_SINK_LAG_S:
            waiting = "1 alert waits" if one.pending == 1 else f"{one.pending} alerts wait"
            message = f"{waiting} for {name}, the oldest for {one.lag_s:.0f} s{last}"
            findings.append(problem("sinks", message, "fix it, or start a watcher that has it; see evtrack alerts"))
        if one.gave_up:
            lost = "1 alert was" if one.gave_up == 1 else f"{one.gave_up} alerts were"
            findings.append(note("sinks", f"{lost} given up for {name} in the last day{last}", "evtrack alerts"))
    return findings


def queue(found: Sequence[Stuck]) -> list[Finding]:
    """Check whether batches wait although slots are free, or because no worker offers their handler."""
    findings = []
    for one in found:
        handler, number = (
            printable(one.handler, 60),
            "1 batch has waited" if one.batches == 1 else f"{one.batches} batches have waited",
        )
        if one.why == "no worker":
            message = f"no worker offers the handler {handler}: {number} for {one.waited_s:.0f} s"
            findings.append(problem("queue", message, f"evtrack work --import MODULE --handler {shlex.quote(handler)}"))
        else:
            message = f"handler {handler}: {number} for {one.waited_s:.0f} s although {one.free_slots} slots are free"
            findings.append(problem("queue", message, f"evtrack status {one.example_job_id}; restart the worker"))
    return findings or [ok("queue", "no batch waits longer than it should")]
