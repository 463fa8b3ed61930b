"""The events of the log: a frozen model for each type, and their union."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)

from evtrack.domain.column_types import BigCount, Count, OrdinalText, PositiveCount, SmallCount, SmallInt
from evtrack.domain.crash import CrashReport
from evtrack.domain.ordinals import Ordinals
from evtrack.domain.policy import Policy
from evtrack.domain.states import EventType, Isolation


class _Event(BaseModel):
    # A newer version may have written more keys; nothing in the log may be dropped.
    model_config = ConfigDict(frozen=True, extra="allow")


class Enqueued(_Event):
    """A batch was created, from the source or with the items of another batch."""

    type: Literal[EventType.ENQUEUED] = EventType.ENQUEUED
    items: PositiveCount
    # A submitted batch names the first of its ordinals, which follow each other; a derived one names them all.
    first: Count | None = None
    weight: BigCount
    ordinals: OrdinalText
    root: PositiveCount | None = None
    parent: PositiveCount | None = None
    errors: SmallCount = 0
    crashes: SmallCount = 0
    losses: SmallCount = 0
    exclusive_losses: SmallCount = 0
    isolation: Isolation = Isolation.NONE
    run_at: AwareDatetime | None = None
    error: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Add what the event leaves out because its other fields say it."""
        first, items = data.get("first"), data.get("items")
        if isinstance(first, int) and isinstance(items, int) and first >= 0 and items > 0:
            data = {"ordinals": Ordinals(((first, first + items),)), **data}
        return {"weight": items, **data}


class Started(_Event):
    """A worker claimed the batch."""

    type: Literal[EventType.STARTED] = EventType.STARTED


class Completed(_Event):
    """The batch's items are done, except for those in `moved`, which are now in other batches."""

    type: Literal[EventType.COMPLETED] = EventType.COMPLETED
    run_s: NonNegativeFloat | None = None
    peak_rss_bytes: NonNegativeInt | None = None
    cpu_s: NonNegativeFloat | None = None
    moved: OrdinalText | None = None
    # 0 if the process crashed after the last item.
    moved_items: Count | None = None
    moved_to: tuple[PositiveCount, ...] | None = None


class ItemError(_Event):
    """One item's failure inside a failed batch."""

    ordinal: PositiveInt | None = None
    key: str | None = None
    type: str | None = None
    message: str | None = None


class Failure(_Event):
    """The exception that the handler raised."""

    type: str | None = None
    message: str | None = None
    traceback: str | None = None
    items: tuple[ItemError, ...] | None = None


class Failed(_Event):
    """The handler raised an exception."""

    type: Literal[EventType.FAILED] = EventType.FAILED
    run_s: NonNegativeFloat | None = None
    # Clients in other languages may report errors in another form, which is kept unchanged.
    error: Annotated[Failure | JsonValue, Field(union_mode="left_to_right")] = None


class Crashed(_Event, CrashReport):
    """The batch's process, worker or host died or hung."""

    type: Literal[EventType.CRASHED] = EventType.CRASHED


class Requeued(_Event):
    """The batch returned to the queue."""

    type: Literal[EventType.REQUEUED] = EventType.REQUEUED
    reason: str | None = None
    run_at: AwareDatetime | None = None
    # None keeps it.
    isolation: Isolation | None = None
    reset: bool = False


class Split(_Event):
    """All items of the batch moved to other batches; or only those in `moved`, and the batch keeps the rest."""

    type: Literal[EventType.SPLIT] = EventType.SPLIT
    to: tuple[PositiveCount, ...] = ()
    moved: OrdinalText | None = None
    moved_items: PositiveCount | None = None


class Cancelled(_Event):
    """A user cancelled the batch or the job."""

    type: Literal[EventType.CANCELLED] = EventType.CANCELLED
    reason: str | None = None


class LateResult(_Event):
    """A worker reported on a batch whose lease it had lost; the report was ignored."""

    type: Literal[EventType.LATE_RESULT] = EventType.LATE_RESULT
    outcome: str | None = None
    holder: int | None = None


class Created(_Event):
    """A job was created."""

    type: Literal[EventType.CREATED] = EventType.CREATED
    handler: str
    name: str | None = None
    priority: SmallInt = 0
    policy: Policy = Policy()
    source: Mapping[str, Any] = Field(default_factory=dict)
    bytes_total: BigCount | None = None
    submitter: UUID | None = None
    digest_form: Literal[1, 2] | None = None


class Extended(_Event):
    """A chunk of batches was added to the job."""

    type: Literal[EventType.EXTENDED] = EventType.EXTENDED
    batches: Count
    items: BigCount
    first_batch_no: PositiveCount | None = None
    position: Mapping[str, Any] | None = None
    bytes_read: BigCount | None = None
    invalid: BigCount = 0


class Note(_Event):
    """A message about an item, a line or a file of the source."""

    source: str
    reason: str
    key: str | None = None


class Noted(_Event):
    """Messages about the source; the list is limited, the total is not."""

    type: Literal[EventType.NOTED] = EventType.NOTED
    total: BigCount
    notes: tuple[Note, ...] = ()


class Sealed(_Event):
    """The source was read to its end; no more batches will be added."""

    type: Literal[EventType.SEALED] = EventType.SEALED


class Suspended(_Event):
    """A user suspended the job."""

    type: Literal[EventType.SUSPENDED] = EventType.SUSPENDED


class Resumed(_Event):
    """A user resumed the job."""

    type: Literal[EventType.RESUMED] = EventType.RESUMED


class Abandoned(_Event):
    """The job's submitter died before the end of the source."""

    type: Literal[EventType.ABANDONED] = EventType.ABANDONED


class Reclaimed(_Event):
    """A submitter resumed the submission."""

    type: Literal[EventType.RECLAIMED] = EventType.RECLAIMED
    submitter: UUID | None = None


class Reopened(_Event):
    """A user retried batches of a finished job."""

    type: Literal[EventType.REOPENED] = EventType.REOPENED


class Finished(_Event):
    """Every batch of the job is in a final status."""

    type: Literal[EventType.FINISHED] = EventType.FINISHED
    # SHA-256 over all streams, and the snapshot of the transactions that it covers.
    digest: str | None = None
    snapshot: str | None = Field(default=None, pattern=r"\A\d+:\d+:(\d+(,\d+)*)?\z")
    # It also covers restored events up to this seq; a snapshot cannot tell the transactions of another cluster.
    restored_seq: NonNegativeInt | None = None


Event = Annotated[
    Enqueued
    | Started
    | Completed
    | Failed
    | Crashed
    | Requeued
    | Split
    | Cancelled
    | LateResult
    | Created
    | Extended
    | Noted
    | Sealed
    | Suspended
    | Resumed
    | Abandoned
    | Reclaimed
    | Reopened
    | Finished,
    Field(discriminator="type"),
]
"""Any event; its ``type`` selects the model."""
