"""What became of the work under a fault, compared with what must have become of it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg

from cluster import wait_for
from items import outcome_of

if TYPE_CHECKING:
    from load import Load

_STOP_S = 60.0


@dataclass
class Report:
    """What became of the work.

    Args:
        problems: Everything that is not as it should be, in words.
        items: How many items there were.
        ended: How many ended, by status.
        ran_again: Executions of items beyond the first one, without those that fail on purpose.
        lost: Workers that were declared lost.
        stalled_s: The longest time without progress while the fault lasted.
        stalled_after_s: The longest time without progress from the moment that the fault was over.
        returned_s: After how long the last of the workers that still run began an item again.
        took_s: From the first claim to the end of the last job.
    """

    problems: list[str] = field(default_factory=list)
    items: int = 0
    ended: dict[str, int] = field(default_factory=dict)
    ran_again: int = 0
    lost: int = 0
    stalled_s: float = 0.0
    stalled_after_s: float = 0.0
    returned_s: float = 0.0
    took_s: float = 0.0


def finish(load: Load, fault: tuple[float, float], *, timeout_s: float = 120.0, settle_s: float = 5.0) -> Report:
    """Let the work end, stop everything, and compare with what must have become of it.

    Args:
        load: The work.
        fault: When the fault began and ended, by the monotonic clock.
        timeout_s: How long the rest may take.
        settle_s: How long work goes on at the slow pace after progress was seen again.
    """
    report = Report()
    begun, over = fault
    wait_for(lambda: len(load.returned_s(over)) >= sum(one.poll() is None for one in load.workers), 60, every_s=0.3)
    time.sleep(settle_s)
    measured = time.monotonic()
    load.slow.unlink(missing_ok=True)
    for feeder in load.feeders:
        feeder.join(10)
    for number, process in zip(load.fed, load.submitters, strict=True):
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)
        if process.poll() != 0:
            report.problems.append(f"submit -: exit {process.poll()}")
            if process.poll() is None:
                process.kill()
            continue
        out = (load.folder / f"submit{load.submitters.index(process) + 2}.out").read_text().split()
        load.jobs[int(out[-1])] = load.fed[number]
    ids = ",".join(map(str, load.jobs))
    finished = f"SELECT bool_and(phase = 'finished') FROM evtrack.job WHERE job_id IN ({ids})"
    # If all workers have exited, nobody is left to wait for.
    over_with = lambda: load.one(finished) or all(worker.poll() is not None for worker in load.workers)  # noqa: E731
    if not wait_for(over_with, timeout_s, every_s=0.3) or not load.one(finished):
        report.problems.append("not finished")
    report.took_s = time.monotonic() - load.began
    load.ended.set()
    load.sampler.join(10)
    report.stalled_s = load.longest_stall(begun, over)
    report.returned_s = max(load.returned_s(over).values(), default=0.0)
    report.stalled_after_s = load.longest_stall(over, measured)
    _count(load, report, ids)
    _read_followers(load, report)
    _stop(load, report)
    return report


def _count(load: Load, report: Report, ids: str) -> None:
    report.items = sum(load.jobs.values())
    with psycopg.connect(load.admin(), autocommit=True) as conn:
        rows = conn.execute(
            f"SELECT job_id, item_key, status, error FROM evtrack.item_status WHERE job_id IN ({ids})".encode()
        ).fetchall()
        crashes = conn.execute(
            f"SELECT DISTINCT item_key, cause, signal FROM evtrack.crash WHERE job_id IN ({ids})".encode()
        ).fetchall()
        report.lost = conn.execute("SELECT count(*) FROM evtrack.worker WHERE lost_at IS NOT NULL").fetchall()[0][0]
    counts: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    example: dict[str, str] = {}
    for job, key, status, error in rows:
        counts[status] += 1
        expected = outcome_of(int(key))
        if status != expected:
            what = f"items are {status}" if status in {"pending", "running"} else f"{expected} items are {status}"
            wrong[what] += 1
            example.setdefault(what, f"{job}/{key}: {error}")
        elif status == "failed" and "is not to be had" not in (error or ""):
            wrong["failed items with another's error"] += 1
            example.setdefault("failed items with another's error", f"{job}/{key}: {error}")
    report.ended = dict(counts)
    if len(rows) != report.items:
        report.problems.append(f"{len(rows)} items of {report.items}")
    report.problems += [f"{count} {what} ({example[what][:160]})" for what, count in wrong.items()]
    blamed = [(key, cause, sig) for key, cause, sig in crashes if key is not None and outcome_of(int(key)) != "crashed"]
    if blamed:
        report.problems.append(f"{len(blamed)} crashes blame a healthy item ({blamed[0]})")
    ran: Counter[str] = Counter()
    for trace in load.folder.glob("ran.*"):
        ran.update(line.rsplit(" ", 1)[0] for line in trace.read_text().splitlines())
    for line, times in ran.items():
        number = int(line.split()[1])
        if outcome_of(number) == "completed":
            report.ran_again += times - (2 if number % 50 == 7 else 1)


def _read_followers(load: Load, report: Report) -> None:
    wanted = load.one("SELECT count(*) FROM evtrack.event")
    for number, process in enumerate(load.followers, 1):
        out = load.folder / f"events{number}.out"
        if process.poll() is None:
            wait_for(lambda out=out: out.read_bytes().count(b"\n") >= wanted, 15)
        seen: Counter[tuple[int, int, int]] = Counter()
        for line in out.read_text().splitlines():
            with suppress(ValueError, KeyError):
                event = json.loads(line)
                seen[event["job_id"], event["batch_no"], event["version"]] += 1
        if process.poll() is not None:
            report.problems.append(f"events --follow: exit {process.poll()}")
        elif len(seen) != wanted:
            report.problems.append(f"events --follow saw {len(seen)} of {wanted} events")
        if twice := sum(1 for times in seen.values() if times > 1):
            report.problems.append(f"events --follow printed {twice} events twice")


def _stop(load: Load, report: Report) -> None:
    for kind, processes in (("work", load.workers), ("watch", load.watchers)):
        ended = [process.poll() for process in processes if process.poll() is not None]
        if ended:
            report.problems.append(f"{len(ended)} of {len(processes)} {kind} exited: {ended}")
    load.kill(signal.SIGTERM)
    for kind, processes in (("work", load.workers), ("watch", load.watchers)):
        for process in processes:
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                report.problems.append(f"{kind} does not hear SIGTERM")
    verified = load.process(load.admin(), "verify").wait(300)
    if verified:
        words = (load.folder / f"verify{load.names['verify']}.out").read_text()[:300]
        report.problems.append(f"verify: exit {verified}: {words}")
    for log in sorted(load.folder.glob("*.log")):
        odd = [line for line in log.read_text(errors="replace").splitlines() if not line.startswith("{")]
        if odd and not log.stem.startswith(("submit", "events", "verify")):
            report.problems.append(f"{log.stem}: {len(odd)} lines that are no JSON ({odd[0][:100]})")
