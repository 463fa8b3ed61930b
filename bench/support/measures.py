"""The measurements that evtrack and its peers go through alike. The clock is the client's.

A drain is timed from the first call of a handler until the queue's own tables say that all is done, and a pick-up from
the return of the call that enqueued the job until its handler is called.
"""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from support import database
from support.commands import stop, wait_until
from support.contender import Contender
from support.stamps import VARIABLE, Stamps, now

if TYPE_CHECKING:
    import subprocess

_POLL_S = 0.005
_ASK_S = 0.01
_IDLE_S = 2.0
_FINISHED = "SELECT NOT EXISTS (SELECT FROM evtrack.job WHERE phase <> 'finished')"


def drain(contender: Contender, *, jobs: int, workers: int, snapshot: bool = False) -> dict[str, float]:
    """Drain jobs of one item, enqueued before.

    Args:
        contender: The queue.
        jobs: How many jobs.
        workers: How many worker processes.
        snapshot: Whether an idle transaction holds a snapshot all the time.

    Returns:
        Jobs a second, and the bytes that a job wrote to the WAL and left in tables and indexes.
    """
    contender.install()
    with ExitStack() as stack:
        conn = stack.enter_context(database.connect(contender.dsn))
        empty = database.size(conn)
        contender.fill(jobs)
        database.tidy(conn)
        stamps = stack.enter_context(stamped())
        if snapshot:
            holder = stack.enter_context(database.connect(contender.dsn))
            holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            holder.execute("SELECT count(*) FROM pg_class")
        with ExitStack() as started:
            processes = [contender.start_worker() for _ in range(workers)]
            started.callback(stop, *processes)
            wait_until(lambda: contender.ready(conn, workers), *processes)
            written = database.wal_position(conn)
            contender.release(conn)
            wait_until(lambda: stamps.calls() >= jobs, *processes, every_s=_POLL_S)
            wait_until(lambda: contender.done(conn, jobs), *processes, every_s=_ASK_S)
            ended = now()
            written = database.wal_position(conn) - written
        begun = stamps.first()
        assert begun is not None
        assert stamps.calls() == jobs, stamps.calls()
        conn.execute("VACUUM")
        left = database.size(conn) - empty
        contender.check(conn, jobs)
    return {"jobs_s": jobs / ((ended - begun) / 1e9), "wal_bytes": written / jobs, "left_bytes": left / jobs}


def pick_up(contender: Contender, *, samples: int) -> dict[str, float]:
    """Measure how soon an idle worker calls the handler of a job that was just enqueued."""
    contender.install()
    with ExitStack() as stack:
        conn = stack.enter_context(database.connect(contender.dsn))
        stamps = stack.enter_context(stamped())
        process = contender.start_worker()
        stack.callback(stop, process)
        wait_until(lambda: contender.ready(conn, 1), process)
        time.sleep(_IDLE_S)  # peers do not say when they wait for work
        returned = contender.enqueue_spaced(samples)
        wait_until(lambda: all(stamps.of(number) for number in range(samples)), process)
        # A job may be picked up before the call that enqueued it returns.
        taken = [max(0, (stamps.of(number) or 0) - at) / 1e6 for number, at in enumerate(returned)]
    return {"p50_ms": percentile(taken, 0.5), "p99_ms": percentile(taken, 0.99)}


def enqueue(contender: Contender, *, seconds: float, size: int = 0) -> dict[str, float]:
    """Enqueue jobs from one connection, one in each call or, with a size, so many."""
    contender.install()
    begun = time.monotonic()
    jobs = contender.enqueue_many(seconds, size) if size else contender.enqueue_each(seconds)
    took_s = time.monotonic() - begun
    with database.connect(contender.dsn) as conn:
        found = contender.queued(conn)
    assert found in (None, jobs), (found, jobs)
    return {"jobs_s": jobs / took_s}


def until_finished(conn: database.Connection, stamps: Stamps, *processes: "subprocess.Popen[bytes]") -> float:
    """Wait until all jobs of evtrack are finished, and return the seconds since the first call of a handler."""
    wait_until(lambda: bool(database.value(conn, _FINISHED)), *processes, every_s=_ASK_S)
    ended, begun = now(), stamps.first()
    assert begun is not None
    return (ended - begun) / 1e9


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of the values lies.

    Args:
        values: At least one.
        share: From 0 to 1.
    """
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@contextmanager
def stamped() -> Iterator[Stamps]:
    """Provide a page for stamps, which the processes started meanwhile find by their environment."""
    with tempfile.TemporaryDirectory(prefix="evtrack-bench-") as directory:
        path = Path(directory) / "stamps"
        os.environ[VARIABLE] = str(path)
        try:
            yield Stamps.create(path)
        finally:
            del os.environ[VARIABLE]
