"""How the log stores events: as a row of its table, and as a validated event with its envelope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter

from evtrack.domain.events import Event

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from evtrack.domain.states import EventType

_EVENT: Final[TypeAdapter[Event]] = TypeAdapter(Event)


def read_event(event_type: str, data: Mapping[str, Any]) -> Event:
    """Validate an event.

    Args:
        event_type: The column ``type``.
        data: The column ``data``.

    Returns:
        The event.

    Raises:
        ValidationError: The data does not match the type.
    """
    return _EVENT.validate_python({**data, "type": event_type})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """A validated event in its envelope.

    Args:
        job_day: UTC day of the job, which determines its partition.
        batch_no: The batch; 0 is the job's own stream.
        version: Position in the stream, from 1.
        attempt: The attempt that the event belongs to.
        worker_id: The worker that it belongs to.
        at: When it was written.
        seq: Position in the whole log; not strictly in commit order.
        xid: Transaction that wrote it.
    """

    job_day: date
    job_id: int
    batch_no: int
    version: int
    attempt: int
    worker_id: int | None
    at: datetime
    seq: int
    xid: int
    event: Event

    @property
    def type(self) -> EventType:
        """The event's type."""
        return self.event.type


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """A row of ``evtrack.event``, with what its digest is computed from: in form 1 a text, in form 2 bytes."""

    job_day: date
    job_id: int
    batch_no: int
    version: int
    type: str
    attempt: int
    worker_id: int | None
    at: datetime
    seq: int
    xid: int
    data: Any
    digest_text: str
    digest_bytes: bytes

    def validate(self) -> StoredEvent:
        """Validate the event's data; the database has checked the types of the other columns.

        Returns:
            The event in its envelope.

        Raises:
            ValidationError: The data does not match the type.
        """
        return StoredEvent(
            job_day=self.job_day,
            job_id=self.job_id,
            batch_no=self.batch_no,
            version=self.version,
            attempt=self.attempt,
            worker_id=self.worker_id,
            at=self.at,
            seq=self.seq,
            xid=self.xid,
            event=read_event(self.type, self.data),
        )
