"""The events of the log: one frozen model each, their union, and the envelope in which the log stores them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
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
    TypeAdapter,
)

from evtrack.domain.column_types import Count, FailureCount, OrdinalText, PositiveCount, SmallInt, Sum
from evtrack.domain.crash import CrashReport
from evtrack.domain.retry import Policy
from evtrack.domain.states import EventType


class _Event(BaseModel):
    # Extra keys are kept: code of the next version may have written them, and a log must read back whole.
    model_config = ConfigDict(frozen=True, extra="allow")

    def data(self) -> dict[str, Any]:
        """Give the event's data as the log stores it: without its type and without what is unset.

        Returns:
            A dict ready for JSON.
        """
        return self.model_dump(mode="json", exclude={"type"}, exclude_none=True)


class Enqueued(_Event):
    """A batch came to be, as submitted or with the items of another."""

    type: Literal[EventType.ENQUEUED] = EventType.ENQUEUED
    items: PositiveCount
    weight: Sum = 0
    ordinals: OrdinalText
    root: PositiveCount | None = None
    parent: PositiveCount | None = None
    errors: FailureCount = 0
    crashes: FailureCount = 0
    losses: FailureCount = 0
    run_at: AwareDatetime | None = None
    error: str | None = None


class Started(_Event):
    """A worker claimed the batch."""

    type: Literal[EventType.STARTED] = EventType.STARTED


class Completed(_Event):
    """The items that the batch holds are done; those it names as moved went to other batches."""

    type: Literal[EventType.COMPLETED] = EventType.COMPLETED
    run_s: NonNegativeFloat | None = None
    moved: OrdinalText | None = None
    # 0 after a crash that came when all items were done.
    moved_items: Count | None = None
    moved_to: tuple[PositiveCount, ...] | None = None


class ItemError(_Event):
    """One item's failure inside a failed batch."""

    ordinal: PositiveInt | None = None
    key: str | None = None
    type: str | None = None
    message: str | None = None


class Failure(_Event):
    """What the handler raised."""

    type: str | None = None
    message: str | None = None
    traceback: str | None = None
    items: tuple[ItemError, ...] | None = None


class Failed(_Event):
    """The handler raised."""

    type: Literal[EventType.FAILED] = EventType.FAILED
    run_s: NonNegativeFloat | None = None
    # Clients in other languages report what they have; of another shape it is kept as it is.
    error: Annotated[Failure | JsonValue, Field(union_mode="left_to_right")] = None


class Crashed(_Event, CrashReport):
    """The process, the worker or the host of the batch died, or it hung."""

    type: Literal[EventType.CRASHED] = EventType.CRASHED


class Requeued(_Event):
    """The batch goes back to the queue."""

    type: Literal[EventType.REQUEUED] = EventType.REQUEUED
    reason: str | None = None
    run_at: AwareDatetime | None = None
    reset: bool = False


class Split(_Event):
    """All items of the batch moved to the batches named; or those in `moved`, and the batch goes on with the rest."""

    type: Literal[EventType.SPLIT] = EventType.SPLIT
    to: tuple[PositiveCount, ...] = ()
    moved: OrdinalText | None = None
    moved_items: PositiveCount | None = None


class Cancelled(_Event):
    """A person cancelled the batch, or the job."""

    type: Literal[EventType.CANCELLED] = EventType.CANCELLED
    reason: str | None = None


class LateResult(_Event):
    """A worker reported on a batch whose lease it had lost; nothing changed."""

    type: Literal[EventType.LATE_RESULT] = EventType.LATE_RESULT
    outcome: str | None = None
    holder: int | None = None


class Created(_Event):
    """A job came to be."""

    type: Literal[EventType.CREATED] = EventType.CREATED
    handler: str
    name: str | None = None
    priority: SmallInt = 0
    policy: Policy = Policy()
    source: Mapping[str, Any] = Field(default_factory=dict)
    bytes_total: Sum | None = None
    submitter: UUID | None = None


class Extended(_Event):
    """A chunk of batches was added to the job."""

    type: Literal[EventType.EXTENDED] = EventType.EXTENDED
    batches: Count
    items: Sum
    first_batch_no: PositiveCount | None = None
    position: Mapping[str, Any] | None = None
    bytes_read: Sum | None = None
    invalid: Sum = 0


class Note(_Event):
    """A message about an item, a line or a file of the source."""

    source: str
    reason: str
    key: str | None = None


class Noted(_Event):
    """Messages about the source; the list is capped, the total is not."""

    type: Literal[EventType.NOTED] = EventType.NOTED
    total: Sum
    notes: tuple[Note, ...] = ()


class Sealed(_Event):
    """The source is at its end; no more batches will come."""

    type: Literal[EventType.SEALED] = EventType.SEALED


class Suspended(_Event):
    """A person holds the job back."""

    type: Literal[EventType.SUSPENDED] = EventType.SUSPENDED


class Resumed(_Event):
    """A person lets the job go on."""

    type: Literal[EventType.RESUMED] = EventType.RESUMED


class Abandoned(_Event):
    """The job's submitter died before the end of the source."""

    type: Literal[EventType.ABANDONED] = EventType.ABANDONED


class Reclaimed(_Event):
    """Another submitter took the job over."""

    type: Literal[EventType.RECLAIMED] = EventType.RECLAIMED
    submitter: UUID | None = None


class Reopened(_Event):
    """A person's retry brought a finished job back."""

    type: Literal[EventType.REOPENED] = EventType.REOPENED


class Finished(_Event):
    """Every batch of the job is final."""

    type: Literal[EventType.FINISHED] = EventType.FINISHED
    # sha256 over all streams, and the transactions whose events it is over.
    digest: str | None = None
    snapshot: str | None = Field(default=None, pattern=r"\A\d+:\d+:(\d+(,\d+)*)?\z")
    # It is over restored events too, up to this seq: the snapshot does not know the transactions of another cluster.
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
"""Any event, told apart by its ``type``."""

_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def read_event(kind: str, data: Mapping[str, Any]) -> Event:
    """Read what happened from an event's type and data.

    Args:
        kind: The column ``type``.
        data: The column ``data``.

    Returns:
        The event.

    Raises:
        ValidationError: The data has not the shape of the type.
    """
    return _EVENT.validate_python({**data, "type": kind})


class StoredEvent(BaseModel):
    """An event in its envelope: a row of ``evtrack.event``.

    Args:
        job_day: UTC day of the job, which names its partition.
        job_id: The job.
        batch_no: The batch; 0 is the job's own stream.
        version: Place in the stream, from 1.
        attempt: The attempt that the event belongs to.
        worker_id: The worker that it belongs to.
        at: When it was written.
        seq: Place in the whole log, in no strict order of commits.
        xid: Transaction that wrote it.
        event: What happened.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    job_day: date
    job_id: PositiveInt
    batch_no: NonNegativeInt
    version: PositiveInt
    attempt: NonNegativeInt = 0
    worker_id: int | None = None
    at: datetime
    seq: NonNegativeInt
    xid: NonNegativeInt
    event: Event

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Read a row of the log.

        Args:
            row: Column name to value, ``type`` and ``data`` among them.

        Returns:
            The event in its envelope.
        """
        envelope = {name: value for name, value in row.items() if name not in {"type", "data"}}
        return cls(event=read_event(row["type"], row["data"]), **envelope)

    @property
    def type(self) -> EventType:
        """The event's type."""
        return self.event.type
