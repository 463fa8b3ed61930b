"""Cleanup beside two workers at full speed: their throughput with and without it, and the longest wait for a lock.

Two days of finished jobs are created first, by SQL alone; the second has a tenth of the jobs. Two real workers with one
slot each then drain no-op jobs, one item per batch. Cleanup runs beside them, and is stopped and continued in turn, so
that windows with and without it are pairs on the same machine. Pairs of windows without any cleanup come first: their
differences are the noise of the machine. Meanwhile, the sessions that wait for a lock on a table are sampled. The
cleanup is killed once at the beginning, and run again.

Usage: cleanup.py [JOBS] [BATCHES PER JOB] [PAIRS] [--archive]
       (default 1,000 jobs of 1,000 batches, 20 pairs and those with a drop)
"""

import math
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from operations.finished_jobs import create_finished_jobs
from operations.lock_sampler import LockSampler
from support import commands, database, harness

from evtrack.storage.connection.connect import Connection, connect

if TYPE_CHECKING:
    import subprocess

_WINDOW_S = harness.sized(3.0, smoke=0.2)
_MIN_WINDOW_S = harness.sized(1.0, smoke=0.05)
_WARM_UP_S = harness.sized(5.0, smoke=0.5)
_KILL_AFTER_S = harness.sized(5.0, smoke=1.0)
_STEP_S = 0.02
_QUIET_WITHIN_S = 30.0
_DELIVERY_S = 0.05
_CHUNK = harness.sized(100_000, smoke=5000)
_MIN_QUEUED = harness.sized(200_000, smoke=20_000)
_REFILLED = harness.sized(500_000, smoke=25_000)
_CLEANUPS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'evtrack cleanup'"


@dataclass(frozen=True)
class Pair:
    """The workers' rates beside a cleanup and without it, and the first window's shares of the server's activity."""

    beside: float
    without: float
    activity: dict[str, float]

    @property
    def ratio(self) -> float:
        """The share of the throughput that is left; not a number if the workers ran out of batches."""
        return self.beside / self.without if self.without else math.nan


def rate(conn: Connection, is_over: Callable[[float], bool]) -> float:
    """Return the batches per second that the workers complete until `is_over`, which gets the seconds so far."""

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
    """Submit further jobs if few batches are left."""
    wanted = _MIN_QUEUED
    while conn.execute("SELECT evtrack.pending_batches('noop') < %s", [wanted]).fetchone() == (True,):
        wanted = _REFILLED
        conn.execute(
            "SELECT evtrack.enqueue('noop', array_agg('K:' || i), array_agg('{\"i\": 1}'::text), batch_size => 1)"
            " FROM generate_series(1, %s) i",
            [_CHUNK],
        )


def window(conn: Connection, seconds: float = _WINDOW_S) -> float:
    """Return the batches per second that the workers complete in a window of time."""
    return rate(conn, lambda passed: passed >= seconds)


def start_cleanup(dsn: str, archive: Path | None) -> "subprocess.Popen[bytes]":
    """Start the real command."""
    options = ["--archive", str(archive)] if archive else []
    return commands.evtrack("cleanup", "--dsn", dsn, "--older-than", "1s", *options)


def measure_pair(conn: Connection, process: "subprocess.Popen[bytes]", sampler: LockSampler) -> Pair | None:
    """Measure a window while the cleanup runs and one while it is stopped; None if the cleanup ended too early.

    The server finishes its current command while its client is stopped, so the first window lasts until then.
    """
    active_before, samples_before, length = dict(sampler.active_samples), sampler.samples, 0.0
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
            # The client's last command takes a moment to reach the server and the sampler.
            return (passed > stopped_at + _DELIVERY_S and sampler.activity is None) or passed > _QUIET_WITHIN_S
        return False

    beside = rate(conn, is_over)
    if length < _MIN_WINDOW_S:
        return None
    taken = max(1, sampler.samples - samples_before)
    activity = {what: (count - active_before.get(what, 0)) / taken for what, count in sampler.active_samples.items()}
    without = window(conn)
    process.send_signal(signal.SIGCONT)
    return Pair(beside, without, {what: share for what, share in activity.items() if share})


def measure_pairs(
    conn: Connection, process: "subprocess.Popen[bytes]", sampler: LockSampler, wanted: int
) -> tuple[list[Pair], float]:
    """Measure at least `wanted` pairs of windows, and each drop; also return how long the cleanup ran.

    Windows that follow each other see the same machine, which may have other load.
    """
    measured: list[Pair] = []
    begun, stopped_s = time.monotonic(), 0.0
    while process.poll() is None:
        process.send_signal(signal.SIGSTOP)
        time.sleep(_DELIVERY_S)
        if sampler.activity is None:
            stopped_s += harness.timed(lambda: fill(conn))
        process.send_signal(signal.SIGCONT)
        until = time.monotonic() + _WINDOW_S
        while len(measured) >= wanted and sampler.activity != "drop" and time.monotonic() < until:
            time.sleep(_STEP_S)
        if len(measured) < wanted or sampler.activity == "drop":
            pair = measure_pair(conn, process, sampler)
            if pair:
                measured.append(pair)
                stopped_s += _WINDOW_S
                print_pair(len(measured), pair)
    return measured, time.monotonic() - begun - stopped_s


def print_pair(number: int, pair: Pair) -> None:
    """Print a pair."""
    activity = ", ".join(f"{what} {share:.0%}" for what, share in sorted(pair.activity.items())) or "nothing"
    print(f"  {number:>3}  {pair.beside:>9,.0f} {pair.without:>9,.0f}  {pair.ratio:.2f}  {activity}", flush=True)


def print_ratios(name: str, measured: list[Pair]) -> None:
    """Print the mean and the median of ratios."""
    ratios = [pair.ratio for pair in measured]
    if ratios:
        harness.show(f"{name}: median of {len(ratios)} ratios", statistics.median(ratios), "")
        harness.show(f"{name}: mean", statistics.mean(ratios), "")


def main(arguments: list[str]) -> None:
    """Measure and print."""
    numbers = [int(word) for word in arguments if word.isdecimal()]
    defaults = (harness.sized(1000, smoke=3), harness.sized(1000, smoke=10), harness.sized(20, smoke=1))
    jobs, batches, wanted = (*numbers, *defaults[len(numbers) :])
    fewer = max(1, jobs // 10)
    with ExitStack() as stack:
        dsn = database.create(stack.enter_context(harness.server()), "bench_cleanup")
        conn = stack.enter_context(connect(dsn, purpose="bench"))
        archive = None
        if "--archive" in arguments or harness.SMOKE:
            archive = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="evtrack-bench-archive-")))
        took = harness.timed(lambda: create_finished_jobs(conn, jobs=jobs, batches=batches, days_ago=9))
        took += harness.timed(lambda: create_finished_jobs(conn, jobs=fewer, batches=batches, days_ago=8))
        print(f"created {jobs + fewer:,} jobs of {batches:,} batches in {took:.0f} s", flush=True)
        fill(conn)
        database.tidy(conn)
        stack.callback(commands.stop, *(commands.worker(dsn, "handlers.noop", "--handler", "noop") for _ in range(2)))
        commands.wait_until(lambda: window(conn, 0.2) > 0)
        window(conn, _WARM_UP_S)
        with LockSampler(dsn) as sampler:
            print("pairs of windows without a cleanup, in batches/s, and their ratio:")
            control = []
            for number in range(1, wanted + 1):
                fill(conn)
                control.append(Pair(window(conn), window(conn), {}))
                print_pair(number, control[-1])
            killed = start_cleanup(dsn, archive)
            time.sleep(_KILL_AFTER_S)
            killed.kill()
            killed.wait()
            commands.wait_until(lambda: conn.execute(_CLEANUPS).fetchone() == (0,))
            print("while a cleanup runs and while it is stopped, their ratio, and the server's activity for it:")
            cleanup = start_cleanup(dsn, archive)
            stack.callback(cleanup.kill)
            measured, took = measure_pairs(conn, cleanup, sampler, wanted)
        assert cleanup.returncode == 0, cleanup.returncode
        dropped = conn.execute("SELECT count(*) FROM evtrack.dropped_job").fetchone()
        assert dropped == (jobs + fewer,), dropped
    print_ratios("no cleanup", control)
    print_ratios("beside cleanup", measured)
    print_ratios("beside cleanup, with a drop", [pair for pair in measured if "drop" in pair.activity])
    harness.show("two workers, no cleanup", statistics.mean(pair.without for pair in control), "batches/s")
    harness.show("cleanup ran for", took, "s")
    for name in sorted({"evtrack worker", *sampler.longest_wait_s}):
        harness.show(f"longest wait for a table's lock: {name}", 1000 * sampler.longest_wait_s.get(name, 0.0), "ms")
    print(f"{sampler.samples:,} samples")


if __name__ == "__main__":
    main(sys.argv[1:])
