"""Streams of events: read from the log, built event by event, and folded with the pure projection."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from typing import Any

from evtrack.domain.batch_projection import BatchState, evolve_batch
from evtrack.domain.stored_event import StoredEvent, read_event

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
WORKER = 7
TEN_ITEMS = {"items": 10, "weight": 30, "ordinals": "{[1,11)}"}
DERIVED = TEN_ITEMS | {"root": 1, "parent": 1, "errors": 2, "crashes": 1, "losses": 1}


def stored_event(row: Mapping[str, Any]) -> StoredEvent:
    """Read a row of the log."""
    envelope = {name: value for name, value in row.items() if name not in {"type", "data"}}
    return StoredEvent(event=read_event(row["type"], row["data"]), **{**envelope, "xid": int(row["xid"])})


def fold(events: Iterable[StoredEvent]) -> BatchState | None:
    """Fold a batch's stream, in the order of versions."""
    return reduce(evolve_batch, events, None)


class Stream:
    """Writes the stream of one batch, each event a minute after the one before."""

    def __init__(self, **enqueued: Any) -> None:
        self.batch: BatchState | None = None
        self.events: list[StoredEvent] = []
        self.then("enqueued", **(enqueued or TEN_ITEMS))

    def then(self, kind: str, *, attempt: int | None = None, worker: int | None = None, **data: Any) -> BatchState:
        """Append an event that fits the batch's present attempt, and return the batch after it."""
        version = len(self.events) + 1
        now = 0 if self.batch is None else self.batch.attempt
        stored = stored_event(
            {
                "job_day": date(2026, 11, 24),
                "job_id": 3,
                "batch_no": 5,
                "version": version,
                "attempt": now + (kind == "started") if attempt is None else attempt,
                "worker_id": worker,
                "at": self.minute(version),
                "seq": version,
                "xid": 700,
                "type": kind,
                "data": data,
            }
        )
        self.batch = evolve_batch(self.batch, stored)
        self.events.append(stored)
        return self.batch

    def start(self) -> BatchState:
        """Claim the batch."""
        return self.then("started", worker=WORKER)

    @staticmethod
    def minute(version: int) -> datetime:
        """Return the time of a version."""
        return NOON + timedelta(minutes=version)


def data_of(stored: StoredEvent) -> dict[str, Any]:
    """Return an event's data as the log stores it: without its type and without unset fields."""
    return stored.event.model_dump(mode="json", exclude={"type"}, exclude_none=True)
