"""Cleanup beside two workers at full speed: their throughput with and without it, and how long anybody waits.

A day of many ended jobs is made first, by SQL alone, and a second one of a tenth. Two real workers with one slot each
then drain no-op jobs, one item a batch. Cleanup runs beside them, and is stopped and let go in turn, so that windows
with and without it are pairs on the same machine. Pairs of two windows without any cleanup come first: how far these
differ is the noise of the machine. The sessions that wait for a lock on a table are sampled meanwhile. The cleanup is
killed once at the beginning, and run again.

Usage: cleanup.py [JOBS] [BATCHES A JOB] [PAIRS] [--archive]
       (default 1,000 jobs of 1,000 batches, 20 pairs and those with a drop)
"""

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import drain
import lab
from old_days import old_day
from sampler import Sampler

from evtrack.storage.connection.connect import Connection, connect

_WINDOW_S = 3.0
_LEAST_S = 1.0
_STEP_S = 0.02
_QUIET_WITHIN_S = 30.0
_SETTLE_S = 0.05
_CHUNK = 100_000
_LEAST_QUEUED = 200_000
_MOST_QUEUED = 500_000
_CLEANERS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'evtrack cleanup'"


@dataclass(frozen=True)
class Pair:
    """The workers' rates beside a cleanup and without it, and which shares of the first window the server was at it."""

    beside: float
    without: float
    doing: dict[str, float]

    @property
    def ratio(self) -> float:
        """What is left of the throughput."""
        return self.beside / self.without


def rate(conn: Connection, is_over: Callable[[float], bool]) -> float:
    """Return batches a second that the workers complete until it is over, which is told how many seconds passed."""

    def done() -> int:
        row = conn.execute(
            "SELECT sum(completed_batches)::bigint FROM evtrack.progress p"
            " JOIN evtrack.job j USING (job_id) WHERE j.handler = 'noop'"
        ).fetchone()
        assert row
        return int(row[0] or 0)

    before, begun = done(), time.monotonic()
    while not is_over(time.monotonic() - begun):
        time.sleep(_STEP_S)
    return (done() - before) / (time.monotonic() - begun)


def fill(conn: Connection) -> None:
    """Give the workers more to do where little is left, a job a time."""
    least = _LEAST_QUEUED
    while conn.execute("SELECT evtrack.pending_batches('noop') < %s", [least]).fetchone() == (True,):
        least = _MOST_QUEUED
        conn.execute(
            "SELECT evtrack.enqueue('noop', array_agg('K:' || i), array_agg('{\"i\": 1}'::text), batch_size => 1)"
            " FROM generate_series(1, %s) i",
            [_CHUNK],
        )


def window(conn: Connection, seconds: float = _WINDOW_S) -> float:
    """Return batches a second that the workers complete."""
    return rate(conn, lambda passed: passed >= seconds)


def cleanup(dsn: str, folder: Path | None) -> "subprocess.Popen[bytes]":
    """Start the real command."""
    archive = ["--archive", str(folder)] if folder else []
    return subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-m", "evtrack", "cleanup", "--dsn", dsn, "--older-than", "1s", *archive],
        env={k: v for k, v in os.environ.items() if not k.startswith("EVTRACK_")},
    )


def pair(conn: Connection, process: "subprocess.Popen[bytes]", sampler: Sampler) -> Pair | None:
    """Let a cleanup run for a window and stand still for another; None if it ended before there was anything to see.

    The server goes on with what it was told while its client stands still, so the first window lasts until it is done.
    """
    seen, samples, length = dict(sampler.seen), sampler.samples, 0.0
    stopped_at: float | None = None

    def is_over(passed: float) -> bool:
        nonlocal length, stopped_at
        length = passed
        if process.poll() is not None:
            return True
        if passed >= _WINDOW_S:
            if stopped_at is None:
                process.send_signal(signal.SIGSTOP)
                stopped_at = passed
            # What it has just said reaches the server and the sampler a moment later.
            return (passed > stopped_at + _SETTLE_S and sampler.doing is None) or passed > _QUIET_WITHIN_S
        return False

    beside = rate(conn, is_over)
    if length < _LEAST_S:
        return None
    taken = max(1, sampler.samples - samples)
    doing = {what: (count - seen.get(what, 0)) / taken for what, count in sampler.seen.items()}
    without = window(conn)
    process.send_signal(signal.SIGCONT)
    return Pair(beside, without, {what: share for what, share in doing.items() if share})


def pairs(
    conn: Connection, process: "subprocess.Popen[bytes]", sampler: Sampler, least: int
) -> tuple[list[Pair], float]:
    """Measure pairs of windows, as many as were asked for and each drop: all of them, and how long the cleanup ran.

    Windows that follow each other see the same machine, which others may use too.
    """
    measured: list[Pair] = []
    begun, still = time.monotonic(), 0.0
    while process.poll() is None:
        process.send_signal(signal.SIGSTOP)
        time.sleep(_SETTLE_S)
        if sampler.doing is None:
            still += lab.timed(lambda: fill(conn))
        process.send_signal(signal.SIGCONT)
        until = time.monotonic() + _WINDOW_S
        while len(measured) >= least and sampler.doing != "drop" and time.monotonic() < until:
            time.sleep(_STEP_S)
        if len(measured) < least or sampler.doing == "drop":
            one = pair(conn, process, sampler)
            if one:
                measured.append(one)
                still += _WINDOW_S
                tell(len(measured), one)
    return measured, time.monotonic() - begun - still


def tell(number: int, one: Pair) -> None:
    """Print a pair."""
    doing = ", ".join(f"{what} {share:.0%}" for what, share in sorted(one.doing.items())) or "nothing"
    print(f"  {number:>3}  {one.beside:>9,.0f} {one.without:>9,.0f}  {one.ratio:.2f}  {doing}", flush=True)


def sum_up(name: str, measured: list[Pair]) -> None:
    """Print the mean and the median of ratios."""
    ratios = [one.ratio for one in measured]
    if ratios:
        lab.show(f"{name}: median of {len(ratios)} ratios", statistics.median(ratios), "")
        lab.show(f"{name}: mean", statistics.mean(ratios), "")


def main(arguments: list[str]) -> None:
    """Measure and print."""
    numbers = [int(word) for word in arguments if word.isdecimal()]
    jobs, batches, least = (numbers + [1000, 1000, 20][len(numbers) :])[:3]
    with ExitStack() as stack:
        server = stack.enter_context(lab.server())
        dsn = lab.database(server, "bench_cleanup")
        conn = stack.enter_context(connect(dsn, purpose="bench"))
        folder = Path(tempfile.mkdtemp(prefix="evtrack-bench-archive-")) if "--archive" in arguments else None
        if folder:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        took = lab.timed(lambda: old_day(conn, jobs, batches, 9))
        took += lab.timed(lambda: old_day(conn, max(1, jobs // 10), batches, 8))
        print(f"made {jobs + jobs // 10:,} jobs of {batches:,} batches in {took:.0f} s", flush=True)
        fill(conn)
        lab.settle(conn)
        workers = [drain.worker(dsn) for _ in range(2)]
        stack.callback(lambda: [worker.wait(30) for worker in workers])
        stack.callback(lambda: [worker.send_signal(signal.SIGTERM) for worker in workers])
        drain.until(lambda: window(conn, 1) > 0)
        window(conn, 5)  # warm
        with Sampler(dsn) as sampler:
            print("pairs of windows without a cleanup, in batches/s, and their ratio:")
            control = []
            for number in range(1, least + 1):
                fill(conn)
                control.append(Pair(window(conn), window(conn), {}))
                tell(number, control[-1])
            killed = cleanup(dsn, folder)
            time.sleep(5)
            killed.send_signal(signal.SIGKILL)
            killed.wait()
            drain.until(lambda: conn.execute(_CLEANERS).fetchone() == (0,))
            print("beside a cleanup and while it stands still, their ratio, and how much of it the server was at what:")
            cleaner = cleanup(dsn, folder)
            stack.callback(cleaner.kill)
            measured, took = pairs(conn, cleaner, sampler, least)
        assert cleaner.returncode == 0, cleaner.returncode
        left = conn.execute("SELECT count(*) FROM evtrack.dropped_job").fetchone()
    assert left == (jobs + max(1, jobs // 10),), left
    sum_up("no cleanup", control)
    sum_up("beside cleanup", measured)
    sum_up("beside cleanup, with a drop", [one for one in measured if "drop" in one.doing])
    lab.show("two workers, no cleanup", statistics.mean(one.without for one in control), "batches/s")
    lab.show("cleanup ran for", took, "s")
    for name in sorted({"evtrack worker", *sampler.longest_s}):
        lab.show(f"longest wait for a table's lock: {name}", 1000 * sampler.longest_s.get(name, 0.0), "ms")
    print(f"{sampler.samples:,} samples")


if __name__ == "__main__":
    main(sys.argv[1:])
