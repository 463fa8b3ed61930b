"""A worker's row: announced, kept alive, taken back, or declared lost by others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evtrack.domain.errors import NoSuchJob
from evtrack.storage.connection.connect import Connection, behind_pooler, translated
from evtrack.storage.connection.statements import statement
from evtrack.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence


LOCK_TIMEOUT: Final = "5s"
STATEMENT_TIMEOUT: Final = "60s"
"""No statement of a worker takes seconds; one that does waits for something that may never come."""

IDLE_TIMEOUT: Final = "10s"
"""A transaction that its process has left alone for so long holds locks that others need: the process is stopped."""

_OVERDUE: Final = 1000


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a heartbeat is answered with.

    Args:
        accepted: False when the worker was declared lost: its batches are others' now.
        session_lock: Whether the session holds the worker's lock; behind a transaction pooler it does not.
    """

    accepted: bool
    session_lock: bool


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker that was declared lost.

    Args:
        worker_id: Its number.
        name: What people called it.
        why: How it is known.
        batches: How many it held.
        handlers: What it offered; theirs is the work that has come back.
    """

    worker_id: int
    name: str
    why: str
    batches: int
    handlers: list[str]


def bound_waits(connection: Connection) -> None:
    """Let no statement of a worker wait without end, nor any transaction of it be left open.

    Behind a pooler the session is not ours, so there the settings of the role hold.

    Args:
        connection: A worker's connection.
    """
    if behind_pooler(connection):
        return
    values = {"lock": LOCK_TIMEOUT, "statement": STATEMENT_TIMEOUT, "idle": IDLE_TIMEOUT}
    with translated():
        connection.execute(statement("bound_waits"), values)


def register_worker(
    connection: Connection, *, name: str, host: str, pid: int, slots: int, handlers: Sequence[str]
) -> int:
    """Announce a worker.

    Args:
        connection: Any connection.
        name: What people call it.
        host: Where it runs.
        pid: Its process there.
        slots: How many batches it runs at once.
        handlers: What it offers.

    Returns:
        The worker's number.
    """
    values = {"name": name, "host": host, "pid": pid, "slots": slots, "handlers": list(handlers)}
    with translated():
        row = connection.execute(statement("register_worker"), {**values, "version": __version__}).fetchone()
    assert row is not None  # noqa: S101  a SELECT of a function has one row
    return int(row[0])


def hold_worker(connection: Connection, worker_id: int) -> bool:
    """Take the lock that says that the worker lives; it goes when the connection does.

    Args:
        connection: The connection that is to say so.
        worker_id: The worker.

    Returns:
        Whether it is held; False while an earlier connection of this worker is not gone yet.
    """
    with translated():
        row = connection.execute(statement("hold_worker"), {"worker_id": worker_id}).fetchone()
    return bool(row and row[0])


def heartbeat(connection: Connection, worker_id: int, *, busy: int) -> Pulse:
    """Say that the worker lives.

    Args:
        connection: The connection that holds its lock, if one does.
        worker_id: The worker.
        busy: How many of its slots have something in hand.

    Returns:
        The answer.
    """
    try:
        with translated():
            row = connection.execute(statement("heartbeat"), {"worker_id": worker_id, "busy": busy}).fetchone()
    except NoSuchJob:
        # Long after it was lost, its row goes with the last day that names it.
        return Pulse(accepted=False, session_lock=False)
    assert row is not None  # noqa: S101  a SELECT of functions has one row
    return Pulse(*row)


def reap(connection: Connection, *, grace_s: float, lease_s: float) -> list[Lost]:
    """Declare lost the workers that are, and take their batches back; one caller at a time does.

    Args:
        connection: Any connection.
        grace_s: How long a worker's session lock may be gone.
        lease_s: How old a worker's heartbeat may be.

    Returns:
        The workers that were lost; none when another caller is at it.
    """
    with translated():
        rows = connection.execute(statement("reap"), {"grace_s": grace_s, "lease_s": lease_s}).fetchall()
    return [Lost(*row) for row in rows]


def finish_overdue(connection: Connection) -> list[int]:
    """Finish the jobs in which nothing is open and whose last worker did not live to say so.

    Args:
        connection: Any connection.

    Returns:
        The jobs that have finished now.
    """
    with translated():
        rows = connection.execute(statement("finish_overdue"), {"most": _OVERDUE}).fetchall()
    return [int(row[0]) for row in rows]


def make_partitions(connection: Connection) -> int:
    """Make the partitions of the days to come, where they are not there yet.

    Args:
        connection: Any connection.

    Returns:
        How many days were made.
    """
    with translated():
        row = connection.execute(statement("make_partitions")).fetchone()
    return int(row[0]) if row else 0


def wake(connection: Connection, handler: str) -> None:
    """Tell the workers of a handler that there is work.

    Args:
        connection: Any connection, outside of a transaction.
        handler: The handler.
    """
    with translated():
        connection.execute(statement("wake_workers"), {"handler": handler})


def stop_worker(connection: Connection, worker_id: int) -> None:
    """Say that the worker ended in good order.

    Args:
        connection: Any connection.
        worker_id: The worker; it holds no batch any more.
    """
    with translated():
        connection.execute(statement("stop_worker"), {"worker_id": worker_id})
