"""Writes streams of logged events with their digests, and proves them without a database."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from hashlib import sha256
from typing import Any

from evtrack.domain.job_proof import ProjectedStream
from evtrack.domain.stored_event import LoggedEvent

JOB_DAY = date(2026, 11, 24)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
JOB_ID = 3
WORKER = 7

Step = tuple[str, dict[str, Any]]
"""The type and the data of an event."""


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
            )
        )
        for version, (event_type, data) in enumerate(steps, 1)
    ]


def changed(event: LoggedEvent, **changes: Any) -> LoggedEvent:
    """Return an event with changes, and with the digest text that fits them."""
    after = replace(event, **changes)
    return replace(after, digest_text=f"{after.batch_no} {after.version} {after.type} {after.data}")


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
