"""Reading rows of the log, and writing events back as they were."""

from dataclasses import FrozenInstanceError
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from event_streams import data_of, stored_event
from evtrack.domain import events as ev
from evtrack.domain.states import EventType
from evtrack.domain.stored_event import LoggedEvent, StoredEvent, read_event

MINIMAL_DATA: dict[EventType, dict[str, Any]] = {
    EventType.ENQUEUED: {"items": 3, "first": 1},
    EventType.CRASHED: {"cause": "signal", "signal": "SIGSEGV"},
    EventType.CREATED: {"handler": "h"},
    EventType.EXTENDED: {"batches": 2, "items": 6},
    EventType.NOTED: {"total": 1, "notes": [{"source": "a.jsonl:7", "reason": "bare null"}]},
    EventType.COMPLETED: {"moved": "{[2,3)}", "moved_items": 1, "moved_to": [9], "run_s": 0.5},
    EventType.FAILED: {"error": {"type": "ValueError", "message": "no", "items": [{"ordinal": 1, "key": "a"}]}},
}


def event_row(kind: str, data: dict[str, Any], **envelope: Any) -> dict[str, Any]:
    """Return a row as the log returns it."""
    return {
        "job_day": date(2026, 11, 24),
        "job_id": 1,
        "batch_no": 1,
        "version": 1,
        "attempt": 0,
        "worker_id": None,
        "at": datetime(2026, 11, 24, tzinfo=UTC),
        "seq": 5,
        "xid": "771",
        "type": kind,
        "data": data,
        **envelope,
    }


@pytest.mark.parametrize("kind", EventType)
def test_every_event_type_has_a_model_and_keeps_its_data(kind: EventType) -> None:
    data = MINIMAL_DATA.get(kind, {})
    stored = stored_event(event_row(kind, data))
    assert kind is stored.type
    written = data_of(stored)
    assert data.items() <= written.items()


@given(st.dictionaries(st.text(min_size=1).filter(lambda key: key not in {"type", "data"}), st.integers()))
def test_keys_written_by_newer_code_are_kept(extra: dict[str, int]) -> None:
    data = {key: value for key, value in extra.items() if key.isidentifier() and key != "reason"}
    assert data.items() <= data_of(stored_event(event_row("cancelled", data))).items()


def test_an_unknown_cause_is_readable() -> None:
    event = stored_event(event_row("crashed", {"cause": "struck_by_lightning"})).event
    assert isinstance(event, ev.Crashed)
    assert event.cause == "struck_by_lightning"


def test_an_event_of_unknown_type_is_refused() -> None:
    with pytest.raises(ValidationError, match="vanished"):
        stored_event(event_row("vanished", {}))


def test_events_are_immutable() -> None:
    stored = stored_event(event_row("started", {}))
    with pytest.raises(FrozenInstanceError):
        stored.version = 2  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        stored.event.type = EventType.FAILED  # type: ignore[misc,assignment]


@pytest.mark.parametrize("snapshot", ["x", "1:2", "a:b:", "1:2:3,"])
def test_a_finished_event_with_an_invalid_snapshot_is_refused(snapshot: str) -> None:
    with pytest.raises(ValidationError):
        read_event("finished", {"snapshot": snapshot})


def test_a_logged_event_is_validated_in_its_envelope() -> None:
    at = datetime(2026, 11, 24, tzinfo=UTC)
    logged = LoggedEvent(date(2026, 11, 24), 3, 5, 2, "started", 1, 7, at, 11, 700, {}, "text", b"bytes")
    expected = StoredEvent(
        job_day=date(2026, 11, 24),
        job_id=3,
        batch_no=5,
        version=2,
        attempt=1,
        worker_id=7,
        at=at,
        seq=11,
        xid=700,
        event=ev.Started(),
    )
    assert expected == logged.validate()
