"""The statements of a worker: what they are given, and what they return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulation.session import Call

from evtrack.domain.claimed_batch import ClaimedBatch
from evtrack.storage.connection.query import array_literal
from evtrack.storage.queue.records import Claimable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from psycopg.pq.abc import PGresult

    from evtrack.storage.queue.records import Claim


def heartbeat(worker_id: int, busy: int, lock_pid: int) -> Call:
    """Send a heartbeat."""
    return Call("heartbeat", {"worker_id": worker_id, "busy": busy, "lock_pid": lock_pid})


def upkeep_turn() -> Call:
    """Ask who looks for lost workers."""
    return Call("upkeep_turn", {})


def count_idle(handler: str) -> Call:
    """Count the workers that are idle."""
    return Call("count_idle", {"handler": handler})


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
            job_id=_number(row["job_id"]),
            priority=_number(row["priority"]),
            mark=None if row["mark"] is None else _number(row["mark"]),
            due=bool(_number(row["due"])),
            isolated=bool(_number(row["isolated"])),
        )
        for row in _rows(result)
    ]


def claimed(result: PGresult) -> list[ClaimedBatch]:
    """Return the batches that were claimed; of each only what identifies it.

    Raises:
        RuntimeError: A report was rejected.
    """
    batches = []
    for row in _rows(result):
        verdict = row.get("verdict")
        if verdict is not None:
            raise RuntimeError(f"the report of batch {_number(row['batch_no'])} was rejected: {verdict.decode()}")
        if row["job_id"] is not None:
            key = [_number(row[name]) for name in ("job_id", "batch_no", "attempt")]
            batches.append(ClaimedBatch(*key, b"", b"", b"", None, None, None))
    return batches


def counted(result: PGresult) -> int:
    """Return how many `count_idle` has found."""
    return _number(result.get_value(0, 0))


def has_more(result: PGresult) -> bool:
    """Return whether `claim_next` says that there may be more."""
    return any(_number(row["has_more"]) for row in _rows(result))


def _known(marks: Mapping[int, int]) -> dict[str, str]:
    return {"job_ids": array_literal(list(marks)), "marks": array_literal(list(marks.values()))}


def _rows(result: PGresult) -> Iterator[dict[str, bytes | None]]:
    names = [(result.fname(column) or b"").decode() for column in range(result.nfields)]
    for row in range(result.ntuples):
        yield {name: result.get_value(row, column) for column, name in enumerate(names)}


def _number(value: bytes | None) -> int:
    return int.from_bytes(value or b"", "big", signed=True)
