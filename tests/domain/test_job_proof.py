"""The proof of a job: its streams, row, counters, items and digests are compared with each other."""

from dataclasses import replace
from datetime import date
from hashlib import sha256
from typing import Any

import pytest

from event_streams import JOB_DAY, changed, links, projected, stream
from evtrack.domain.batch_projection import evolve_batch
from evtrack.domain.proof.job_proof import _FinishedDigest
from evtrack.domain.proof.stream_proof import LINK_BYTES
from evtrack.domain.states import BatchStatus
from proved_job import BATCHES, COUNTERS, FINISHED_VERSION, Found, job_events, prove, row_of


def test_an_intact_job_has_no_differences() -> None:
    proof, found = prove()
    assert [] == found
    assert 13 == proof.events
    assert proof.job is not None
    assert (3, 5) == (proof.job.batch_count, proof.job.item_count)
    assert COUNTERS == {name: number for name, number in proof.counters().items() if number}
    assert {f"{status}_{what}" for status in BatchStatus for what in ("batches", "items")} == set(proof.counters())


def test_a_changed_row_of_the_job_is_a_difference_of_the_projection() -> None:
    events = job_events()
    found = prove(row=row_of(events, handler="other"))[1]
    assert [(0, None, "handler", "h", "other", False)] == found
    found = prove(row=row_of(events, batch_count=2))[1]
    assert [(0, None, "batch_count", "3", "2", False)] == found


def test_a_wrong_counter_is_a_difference_of_the_projection() -> None:
    found = prove(counters={**COUNTERS, "completed_items": 4, "pending_batches": 1})[1]
    assert [(0, None, "pending_batches", "0", "1", False), (0, None, "completed_items", "3", "4", False)] == found
    missing = {name: number for name, number in COUNTERS.items() if name != "failed_items"}
    assert [(0, None, "failed_items", "2", "0", False)] == prove(counters=missing)[1]


@pytest.mark.parametrize(
    ("rows", "found"),
    [(4, [(0, None, "payload rows", "5", "4", False)]), (None, []), (0, [(0, None, "payload rows", "5", "0", False)])],
)
def test_missing_items_are_reported_unless_they_are_not_counted(rows: int | None, found: Found) -> None:
    assert found == prove(payload_rows=rows)[1]


def test_a_missing_batch_is_reported() -> None:
    found = prove(batches={number: BATCHES[number] for number in (2, 3)})[1]
    assert (0, None, "batches", "2 of 3", "-", True) in found
    assert (0, None, "item_count", "5", "2", True) in found
    assert (0, None, "items in batches", "5", "2", True) in found
    assert (0, None, "completed_batches", "0", "1", False) in found
    assert (2, 1, "ordinals", "2 items, {[4,6)}", "2 items, {[1,3)}", True) in found


def test_a_job_that_never_was_extended_has_no_items() -> None:
    events = job_events(extended={"batches": 0, "items": 0})
    proof, found = prove(events)
    assert (0, None, "item_count", "0", "5", True) in found
    assert (0, None, "items in batches", "0", "5", True) in found
    assert proof.job is not None
    assert 3 == proof.job.batch_count, "a new batch must not get the number of an existing one"


def test_batches_without_a_job_are_damage() -> None:
    proof, found = prove(events=[], has_row=False)
    assert (0, None, "job", "events of batches only", "no row", True) == found[-1]
    assert proof.job is None
    assert [] == prove(events=[], batches={}, has_row=False, counters={})[1]


def test_a_missing_row_of_the_job_is_reported() -> None:
    assert [(0, None, "row", "4 events", "no row", False)] == [
        each for each in prove(has_row=False)[1] if each[2] == "row"
    ]


def test_a_row_with_another_day_than_its_first_events_is_wrong() -> None:
    other = date(2026, 11, 25)
    proof, found = prove(job_day=other)
    assert [(0, None, "job_day", "2026-11-24", "2026-11-25", False)] == found
    assert JOB_DAY == proof.job_day
    assert JOB_DAY == prove(job_day=None)[0].job_day


def test_a_first_event_on_another_day_than_the_row_is_damage() -> None:
    events = job_events()
    proof, found = prove([changed(events[0], job_day=date(2026, 11, 25)), *events[1:]], row=row_of(events))
    assert JOB_DAY == proof.job_day
    assert (0, 1, "job_day", "2026-11-25", "2026-11-24, the job's day", True) in found


def test_a_wrong_digest_over_all_streams_is_damage_of_the_finished_event() -> None:
    right = job_events()[-1].data["digest"]
    found = prove(job_events(digest="00" * 32))[1]
    assert [(0, FINISHED_VERSION, "digest over all streams", right, "00" * 32, True)] == found


def test_a_finished_event_without_a_digest_proves_nothing() -> None:
    events = job_events()
    bare = [*events[:-1], changed(events[-1], data={})]
    assert [] == prove(bare)[1]


def test_the_digest_covers_only_what_its_transaction_saw() -> None:
    late = stream(*[(event.type, event.data) for event in BATCHES[1]], ("late_result", {}), batch_no=1)
    late[-1] = changed(late[-1], seq=200)
    rows = {1: projected(late, evolve_batch)}
    assert [] == prove(batches=BATCHES | {1: late}, batch_rows=rows)[1]


@pytest.mark.parametrize(
    ("covered", "xid", "seq", "restored_seq"),
    [
        (True, 9, 49, 0),  # before every running transaction
        (False, 9, 50, 0),  # not before the finished event
        (False, 9, 51, 0),
        (True, 11, 49, 0),  # had ended
        (False, 10, 49, 0),  # was running
        (False, 12, 49, 0),  # was running
        (False, 14, 49, 0),  # had not begun
        (True, 20, 49, 0),  # the transaction of the finished event
        (True, 14, 30, 30),  # restored
        (False, 14, 31, 30),
    ],
)
def test_a_digest_covers_the_events_in_its_snapshot(covered: bool, xid: int, seq: int, restored_seq: int) -> None:  # noqa: FBT001
    event = replace(job_events()[-1], seq=50, xid=20).validate()
    assert covered is _FinishedDigest(event, "", "10:14:10,12", restored_seq).covers(xid, seq)


def test_a_snapshot_without_running_transactions_covers_all_before_it() -> None:
    event = replace(job_events()[-1], seq=50, xid=20).validate()
    assert [True, False] == [_FinishedDigest(event, "", "10:10:", 0).covers(xid, 1) for xid in (9, 10)]


@pytest.mark.parametrize(
    ("batch", "data", "log", "expected"),
    [
        (1, {"items": 2, "ordinals": "{[1,4)}"}, "2 items, {[1,4)}", "2 items, {[1,3)}"),
        (1, {"items": 3, "ordinals": "{[2,5)}"}, "3 items, {[2,5)}", "3 items, {[1,4)}"),
        (1, {"items": 3, "ordinals": "{}"}, "3 items, {}", "3 items, {[1,4)}"),
        (3, {"items": 1, "ordinals": "{[4,6)}", "root": 2}, "1 items, {[4,6)}", "1 items, {[4,6)}"),
    ],
)
def test_items_must_match_their_ordinals(batch: int, data: dict[str, Any], log: str, expected: str) -> None:
    events = [changed(BATCHES[batch][0], data=data), *BATCHES[batch][1:]]
    found = prove(batches=BATCHES | {batch: events}, batch_rows={batch: projected(events, evolve_batch)})[1]
    assert (batch, 1, "ordinals", log, expected, True) in found


def test_after_a_gap_in_the_ordinals_the_next_batches_are_compared_with_the_batch_after_the_gap() -> None:
    first = [changed(BATCHES[1][0], data={"items": 3, "ordinals": "{[11,14)}"}), *BATCHES[1][1:]]
    second = [changed(BATCHES[2][0], data={"items": 2, "ordinals": "{[14,16)}"}), *BATCHES[2][1:]]
    rows = {1: projected(first, evolve_batch), 2: projected(second, evolve_batch)}
    found = prove(batches={**BATCHES, 1: first, 2: second}, batch_rows=rows)[1]
    assert [1] == [batch for batch, _, field, *_ in found if field == "ordinals"]


def test_a_batch_that_cannot_be_folded_counts_as_in_its_row() -> None:
    broken = [BATCHES[1][0], changed(BATCHES[1][2], version=2)]
    rows = {1: replace(projected(BATCHES[1], evolve_batch), links=links(broken), version=2)}
    proof, found = prove(batches=BATCHES | {1: broken}, batch_rows=rows)
    assert (1, 2, "step", "completed", "the batch is pending", True) in found
    assert COUNTERS == {name: number for name, number in proof.counters().items() if number}


@pytest.mark.parametrize("has_digests", [True, False])
def test_batches_need_digests_if_their_job_has_them(has_digests: bool) -> None:  # noqa: FBT001
    events = job_events()
    row = row_of(events) if has_digests else replace(row_of(events), links=None)
    rows = {number: replace(projected(each, evolve_batch), links=None) for number, each in BATCHES.items()}
    removed = {
        batch
        for batch, _, field, _, projection, _ in prove(row=row, batch_rows=rows)[1]
        if projection == "no digest: it was removed"
    }
    assert ({1, 2, 3} if has_digests else set()) == removed


def test_a_digest_does_not_cover_a_batch_that_was_created_later() -> None:
    later = stream(("enqueued", {"items": 2, "ordinals": "{[4,6)}", "root": 2}), batch_no=4, first_seq=300)
    found = prove(batches={**BATCHES, 4: later}, batch_rows={4: projected(later, evolve_batch)})[1]
    assert "digest over all streams" not in {field for _, _, field, *_ in found}


def test_a_batch_that_cannot_be_folded_and_has_no_row_does_not_count() -> None:
    broken = [BATCHES[1][0], changed(BATCHES[1][2], version=2)]
    proof, _ = prove(batches={**BATCHES, 1: broken}, batch_rows={1: None})
    assert COUNTERS == {"completed_batches": 1, "completed_items": 3} | {
        name: number for name, number in proof.counters().items() if number
    }


def test_batches_with_the_same_status_add_up_in_the_counters() -> None:
    fourth = stream(
        ("enqueued", {"items": 2, "ordinals": "{[4,6)}", "root": 2}),
        ("started", {}),
        ("completed", {}),
        batch_no=4,
    )
    proof, _ = prove(batches={**BATCHES, 4: fourth}, batch_rows={4: projected(fourth, evolve_batch)})
    assert COUNTERS | {"completed_batches": 2, "completed_items": 5} == {
        name: number for name, number in proof.counters().items() if number
    }


def test_the_log_counts_and_not_a_row_that_differs_from_it() -> None:
    row = projected(BATCHES[1], evolve_batch)
    wrong = replace(row, state=replace(row.state, status=BatchStatus.FAILED))
    assert [(1, None, "status", "completed", "failed", False)] == prove(batch_rows={1: wrong})[1]


def test_derived_batches_are_counted_with_the_submitted_ones() -> None:
    derived = {
        number: stream(("enqueued", {"items": 3, "ordinals": "{[1,4)}", "root": 1}), batch_no=number)
        for number in (2, 3)
    }
    rows = {number: projected(events, evolve_batch) for number, events in derived.items()}
    proof, found = prove(batches={1: BATCHES[1], **derived}, batch_rows=rows)
    assert proof.job is not None
    assert 4 == proof.job.batch_count, "two submitted, of which the last is missing, and two derived"
    assert (0, None, "batches", "3 of 4", "-", True) in found


def test_an_event_may_have_several_differences() -> None:
    events = [changed(BATCHES[1][0], data={"items": 2, "ordinals": "{[1,4)}"}), *BATCHES[1][1:]]
    assert {"digest", "ordinals"} <= {
        field for batch, version, field, *_ in prove(batches=BATCHES | {1: events})[1] if (batch, version) == (1, 1)
    }


def test_without_digests_a_row_knows_how_many_events_its_stream_had() -> None:
    row = replace(projected(BATCHES[1], evolve_batch), links=None)
    found = prove(batches=BATCHES | {1: BATCHES[1][:2]}, batch_rows={1: row})[1]
    assert (1, 3, "event", "nothing", "an event", True) in found


OTHER_DAY = date(2026, 11, 25)


@pytest.mark.parametrize(
    ("days", "row_day", "expected"),
    [
        ([JOB_DAY, OTHER_DAY], None, JOB_DAY),
        ([JOB_DAY], None, JOB_DAY),
        ([JOB_DAY, JOB_DAY, OTHER_DAY], OTHER_DAY, JOB_DAY),
        ([JOB_DAY, OTHER_DAY, OTHER_DAY], OTHER_DAY, OTHER_DAY),
    ],
)
def test_the_first_two_events_determine_the_day_of_a_job(
    days: list[date], row_day: date | None, expected: date
) -> None:
    events = [changed(event, job_day=day) for event, day in zip(job_events(), days, strict=False)]
    proof, found = prove(events, job_day=row_day)
    assert expected == proof.job_day
    reported = [version for batch, version, field, *_ in found if (batch, field) == (0, "job_day") and version]
    assert [number for number, day in enumerate(days, 1) if day != expected] == reported


def test_a_digest_without_a_snapshot_covers_the_stream_of_the_job_only() -> None:
    events = job_events()
    digest = sha256(links(events[:-1])[-LINK_BYTES:]).hexdigest()
    early = {1: stream(("enqueued", {"items": 5, "ordinals": "{[1,6)}"}), batch_no=1, first_seq=0)}
    bare = [*events[:-1], changed(events[-1], data={"digest": digest})]
    found = prove(bare, batches=early, batch_rows={1: projected(early[1], evolve_batch)})[1]
    assert "digest over all streams" not in {field for _, _, field, *_ in found}
