"""Cleanup beside two workers at full speed: their throughput with and without it, and how long anybody waits.

A day of many ended jobs is made first, by SQL alone. Two real workers with one slot each then drain a no-op job, one
item a batch. Cleanup runs beside them, and for a while is stopped and let go in turn, so that windows with and without
it are pairs on the same machine; the sessions that wait for a lock on a table are sampled meanwhile. The cleanup is
killed once at the beginning, and run again.

Usage: cleanup.py [JOBS] [BATCHES A JOB] [--archive]   (default 1,000 jobs of 1,000 batches)
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import drain
import lab

from evtrack.storage.database import Connection, connect

_OLD_JOBS = """INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, data)
SELECT %(day)s, j, 0, v, t::evtrack.event_type, d::jsonb
FROM generate_series(%(first)s::bigint, %(first)s + %(jobs)s - 1) j, (VALUES
    (1, 'created', '{"handler": "old"}'),
    (2, 'extended', format('{"batches": %%s, "items": %%s}', %(batches)s::int, %(batches)s::int)),
    (3, 'sealed', '{}')) AS e (v, t, d)"""
_ENQUEUED = """INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, data)
SELECT %(day)s, j, b, 1, 'enqueued',
    jsonb_build_object('items', 1, 'weight', 1, 'ordinals', '{[' || b || ',' || b + 1 || ')}')
FROM generate_series(%(first)s::bigint, %(first)s + %(jobs)s - 1) j, generate_series(1, %(batches)s::int) b"""
_STARTED = """INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, attempt, worker_id)
SELECT %(day)s, j, b, 2, 'started', 1, 0
FROM generate_series(%(first)s::bigint, %(first)s + %(jobs)s - 1) j, generate_series(1, %(batches)s::int) b"""
_COMPLETED = """INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, attempt, worker_id, data)
SELECT %(day)s, j, b, 3, 'completed', 1, 0, '{"run_s": 0.01}'
FROM generate_series(%(first)s::bigint, %(first)s + %(jobs)s - 1) j, generate_series(1, %(batches)s::int) b"""
_FINISHED = """SELECT count(evtrack.finish_due(j))
FROM generate_series(%(first)s::bigint, %(first)s + %(jobs)s - 1) j"""
_EVENTS = (_OLD_JOBS, _ENQUEUED, _STARTED, _COMPLETED, _FINISHED)

_WINDOW_S = 3.0
_PAIRS = 12
_CLEANERS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'evtrack cleanup'"
_SAMPLE_S = 0.005


def old_day(conn: Connection, jobs: int, batches: int, days_back: int) -> None:
    """Make a day of ended jobs through the log, with all of its events: enqueued, started, completed."""
    day = datetime.now(UTC).date() - timedelta(days_back)
    conn.execute("SELECT evtrack.make_partitions(%s, 1)", [day])
    conn.execute(
        "INSERT INTO evtrack.worker (worker_id, name, host, pid, slots, handlers, version, stopped_at)"
        " VALUES (0, 'old', 'old', 1, 1, '{old}', '0', now()) ON CONFLICT DO NOTHING"
    )
    first = conn.execute("SELECT coalesce(max(job_id), 0) + 1 FROM evtrack.job").fetchone()
    assert first
    conn.execute("SELECT setval('evtrack.job_id_seq', %s)", [first[0] + jobs])
    values = {"day": day, "first": first[0], "jobs": jobs, "batches": batches}
    with conn.transaction():
        conn.execute(
            "INSERT INTO evtrack.payload (job_day, job_id, ordinal, batch_no, item_key, payload)"
            " SELECT %(day)s, j, b, b, 'K:' || b, '{\"i\": 1}' FROM generate_series(%(first)s::bigint,"
            " %(first)s + %(jobs)s - 1) j, generate_series(1, %(batches)s::int) b",
            values,
        )
    for event in _EVENTS:
        conn.execute(event, values)


class Waits:
    """Sample who waits for a lock on a table, and for how long."""

    def __init__(self, dsn: str) -> None:
        self.longest_s: dict[str, float] = {}
        self.samples = 0
        self._dsn, self._stop = dsn, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with connect(self._dsn, purpose="bench sampler") as conn:
            while not self._stop.wait(_SAMPLE_S):
                self.samples += 1
                for name, waited in conn.execute(
                    "SELECT a.application_name, extract(epoch FROM clock_timestamp() - min(l.waitstart))::float8"
                    " FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
                    " WHERE NOT l.granted AND l.locktype = 'relation' GROUP BY a.pid, 1"
                ):
                    self.longest_s[name] = max(self.longest_s.get(name, 0.0), waited or 0.0)


def rate(conn: Connection, seconds: float) -> float:
    """Return batches a second that the workers complete."""

    def done() -> int:
        row = conn.execute(
            "SELECT sum(completed_batches)::bigint FROM evtrack.progress p"
            " JOIN evtrack.job j USING (job_id) WHERE j.handler = 'noop'"
        ).fetchone()
        assert row
        return int(row[0] or 0)

    before, begun = done(), time.monotonic()
    time.sleep(seconds)
    return (done() - before) / (time.monotonic() - begun)


def cleanup(dsn: str, folder: Path | None) -> "subprocess.Popen[bytes]":
    """Start the real command."""
    archive = ["--archive", str(folder)] if folder else []
    return subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-m", "evtrack", "cleanup", "--dsn", dsn, "--older-than", "1s", *archive],
        env={k: v for k, v in os.environ.items() if not k.startswith("EVTRACK_")},
    )


def pairs(conn: Connection, process: "subprocess.Popen[bytes]") -> tuple[list[float], list[float], float]:
    """Let a process run and stand still in turn: the workers' rates beside it and without it, and how long it ran.

    Windows that follow each other see the same machine, which others may use too.
    """
    beside: list[float] = []
    without: list[float] = []
    begun = time.monotonic()
    while process.poll() is None:
        beside.append(rate(conn, _WINDOW_S))
        if process.poll() is not None:
            break
        if len(without) == _PAIRS:
            process.wait()
            break
        process.send_signal(signal.SIGSTOP)
        without.append(rate(conn, _WINDOW_S))
        process.send_signal(signal.SIGCONT)
    return beside[: len(without)], without, time.monotonic() - begun - _WINDOW_S * len(without)


def main(arguments: list[str]) -> None:
    """Measure and print."""
    numbers = [int(word) for word in arguments if word.isdecimal()]
    jobs, batches = (numbers + [1000, 1000][len(numbers) :])[:2]
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
        conn.execute(
            "SELECT evtrack.enqueue('noop', array_agg('K:' || i), array_agg('{\"i\": 1}'::text), batch_size => 1)"
            " FROM generate_series(1, 200000) i, generate_series(1, 16) j GROUP BY j"
        )
        lab.settle(conn)
        workers = [drain.worker(dsn) for _ in range(2)]
        stack.callback(lambda: [worker.wait(30) for worker in workers])
        stack.callback(lambda: [worker.send_signal(signal.SIGTERM) for worker in workers])
        rate(conn, 5)  # warm
        with Waits(dsn) as waits:
            killed = cleanup(dsn, folder)
            time.sleep(5)
            killed.send_signal(signal.SIGKILL)
            killed.wait()
            drain.until(lambda: conn.execute(_CLEANERS).fetchone() == (0,))
            alone = rate(conn, _WINDOW_S)
            beside, without, took = pairs(conn, cleanup(dsn, folder))
        left = conn.execute("SELECT count(*) FROM evtrack.dropped_job").fetchone()
    assert left == (jobs + max(1, jobs // 10),), left
    lab.show("two workers, no cleanup", alone, "batches/s")
    if without:
        lab.show("two workers, cleanup stands still", sum(without) / len(without), "batches/s")
        ratio = lab.percentile([b / w for b, w in zip(beside, without, strict=True)], 0.5)
        lab.show(
            "two workers beside cleanup",
            sum(beside) / len(beside),
            "batches/s",
            "standing still",
            sum(without) / len(without),
        )
        lab.show(f"median ratio of {len(without)} pairs of windows", ratio, "")
    lab.show("cleanup ran for", took, "s")
    for name in sorted({"evtrack worker", *waits.longest_s}):
        lab.show(f"longest wait for a table's lock: {name}", 1000 * waits.longest_s.get(name, 0.0), "ms")
    print(f"{waits.samples:,} samples")


if __name__ == "__main__":
    main(sys.argv[1:])
