"""What the supervisor and its database thread exchange: a request, and then a reply. Neither is changed by anyone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from evtrack.runtime.worker.outcomes.outcome_buffer import Outcomes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evtrack.domain.claimed_batch import BatchKey, ClaimedBatch
    from evtrack.runtime.worker.outcomes.item_marks import MarkRequest
    from evtrack.runtime.worker.pacing import Room

HELD: Final = "held"
"""Answer to a mark: it is committed, and the item may begin."""

LOST: Final = "lost"
"""Answer to a mark: the worker must not go on with the batch."""

REFUSED: Final = "refused"
"""Answer to a mark: the database rejects what it says."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the supervisor wants of the database.

    Args:
        outcomes: Outcomes to report; they are the database thread's from now on.
        room: What could be claimed; None to claim nothing.
        marks: Marks of suspects to commit.
        held: The batches without an outcome, if they were asked for.
        crash_loops: Problems of the slots to report, None for a recovery.
        has_news: Whether there may be new work.
        until_job: The job to wait for.
        is_draining: Whether the worker stops when nothing is left to do, now or later.
        is_stopping: Whether the worker was asked to stop.
        replies: How many replies the supervisor knew of, or expects before this request runs; if there were more,
            `room` and `held` are outdated.
        is_outdated: Whether `room` was left out because of that, and not because nothing is to be claimed.
    """

    outcomes: Outcomes = field(default_factory=Outcomes)
    room: Room | None = None
    marks: Sequence[MarkRequest] = ()
    held: Sequence[BatchKey] | None = None
    crash_loops: Sequence[str | None] = ()
    has_news: bool = False
    until_job: int | None = None
    is_draining: bool = False
    is_stopping: bool = False
    replies: int = 0
    is_outdated: bool = False


@dataclass(frozen=True, slots=True)
class Outlook:
    """What may be due next, if nothing happens. Times are of the monotonic clock.

    Args:
        job_ids: The jobs that the next claim would name.
        list_at: When to read the list of claimable jobs again.
        claim_at: When to claim again.
        report_at: When to try again to report outcomes that were postponed.
        finish_at: When to ask which jobs are finished.
        is_idle: Whether nothing is claimable, and nothing will be by itself, until `list_at`.
    """

    job_ids: Sequence[int] = ()
    list_at: float = 0.0
    claim_at: float = 0.0
    report_at: float = math.inf
    finish_at: float = math.inf
    is_idle: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a request.

    Args:
        worker_id: The worker's id; 0 while it has none.
        batches: Claimed batches, which are the supervisor's from now on.
        marks: The answer to each committed mark, by its slot and number; a mark that is missing is still due.
        lost: Batches that no longer belong to this worker.
        is_lost: Whether the worker was declared lost, so that none of its batches belongs to it.
        unreported: How many outcomes the database has not accepted yet.
        wants_held: Whether the next request must list the batches without an outcome.
        is_job_over: Whether the awaited job has ended.
        outlook: What may be due next.
        retry_at: Monotonic time until which to leave the database alone after an error.
    """

    worker_id: int
    batches: Sequence[ClaimedBatch]
    marks: dict[tuple[int, int], str]
    lost: frozenset[BatchKey]
    is_lost: bool
    unreported: int
    wants_held: bool
    is_job_over: bool
    outlook: Outlook
    retry_at: float


@dataclass(slots=True)
class Answers:
    """What an exchange has achieved so far: it counts even if the exchange fails later. Only its thread has it."""

    batches: list[ClaimedBatch] = field(default_factory=list)
    marks: dict[tuple[int, int], str] = field(default_factory=dict)
    lost: set[BatchKey] = field(default_factory=set)

    def clear(self) -> None:
        """Drop everything: the worker was declared lost."""
        self.batches.clear()
        self.marks.clear()
        self.lost.clear()
