"""A worker's row: register it, keep it alive, stop it; and the maintenance that every worker does for all."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from psycopg.types.json import Jsonb

from evtrack.domain.errors import NoSuchJob
from evtrack.storage.connection.connect import Connection, behind_pooler, bound_answers
from evtrack.storage.connection.query import array_literal, dict_rows, rows, run, value
from evtrack.storage.queue.records import ReportVerdict
from evtrack.storage.queue.upkeep_turn import UpkeepTurn
from evtrack.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evtrack.domain.claimed_batch import BatchKey


LOCK_TIMEOUT: Final = "5s"
STATEMENT_TIMEOUT: Final = "60s"
"""No statement of a worker takes seconds; one that does waits for something that may never come."""

ANSWER_S: Final = 75.0
"""How long the server may stay silent in a statement: so long only if it hangs, as STATEMENT_TIMEOUT comes first."""

IDLE_TIMEOUT: Final = "10s"
"""A transaction left idle this long holds locks that others need, because its process was stopped."""

_OVERDUE: Final = 1000


@dataclass(frozen=True, slots=True)
class HeartbeatReply:
    """The answer to a heartbeat.

    Args:
        accepted: False when the worker was declared lost and its batches were given to others.
        session_lock: Whether the session holds the worker's lock; behind a transaction pooler it does not.
        turn: Who looks for lost workers.
    """

    accepted: bool
    session_lock: bool
    turn: UpkeepTurn


@dataclass(frozen=True, slots=True)
class BatchAtDeath:
    """A batch that a slot of a dead worker had, as its state directory shows.

    Args:
        key: The batch.
        begun: Whether an item of it had begun.
        in_hand: Ordinal of the item that was running; 0 for the whole batch, None for no item.
        done: Ordinals of the items whose results are known, as a multirange; None for none.
        results: A line of JSON for each of those items; None when nothing was returned.
    """

    key: BatchKey
    begun: bool
    in_hand: int | None
    done: str | None
    results: str | None


@dataclass(frozen=True, slots=True)
class LostWorker:
    """A worker that was declared lost.

    Args:
        why: How this is known.
        batches: How many batches it held.
        handlers: The handlers that it offered; their batches are pending again.
    """

    worker_id: int
    name: str
    why: str
    batches: int
    handlers: list[str]


def bound_waits(connection: Connection, *, lock: str = "", statement: str = "", answer_s: float = 0.0) -> None:
    """Limit how long a worker's statements may run and its transactions may stay open.

    Behind a pooler the session is not ours, so there the settings of the role apply. A server that hangs does not keep
    to them: if it stays silent, the connection counts as lost.

    Args:
        lock: How long a statement may wait for a lock, if not LOCK_TIMEOUT.
        statement: How long it may run, if not STATEMENT_TIMEOUT.
        answer_s: How long the server may stay silent, if not ANSWER_S.
    """
    bound_answers(connection, answer_s or ANSWER_S)
    if not behind_pooler(connection):
        bounds = {"lock": lock or LOCK_TIMEOUT, "statement": statement or STATEMENT_TIMEOUT, "idle": IDLE_TIMEOUT}
        run(connection, "bound_waits", **bounds)


def register_worker(
    connection: Connection, *, name: str, host: str, pid: int, slots: int, handlers: Sequence[str], marks: bool = False
) -> int:
    """Register a worker.

    Args:
        host: Where it runs.
        pid: Its process there.
        slots: How many batches it runs at once.
        handlers: The handlers that it offers.
        marks: Whether it marks the items of suspects.
    """
    values = {"name": name, "host": host, "pid": pid, "slots": slots, "handlers": list(handlers), "marks": marks}
    return int(value(connection, "register_worker", **values, version=__version__))


def lock_worker(connection: Connection, worker_id: int) -> int | None:
    """Take the session lock that shows that the worker is alive; it is released when the connection closes.

    Args:
        connection: The connection that holds it.

    Returns:
        The server's process that holds it; None while an earlier connection of this worker is still open.
    """
    lock_pid: int | None = value(connection, "lock_worker", worker_id=worker_id)
    return lock_pid


def heartbeat(connection: Connection, worker_id: int, *, busy: int, lock_pid: int | None = None) -> HeartbeatReply:
    """Record that the worker is alive.

    Args:
        connection: The connection that holds its lock, if one does.
        busy: How many of its slots are running a batch.
        lock_pid: The server's process that holds the lock, if that is known.

    Returns:
        The answer.
    """
    try:
        (row,) = dict_rows(connection, "heartbeat", worker_id=worker_id, busy=busy, lock_pid=lock_pid)
    except NoSuchJob:
        # A lost worker's row goes with the last day that refers to it.
        return HeartbeatReply(accepted=False, session_lock=False, turn=UpkeepTurn())
    accepted, session_lock = row.pop("accepted"), row.pop("session_lock")
    return HeartbeatReply(accepted=accepted, session_lock=session_lock, turn=UpkeepTurn(**row))


def count_idle(connection: Connection, handler: str) -> int:
    """Count the workers with a handler that had a free slot at their last heartbeat."""
    return int(value(connection, "count_idle", handler=handler))


def reap(
    connection: Connection, *, grace_s: float, lease_s: float, reaper: int | None = None, elapsed_s: float | None = None
) -> list[LostWorker]:
    """Declare dead workers lost, and set their batches back to pending; one caller at a time does.

    Args:
        grace_s: How long a worker's session lock may be gone.
        lease_s: How old a worker's heartbeat may be.
        reaper: The number of a caller that takes turns with others.
        elapsed_s: The time since its last call, by a monotonic clock.

    Returns:
        The workers declared lost; none when another caller is reaping, or has the turn.
    """
    values = {"grace_s": grace_s, "lease_s": lease_s, "reaper": reaper, "elapsed_s": elapsed_s}
    return rows(connection, LostWorker, "reap", **values)


def finish_overdue(connection: Connection) -> list[int]:
    """Finish the jobs whose batches have all ended, but whose last worker died before it finished them.

    Returns:
        The jobs that this call finished.
    """
    return list(value(connection, "finish_overdue", most=_OVERDUE) or ())


def compact_open_jobs(connection: Connection) -> int:
    """Merge progress rows of jobs that have many; one caller at a time does, once a minute.

    Returns:
        How many rows were merged.
    """
    return int(value(connection, "compact_open_jobs") or 0)


def make_partitions(connection: Connection) -> int:
    """Make the missing partitions of the coming days.

    Returns:
        How many days were made.
    """
    return int(value(connection, "make_partitions") or 0)


def stop_worker(connection: Connection, worker_id: int) -> None:
    """Record that the worker stopped normally.

    Args:
        worker_id: The worker; it holds no batch any more.
    """
    run(connection, "stop_worker", worker_id=worker_id)


def begin_stop(connection: Connection, worker_id: int) -> None:
    """Record that the worker was asked to stop, so that being killed before it has returned its batches is no crash."""
    run(connection, "begin_stop", worker_id=worker_id)


def report_death(
    connection: Connection,
    *,
    dead_worker: int,
    reporter: int | None,
    facts: dict[str, Any],
    batches: Sequence[BatchAtDeath],
) -> list[ReportVerdict]:
    """Report what a dead worker had left on its host, and declare it lost with that knowledge.

    Args:
        dead_worker: The worker that died.
        reporter: The worker that reports it; None before it is registered.
        facts: Evidence of why it died.
        batches: The batches that its slots had.

    Returns:
        A verdict for each: alive when its session lock is still held, and it was not declared lost.
    """
    columns = {
        "job_ids": array_literal([batch.key[0] for batch in batches]),
        "batch_nos": array_literal([batch.key[1] for batch in batches]),
        "attempts": array_literal([batch.key[2] for batch in batches]),
        "begun": [batch.begun for batch in batches],
        "in_hand": [batch.in_hand for batch in batches],
        "done": [batch.done for batch in batches],
        "results": [batch.results for batch in batches],
    }
    values = {"dead_worker": dead_worker, "reporter": reporter, "facts": Jsonb(facts)}
    return rows(connection, ReportVerdict, "report_death", **values, **columns)


def report_slots(connection: Connection, worker_id: int, problem: str | None) -> None:
    """Report that a worker's slots keep dying before they do anything, or that they have recovered.

    Args:
        connection: A connection in autocommit mode.
        problem: What is wrong; None once they have recovered.
    """
    run(connection, "report_slots", worker_id=worker_id, problem=problem)


@dataclass(frozen=True, slots=True)
class ItemInHand:
    """What a slot has in hand.

    Args:
        slot: The slot's process.
        item_key: The item; None when the handler has the whole batch.
        ordinal: Its ordinal, or None.
        running_s: How long the item, or the whole batch, has been running.
    """

    slot: int
    job_id: int
    batch_no: int
    attempt: int
    handler: str
    item_key: str | None
    ordinal: int | None
    running_s: float


def report_in_hand(connection: Connection, worker_id: int, items: Sequence[ItemInHand]) -> None:
    """Report what a worker's slots have in hand; it replaces the report before.

    Args:
        connection: A connection in autocommit mode.
        items: One for each slot; none clears the report.
    """
    run(connection, "report_in_hand", worker_id=worker_id, in_hand=Jsonb([asdict(item) for item in items]))
