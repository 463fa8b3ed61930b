"""The statements of a worker: what they are given, and what they return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulation.session import Call

from evtrack.domain.claimed_batch import ClaimedBatch
from evtrack.storage.connection.query import array_literal
from evtrack.storage.queue.records import Claimable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg.pq.abc import PGresult

    from evtrack.storage.queue.records import Claim


def heartbeat(worker_id: int, busy: int, lock_pid: int) -> Call:
    """Send a heartbeat."""
    return Call("heartbeat", {"worker_id": worker_id, "busy": busy, "lock_pid": lock_pid})


def upkeep_turn(worker_id: int) -> Call:
    """Ask who looks for lost workers."""
    return Call("upkeep_turn", {"reaper": worker_id})


def claimable(handler: str, marks: Mapping[int, int]) -> Call:
    """List the jobs to claim from."""
    return Call("claimable", {"handlers": f"{{{handler}}}", **_known(marks)})


def claim_next(worker_id: int, handler: str, marks: Mapping[int, int], *, most: int) -> Call:
    """Claim what a notification announced."""
    return Call("claim_next", {"worker_id": worker_id, "handlers": f"{{{handler}}}", "most": most, **_known(marks)})


def exchange(worker_id: int, handler: str, done: Sequence[ClaimedBatch], claim: Claim | None, *, run_s: float) -> Call:
    """Report completed batches, and claim more."""
    job_ids, numbers, attempts = zip(*[batch.key for batch in done], strict=True) if done else ((), (), ())
    values = {
        "worker_id": worker_id,
        "job_ids": array_literal(job_ids),
        "batch_nos": array_literal(numbers),
        "attempts": array_literal(attempts),
        "run_s": array_literal([run_s] * len(done)),
        "results": None,
        "peak_rss_bytes": None,
        "cpu_s": None,
        "claim_jobs": array_literal(claim.job_ids) if claim else None,
        "after": array_literal(claim.after) if claim else None,
        "handlers": f"{{{handler}}}",
        "max_new": claim.max_new if claim else 0,
        "max_retried": claim.max_retried if claim else 0,
        "max_isolated": claim.max_isolated if claim else 0,
    }
    return Call("exchange", values)


def finish_jobs(job_ids: Sequence[int]) -> Call:
    """Finish those of some jobs that have no open batch."""
    return Call("finish_jobs", {"job_ids": array_literal(job_ids)})


def jobs(result: PGresult) -> list[Claimable]:
    """Return what `claimable` lists."""
    return [
        Claimable(
            job_id=_number(result, row, 0),
            priority=_number(result, row, 1),
            mark=None if result.get_value(row, 2) is None else _number(result, row, 2),
            due=is_set(result, row, 3),
            isolated=is_set(result, row, 4),
        )
        for row in range(result.ntuples)
    ]


def claimed(result: PGresult) -> list[ClaimedBatch]:
    """Return the batches that were claimed; of each only what identifies it."""
    return [
        ClaimedBatch(*[_number(result, row, column) for column in range(3)], b"", b"", b"", None, None, None)
        for row in range(result.ntuples)
        if result.get_value(row, 0) is not None and result.get_value(row, 3) is not None
    ]


def is_set(result: PGresult, row: int, column: int) -> bool:
    """Return whether a column is true."""
    return bool(_number(result, row, column))


def _known(marks: Mapping[int, int]) -> dict[str, str]:
    return {"job_ids": array_literal(list(marks)), "marks": array_literal(list(marks.values()))}


def _number(result: PGresult, row: int, column: int) -> int:
    return int.from_bytes(result.get_value(row, column) or b"", "big", signed=True)
