"""Streams of events: read from the log or built event by event, with their digests, folded and proved in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from evtrack.domain.batch_projection import BatchState, evolve_batch
from evtrack.domain.job_projection import JobState, evolve_job
from evtrack.domain.proof.job_proof import ProjectedStream
from evtrack.domain.states import BatchStatus
from evtrack.domain.stored_event import LoggedEvent, StoredEvent, read_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from client import Client

JOB_DAY = date(2026, 11, 24)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
JOB_ID = 3
WORKER = 7

Step = tuple[str, dict[str, Any]]
"""The type and the data of an event."""

TEN_ITEMS = {"items": 10, "weight": 30, "ordinals": "{[1,11)}"}
ENDED = set(BatchStatus) - {BatchStatus.PENDING, BatchStatus.RUNNING}
"""A batch in one of these statuses is over, unless a user retries it."""

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


def stream(*steps: Step, batch_no: int = 0, first_seq: int = 1) -> list[LoggedEvent]:
    """Return the events of a stream, each a minute after the previous one and in its own transaction."""
    return [
        changed(
            LoggedEvent(
                job_day=JOB_DAY,
                job_id=JOB_ID,
                batch_no=batch_no,
                version=version,
                type=event_type,
                attempt=1 if batch_no and version > 1 else 0,
                worker_id=WORKER if batch_no and version > 1 else None,
                at=NOON + timedelta(minutes=version),
                seq=first_seq + version,
                xid=700 + first_seq + version,
                data=data,
                digest_text="",
                digest_bytes=b"",
            )
        )
        for version, (event_type, data) in enumerate(steps, 1)
    ]


def changed(event: LoggedEvent, **changes: Any) -> LoggedEvent:
    """Return an event with changes, and with what digests are computed from that fits them."""
    after = replace(event, **changes)
    text = f"{after.batch_no} {after.version} {after.type} {after.data}"
    return replace(after, digest_text=text, digest_bytes=b"\1" + text.encode())


def links(events: Iterable[LoggedEvent]) -> bytes:
    """Return the digests of a stream, as the fold stores them."""
    chain = b""
    for event in events:
        chain += sha256(chain[-32:] + event.digest_text.encode()).digest()
    return chain


def projected(events: list[LoggedEvent], evolve: Callable[[Any, Any], Any]) -> ProjectedStream:
    """Return the projection of a stream."""
    state = reduce(evolve, (event.validate() for event in events), None)
    return ProjectedStream(state, len(events), links(events))


def check_past(client: Client, job: int, moment: datetime, own: list[StoredEvent], events: list[StoredEvent]) -> None:
    """Compare one moment of a job's past, as the database shows it, with the pure fold."""
    streams: dict[int, list[StoredEvent]] = {}
    for event in events:
        if event.at <= moment:
            streams.setdefault(event.batch_no, []).append(event)
    folded = {number: state for number, stream in streams.items() if (state := fold(stream))}
    assert [
        (number, str(state.status), state.attempt, state.version, state.item_count, state.worker_id)
        for number, state in folded.items()
    ] == [
        tuple(row.values())
        for row in client.rows(
            "SELECT batch_no, status::text, attempt, version, item_count, worker_id"
            " FROM evtrack.batch_status_at(%s, %s)",
            job,
            moment,
        )
    ]
    state: JobState | None = None
    for event in own:
        if event.at <= moment:
            state = evolve_job(state, event)
    rows = client.rows("SELECT * FROM evtrack.job_progress_at(%s, %s)", job, moment)
    assert len(rows) == (state is not None)
    if state is None:
        return
    (row,) = rows
    items = {status: sum(b.item_count for b in folded.values() if b.status is status) for status in BatchStatus}
    counts = {status: sum(b.status is status for b in folded.values()) for status in BatchStatus}
    assert (state.phase, state.suspended, state.item_count + state.invalid_count, state.invalid_count) == (
        row["phase"],
        row["suspended"],
        row["total"],
        row["invalid"],
    )
    names = {status: "done" if status is BatchStatus.COMPLETED else str(status) for status in BatchStatus}
    assert {name: items[status] for status, name in names.items() if name != "split"} == {
        name: row[name] for name in names.values() if name != "split"
    }
    assert len(folded) == row["batches"]
    assert counts == {status: row[f"batches_{status}"] for status in BatchStatus}
