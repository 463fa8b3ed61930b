"""A worker's row: announced, kept alive, taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evtrack import __version__
from evtrack.storage.database import Connection, translated
from evtrack.storage.sql import statement

if TYPE_CHECKING:
    from collections.abc import Sequence


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


def heartbeat(connection: Connection, worker_id: int, *, busy: int) -> bool:
    """Say that the worker lives.

    Args:
        connection: Any connection.
        worker_id: The worker.
        busy: How many of its slots have something in hand.

    Returns:
        False when it was declared lost: its batches are others' now.
    """
    with translated():
        row = connection.execute(statement("heartbeat"), {"worker_id": worker_id, "busy": busy}).fetchone()
    return bool(row and row[0])


def stop_worker(connection: Connection, worker_id: int) -> None:
    """Say that the worker ended in good order.

    Args:
        connection: Any connection.
        worker_id: The worker; it holds no batch any more.
    """
    with translated():
        connection.execute(statement("stop_worker"), {"worker_id": worker_id})
