"""What a database knows about a worker that died, and about the batches that it left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from evtrack.domain.ordinals import Ordinals
from evtrack.storage.connection.query import array_literal, one, rows, value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evtrack.domain.claimed_batch import BatchKey
    from evtrack.storage.connection.connect import Connection

_CALL: Final = 5000


class _LeftBatch(NamedTuple):
    job_id: int
    batch_no: int
    attempt: int
    ordinals: str


def database_identity(connection: Connection) -> str:
    """Return what distinguishes a database from all others: its cluster's identifier and its own."""
    return str(value(connection, "database_identity"))


def left_batches(connection: Connection, dead_worker: int, keys: Sequence[BatchKey]) -> dict[BatchKey, list[int]]:
    """Find the items of the batches that a dead worker left.

    Args:
        dead_worker: The worker.
        keys: The batches, and any others: a dead worker's notes are not trusted.

    Returns:
        The ordinals of the items of each batch whose attempt by that worker has not ended, or ended with the worker.
    """
    found: dict[BatchKey, list[int]] = {}
    distinct = list(dict.fromkeys(keys))
    for start in range(0, len(distinct), _CALL):
        columns = zip(*distinct[start : start + _CALL], strict=True)
        names = ("job_ids", "batch_nos", "attempts")
        values = {name: array_literal(column) for name, column in zip(names, columns, strict=True)}
        for job_id, batch_no, attempt, ordinals in rows(
            connection, _LeftBatch, "left_batches", dead_worker=dead_worker, **values
        ):
            found[job_id, batch_no, attempt] = list(Ordinals.parse(ordinals))
    return found


class KnownWorker(NamedTuple):
    """What the database knows about a worker.

    Args:
        state: Whether it is alive, silent, stopped or lost.
        handlers: The handlers that it offered.
    """

    state: str
    handlers: list[str]


def worker_state(connection: Connection, worker_id: int, *, host: str, pid: int) -> KnownWorker | None:
    """Look up a worker.

    Args:
        worker_id: The worker.
        host: Where it ran.
        pid: Its process there.

    Returns:
        The worker; None when the database does not know it, or another one by that number, as after a restore.
    """
    return one(connection, KnownWorker, "worker_state", worker_id=worker_id, host=host, pid=pid)
