"""A finished job of three batches, and its proof against rows that match it or do not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from hashlib import sha256
from typing import Any

from event_streams import JOB_DAY, JOB_ID, links, projected, stream
from evtrack.domain.batch_projection import evolve_batch
from evtrack.domain.job_projection import evolve_job
from evtrack.domain.proof.job_proof import JobProof, ProjectedStream
from evtrack.domain.proof.stream_proof import LINK_BYTES
from evtrack.domain.stored_event import LoggedEvent

FINISHED_VERSION = 4
BATCHES = {
    1: stream(("enqueued", {"items": 3, "ordinals": "{[1,4)}"}), ("started", {}), ("completed", {}), batch_no=1),
    2: stream(("enqueued", {"items": 2, "ordinals": "{[4,6)}"}), ("started", {}), ("split", {"to": [3]}), batch_no=2),
    3: stream(
        ("enqueued", {"items": 2, "ordinals": "{[4,6)}", "root": 2, "parent": 2}),
        ("started", {}),
        ("failed", {}),
        batch_no=3,
    ),
}
COUNTERS = {
    "completed_batches": 1,
    "completed_items": 3,
    "split_batches": 1,
    "split_items": 2,
    "failed_batches": 1,
    "failed_items": 2,
}

Found = list[tuple[int, int | None, str, str, str, bool]]
"""(batch, version, field, log, projection, damaged) of each difference."""


def job_events(*, extended: Mapping[str, Any] | None = None, digest: str | None = None) -> list[LoggedEvent]:
    """Return the stream of the job, whose finished event covers everything before it."""
    steps = [("created", {"handler": "h"}), ("extended", dict(extended or {"batches": 2, "items": 5})), ("sealed", {})]
    before = links(stream(*steps, first_seq=100))[-LINK_BYTES:]
    last_links = b"".join(links(events)[-LINK_BYTES:] for events in BATCHES.values())
    finished = {"digest": digest or sha256(before + last_links).hexdigest(), "snapshot": "9999:9999:"}
    return stream(*steps, ("finished", finished), first_seq=100)


def row_of(events: list[LoggedEvent], *, batch_count: int = 3, **changes: Any) -> ProjectedStream:
    """Return the job's row, with changes."""
    row = projected(events, evolve_job)
    return replace(row, state=replace(row.state, batch_count=batch_count, **changes))


def prove(
    events: list[LoggedEvent] | None = None,
    batches: Mapping[int, Sequence[LoggedEvent]] = BATCHES,
    *,
    row: ProjectedStream | None = None,
    has_row: bool = True,
    job_day: date | None = JOB_DAY,
    counters: Mapping[str, int] = COUNTERS,
    payload_rows: int | None = 5,
    batch_rows: Mapping[int, ProjectedStream | None] | None = None,
) -> tuple[JobProof, Found]:
    """Prove a job; by default all its rows match the original events."""
    events = job_events() if events is None else events
    proof = JobProof(job_id=JOB_ID, job_day=job_day)
    rows: dict[int, ProjectedStream | None] = dict(batch_rows or {})
    rows |= {number: projected(BATCHES[number], evolve_batch) for number in batches if number not in rows}
    own, found = proof.check_job_stream(events, (row or row_of(events or job_events())) if has_row else None)
    for number, batch in batches.items():
        found += proof.check_batch_stream(number, batch, rows[number])[1]
    found += proof.finish(own, counters, payload_rows)
    assert {JOB_ID} >= {each.job_id for each in found}
    return proof, [
        (each.batch_no, each.version, each.field, each.log, each.projection, each.log_is_damaged) for each in found
    ]
