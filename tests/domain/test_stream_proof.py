"""The proof of one stream: an intact one has no differences, and each kind of damage is reported at its event."""

from datetime import date, timedelta
from typing import Any

import pytest

from event_streams import JOB_DAY, JOB_ID, NOON, changed, links, projected, stream
from evtrack.domain.batch_projection import BatchState, evolve_batch
from evtrack.domain.proof.stream_proof import LINK_BYTES, NO_DIGEST, Difference, StreamProof, display
from evtrack.domain.states import BatchStatus
from evtrack.domain.stored_event import LoggedEvent

EVENTS = stream(
    ("enqueued", {"items": 10, "ordinals": "{[1,11)}"}), ("started", {}), ("completed", {"run_s": 1.5}), batch_no=5
)
INTACT = projected(EVENTS, evolve_batch)


def prove(
    events: list[LoggedEvent], **settings: Any
) -> tuple[StreamProof[BatchState], list[tuple[int | None, str, str, str, bool]]]:
    """Prove a stream; return the proof, and (version, field, log, projection, damaged) of each difference."""
    options = {
        "job_day": JOB_DAY,
        "projected": INTACT.state,
        "projected_version": INTACT.version,
        "projected_links": INTACT.links,
        **settings,
    }
    proof: StreamProof[BatchState] = StreamProof(job_id=JOB_ID, batch_no=5, evolve=evolve_batch, **options)
    found = [each for event in events for each in proof.check(event)[1]]
    found += proof.finish()
    assert {(JOB_ID, 5)} >= {(each.job_id, each.batch_no) for each in found}
    return proof, [(each.version, each.field, each.log, each.projection, each.log_is_damaged) for each in found]


def test_an_intact_stream_has_no_differences() -> None:
    proof, found = prove(EVENTS)
    assert [] == found
    assert (INTACT.state, INTACT.links, 3) == (proof.state, bytes(proof.links), proof.events)
    assert INTACT.links is not None
    assert INTACT.links[-LINK_BYTES:] == proof.last_link
    assert (False, True) == (proof.broken, proof.rebuildable)


def test_a_changed_event_is_reported_and_those_after_it_are_not() -> None:
    events = [EVENTS[0], changed(EVENTS[1], data={"forged": True}), EVENTS[2]]
    expected = (2, "digest", "started {'forged': True}", "the digest of another event", True)
    assert [expected] == prove(events)[1]


@pytest.mark.parametrize("version", [1, 2])
def test_a_missing_event_is_reported_and_breaks_the_stream(version: int) -> None:
    proof, found = prove([event for event in EVENTS if event.version != version])
    assert [(version, "event", "nothing", "an event", True)] == found
    assert (True, False) == (proof.broken, proof.rebuildable)


def test_an_event_that_is_missing_at_the_end_is_reported() -> None:
    proof, found = prove(EVENTS[:2])
    assert (3, "event", "nothing", "an event", True) == found[0]
    assert ["status", "version"] == [field for _, field, *_ in found[1:3]]
    assert not proof.broken


def test_a_missing_stream_is_reported_once() -> None:
    proof, found = prove([])
    assert [(1, "events", "nothing", "versions 1 to 3", True)] == found
    assert (None, NO_DIGEST, False) == (proof.state, proof.last_link, proof.rebuildable)


@pytest.mark.parametrize(("missing", "reports"), [(50, 50), (51, 1)])
def test_many_missing_events_are_reported_as_a_range(missing: int, reports: int) -> None:
    late = changed(EVENTS[1], version=missing + 2)
    proof, found = prove([EVENTS[0], late], projected=None, projected_links=None, projected_version=0)
    assert reports == len(found)
    assert (2, "nothing") == (found[0][0], found[0][2])
    assert ("an event" if reports > 1 else f"versions 2 to {missing + 1}") == found[0][3]
    assert proof.broken


def test_a_second_event_with_the_same_version_is_reported_and_ignored() -> None:
    proof, found = prove([*EVENTS[:2], changed(EVENTS[1], type="failed"), EVENTS[2]])
    assert [(2, "event", "failed twice", "one event per version", True)] == found
    assert INTACT.state == proof.state


def test_an_event_on_another_day_than_its_job_is_reported() -> None:
    events = [EVENTS[0], changed(EVENTS[1], job_day=date(2026, 11, 25)), EVENTS[2]]
    assert [(2, "job_day", "2026-11-25", "2026-11-24, the job's day", True)] == prove(events)[1]


def test_a_stream_of_a_job_with_no_known_day_is_not_rebuildable() -> None:
    proof, found = prove(EVENTS, job_day=None)
    assert ([], False) == (found, proof.rebuildable)


@pytest.mark.parametrize(("same_transaction", "reported"), [(True, False), (False, True)])
def test_a_sequence_number_must_grow_from_transaction_to_transaction(
    same_transaction: bool,  # noqa: FBT001
    reported: bool,  # noqa: FBT001
) -> None:
    xid = EVENTS[0].xid if same_transaction else EVENTS[1].xid
    events = [EVENTS[0], changed(EVENTS[1], seq=EVENTS[0].seq, xid=xid), EVENTS[2]]
    seq = EVENTS[0].seq
    expected = (2, "seq", str(seq), f"more than {seq}, that of the previous event", True)
    assert ([expected] if reported else []) == prove(events)[1]


def test_a_removed_digest_is_reported_where_every_event_must_have_one() -> None:
    assert INTACT.links is not None
    removed = bytes(LINK_BYTES) + INTACT.links[LINK_BYTES:]
    found = prove(EVENTS, projected_links=removed, needs_digests=True)[1]
    assert (1, "digest", "enqueued", "no digest: it was removed", True) == found[0]


def test_events_from_before_there_were_digests_have_none() -> None:
    proof, found = prove(EVENTS, projected_links=None)
    assert ([], 3 * NO_DIGEST) == (found, bytes(proof.links))
    proof, found = prove(EVENTS, projected_links=bytes(3 * LINK_BYTES))
    assert ([], 3 * NO_DIGEST) == (found, bytes(proof.links))


@pytest.mark.parametrize(
    ("same_transaction", "earlier_s", "reported"), [(False, 1, True), (False, 0, False), (True, 1, False)]
)
def test_without_digests_an_earlier_time_is_reported(
    same_transaction: bool,  # noqa: FBT001
    earlier_s: int,
    reported: bool,  # noqa: FBT001
) -> None:
    at = EVENTS[0].at - timedelta(seconds=earlier_s)
    xid = EVENTS[0].xid if same_transaction else EVENTS[1].xid
    second = changed(EVENTS[1], at=at, xid=xid)
    state = projected([EVENTS[0], second, EVENTS[2]], evolve_batch).state
    found = prove([EVENTS[0], second, EVENTS[2]], projected=state, projected_links=None)[1]
    expected = (2, "at", at.isoformat(), f"not before {EVENTS[0].at.isoformat()}", True)
    assert ([expected] if reported else []) == found


def test_an_event_that_was_never_folded_is_reported() -> None:
    assert INTACT.links is not None
    found = prove(EVENTS, projected_links=INTACT.links[:-LINK_BYTES])[1]
    assert [(3, "event", "completed", "no digest: the event was never folded", True)] == found


def test_digests_and_not_the_version_of_the_row_show_how_many_events_there_were() -> None:
    assert [] == prove(EVENTS, projected_version=9)[1]


def test_superfluous_bytes_of_digests_are_reported() -> None:
    assert INTACT.links is not None
    found = prove(EVENTS, projected_links=INTACT.links + b"x")[1]
    assert [(3, "digest", "no more events", f"{3 * LINK_BYTES + 1} bytes of digests", True)] == found


@pytest.mark.parametrize(
    ("data", "reason"),
    [({"items": 0, "ordinals": "{}"}, "enqueued: Input should be greater"), (5, "enqueued: not an object")],
)
def test_invalid_data_is_reported_and_breaks_the_stream(data: Any, reason: str) -> None:
    events = [changed(EVENTS[0], data=data), *EVENTS[1:]]
    proof, found = prove(events, projected_links=links(events))
    ((version, field, log, projection, damaged),) = found
    assert (1, "data", str(data), True) == (version, field, log, damaged)
    assert projection.startswith(reason)
    assert (True, None) == (proof.broken, proof.state)


def test_after_a_break_events_are_validated_but_not_folded() -> None:
    proof: StreamProof[BatchState] = StreamProof(
        job_id=JOB_ID, batch_no=5, job_day=JOB_DAY, evolve=evolve_batch, projected=None, broken=True
    )
    stored, found = proof.check(EVENTS[0])
    assert stored is not None
    assert ("enqueued", [], None) == (stored.type, found, proof.state)


def test_an_event_that_is_not_a_transition_is_reported_with_the_reason() -> None:
    events = [EVENTS[0], changed(EVENTS[2], version=2)]
    proof, found = prove(events, projected_links=links(events), projected_version=2)
    assert [(2, "step", "completed", "the batch is pending", True)] == found
    assert (True, False) == (proof.broken, proof.rebuildable)


def test_a_missing_row_is_a_difference_of_the_projection() -> None:
    found = prove(EVENTS, projected=None, projected_links=None, projected_version=0)[1]
    assert [(None, "row", "3 events", "no row", False)] == found
    assert [] == prove([], projected=None, projected_links=None, projected_version=0)[1]


def test_a_row_is_compared_field_by_field() -> None:
    assert isinstance(INTACT.state, BatchState)
    proof, _ = prove(EVENTS)
    row = BatchState(
        **{**{f: getattr(INTACT.state, f) for f in BatchState.__slots__}, "status": BatchStatus.FAILED, "run_s": None}
    )
    assert [("status", "completed", "failed"), ("run_s", "1.5", "nothing")] == [
        (each.field, each.log, each.projection) for each in proof.compare(INTACT.state, row)
    ]
    assert [] == proof.compare(None, row)
    assert [] == proof.compare(row, row)


@pytest.mark.parametrize(
    ("expected", "where"),
    [
        ("job 3: status: the log has a, the projection has b", {"batch_no": 0}),
        ("job 3, batch 5: status: the log has a, the projection has b", {"batch_no": 5}),
        (
            "job 3, batch 5, version 2: the log is damaged: status: the log has a, the projection has b",
            {"batch_no": 5, "version": 2, "log_is_damaged": True},
        ),
    ],
)
def test_a_difference_is_described_in_one_line(expected: str, where: dict[str, Any]) -> None:
    assert expected == str(Difference(job_id=3, field="status", log="a", projection="b", **where))


def test_values_are_displayed_as_bounded_text() -> None:
    assert ["nothing", "2026-11-24T12:00:00+00:00", "x" * 200, "x" * 200 + "…"] == [
        display(value) for value in (None, NOON, "x" * 200, "x" * 201)
    ]
