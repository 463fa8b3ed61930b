"""The requests and replies of the queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evtrack.domain.claimed_batch import BatchKey


@dataclass(frozen=True, slots=True)
class Claimable:
    """A job that may be claimed from.

    Args:
        priority: Higher goes first.
        mark: The low-water mark: the smallest number of a new batch, or None when there is none.
        due: Whether a retried batch is due.
        isolated: Whether one of these must run alone in its worker.
    """

    job_id: int
    priority: int
    mark: int | None
    due: bool
    isolated: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """A request for batches.

    Args:
        job_ids: Jobs to claim from, an equal share of each; the first ones get the remainder.
        after: For each job, the batch number after which to look.
        max_new: How many new batches.
        max_retried: How many retried batches that may run beside others.
        max_isolated: How many retried batches that must run alone in their worker; None for at most one, as one of
            `max_retried`.
    """

    job_ids: Sequence[int]
    after: Sequence[int]
    max_new: int
    max_retried: int
    max_isolated: int | None = None


@dataclass(frozen=True, slots=True)
class CompletedBatches:
    """Batches that completed, in parallel lists.

    Args:
        job_ids: Their jobs.
        batch_nos: Their numbers.
        attempts: Their attempts.
        run_s: How long each ran.
        results: Lines of JSON of each, or None; None when no batch has any.
        usage: Peak memory in bytes and CPU time of each, or None; None when no batch has any.
    """

    job_ids: Sequence[int]
    batch_nos: Sequence[int]
    attempts: Sequence[int]
    run_s: Sequence[float]
    results: Sequence[bytes | None] | None
    usage: Sequence[tuple[int, float] | None] | None = None


@dataclass(frozen=True, slots=True)
class ReportVerdict:
    """The queue's answer to the report of a batch.

    Args:
        verdict: What came of it; `late` or `unknown` when the report was rejected.
    """

    job_id: int
    batch_no: int
    verdict: str


class Reconciled(NamedTuple):
    """Whether the worker still holds a batch: held, lost, or requeued for one that it did not name."""

    job_id: int
    batch_no: int
    attempt: int
    verdict: str


@dataclass(frozen=True, slots=True)
class SuspectMark:
    """What becomes of the items of a suspect: the one that is done, and the one that begins.

    Args:
        batch: The batch.
        done: Ordinal of the item that is done; None for none.
        line: Its result as a line of JSON, or None.
        in_hand: Ordinal of the item that begins now; 0 when the whole batch begins, None when no item does.
        exclusive: Whether the worker runs nothing else.
    """

    batch: BatchKey
    done: int | None
    line: bytes | None
    in_hand: int | None
    exclusive: bool
