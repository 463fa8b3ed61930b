"""Small parts of the supervisor: checks of frames, job completion, limits, stderr and the wake-up."""

import fcntl
import math
import os
import select
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evtrack.domain.errors import BadArgument
from evtrack.domain.text import storable
from evtrack.runtime.slot.page.assigned_batches import ENTRIES
from evtrack.runtime.slot.page.outcome_ring import OUTCOME_BYTES, BatchOutcome
from evtrack.runtime.slot.protocol import (
    BatchErrored,
    BatchesDone,
    BatchPartlyDone,
    CommandKilled,
    ItemFailure,
    ItemMark,
    ItemsDone,
)
from evtrack.runtime.slot.shared_page import RESULT_BYTES, SharedPage
from evtrack.runtime.waker import Waker
from evtrack.runtime.worker.database.job_completion import ASK_S, FORGET_S, JobCompletion
from evtrack.runtime.worker.outcomes.frame_checks import check_frame
from evtrack.runtime.worker.outcomes.item_reports import completed_items
from evtrack.runtime.worker.slots.limits import SlotLimits
from evtrack.runtime.worker.slots.memory_limits import MemoryLimits
from evtrack.runtime.worker.slots.oom_kills import OomKillCounter
from slot_driver import claimed_batch


def holding(*rows: Any, first: int = 1) -> Any:
    return SimpleNamespace(held=list(rows), first=first)


BAD = ItemFailure(0, "E", "m", "")
NO_SECONDS = (math.nan, math.inf, -math.inf, -0.001, 2e15)


@pytest.mark.parametrize(
    "frame",
    [
        BatchesDone(2, [0.1], None),  # not the next one
        BatchesDone(1, [0.1] * 3, None),  # more than it was given
        BatchesDone(1, [], None),
        BatchesDone(1, [0.1], [b"1\n2", None]),  # results of two batches for one
        BatchesDone(1, [0.1], [b"1"]),  # one line for two items
        BatchesDone(1, [0.1], [b"1\n\x1e"]),  # what separates batches
        BatchesDone(1, [0.1], [b"1\n\xff"]),
        BatchPartlyDone(1, 0.1, b"1\n2", [BAD]),
        BatchPartlyDone(1, 0.1, None, [ItemFailure(2, "E", "m", "")]),
        BatchPartlyDone(1, 0.1, None, [BAD, BAD]),
        BatchErrored(1, 0.1, "E", "m", "", [ItemFailure(-1, "E", "m", "")]),
        ItemsDone(1, [0], []),
        ItemsDone(1, [2], [b""]),
        ItemsDone(1, [0], [b"1\n2"]),
        ItemsDone(2, [0], [b"1"]),
        *(BatchesDone(1, [0.1, seconds], None) for seconds in NO_SECONDS),
        *(BatchesDone(1, [0.1], None, [(0, 0, seconds)]) for seconds in NO_SECONDS),
        *(BatchesDone(1, [0.1], None, [(0, size, 0.0)]) for size in (-1, 2**63)),
        *(BatchesDone(1, [0.1], None, [(place, 0, 0.0)]) for place in (-1, 1)),
        *(BatchPartlyDone(1, seconds, b"1", [BAD]) for seconds in NO_SECONDS),
        *(BatchErrored(1, seconds, "E", "m", "", []) for seconds in NO_SECONDS),
        *(CommandKilled(1, seconds, 9, "") for seconds in NO_SECONDS),
        *(CommandKilled(1, 0.1, 9, "", cpu_s=seconds) for seconds in NO_SECONDS),
        *(CommandKilled(1, 0.1, number, "") for number in (0, 65, -(2**40))),
        *(CommandKilled(1, 0.1, 9, "", pid=-1, peak_rss_bytes=size) for size in (0, -1, 2**63)),
        *(ItemMark(1, number, None, b"", 0) for number in (0, -1, 2**63)),
    ],
)
def test_an_outcome_that_does_not_match_its_batch_is_refused(frame: Any) -> None:
    suspect = claimed_batch({}, {})._replace(isolation=b"marked")
    with pytest.raises(ValueError, match=r"\w"):
        check_frame(holding(suspect, claimed_batch({}, batch_no=2)), frame)


def test_an_outcome_that_matches_its_batch_is_accepted() -> None:
    check_frame(
        holding(claimed_batch({}, {}), claimed_batch({}, batch_no=2), first=5),
        BatchesDone(5, [0.1, 0.1], [b'"a"\n', None]),
    )
    check_frame(holding(claimed_batch({}, {})), BatchPartlyDone(1, 0.1, b"1", [BAD]))


def test_the_current_item_is_named_if_it_is_known() -> None:
    assert ("k6", 6) == claimed_batch({}, {}, first=5).item(1)
    assert (None, None) == claimed_batch({}, {}).item(None)
    assert ("k5", 5) == claimed_batch({}, first=5).item(None), "a batch of one leaves no doubt"
    assert (None, None) == claimed_batch({}).item(9)


def test_a_shared_page_is_seen_by_both_sides() -> None:
    ours = SharedPage.create()
    theirs = SharedPage(ours.fd)
    theirs.begin(3, 10.0)
    assert (3, None, 10.0, 10.0) == (ours.seq, ours.item, ours.begun_at, ours.beat_at)
    theirs.begin_item(0)
    assert (0, True) == (ours.item, ours.beat_at > ours.begun_at or ours.beat_at != 10.0)
    theirs.undo_begin()
    assert 2 == ours.seq
    ours.limit = 7
    assert 7 == theirs.limit
    ours.close()


def test_completed_items_are_read_from_the_page_until_another_batch_begins() -> None:
    ours = SharedPage.create()
    theirs = SharedPage(ours.fd)
    theirs.begin(1, 10.0)
    assert {} == ours.results()
    assert all([theirs.add_result(0, b'"a"'), theirs.add_result(2, b"")])
    assert {0: b'"a"', 2: b""} == ours.results()
    assert not theirs.add_result(3, b"x" * RESULT_BYTES), "there is no room"
    assert {0: b'"a"', 2: b""} == ours.results()
    for wild in (2**63, RESULT_BYTES, 9):
        ours._words[5] = wild
        assert {} == ours.results(), "what makes no sense is not believed"
    theirs.begin(2, 11.0)
    assert {} == ours.results()
    ours.close()


def test_completed_batches_are_read_from_the_page_until_they_are_sent() -> None:
    ours = SharedPage.create()
    theirs = SharedPage(ours.fd)
    assert [] == ours.outcomes.read()
    assert all([theirs.outcomes.add(4, 0.5, None), theirs.outcomes.add(5, 0.25, b"1\n2", 7, 0.125)])
    expected = [BatchOutcome(4, 0.5, None), BatchOutcome(5, 0.25, b"1\n2", 7, 0.125)]
    assert expected == ours.outcomes.read()
    assert not theirs.outcomes.add(6, 0.5, b"x" * OUTCOME_BYTES), "there is no room"
    assert expected == ours.outcomes.read()
    for wild in (2**63, OUTCOME_BYTES, 9):
        ours.outcomes._words[0] = wild
        assert [] == ours.outcomes.read(), "what makes no sense is not believed"
    ours.outcomes._words[0] = 2 * 36 + 3
    theirs.outcomes.clear()
    assert [] == ours.outcomes.read()
    assert theirs.outcomes.add(6, 0.5, None)
    assert [BatchOutcome(6, 0.5, None)] == ours.outcomes.read()
    assert [*expected, BatchOutcome(6, 0.5, None)] == ours.outcomes.latest(), "what was sent may not have arrived"
    theirs.outcomes.clear()
    filling = b"x" * (OUTCOME_BYTES - 36)
    assert theirs.outcomes.add(7, 0.5, filling), "there is room once all is sent"
    assert [BatchOutcome(7, 0.5, filling)] == ours.outcomes.latest() == ours.outcomes.read()
    ours.close()


def test_invalid_notes_mean_that_nothing_was_completed() -> None:
    batch = claimed_batch({}, {}, {}, first=5)
    assert (None, None) == completed_items(batch, {})
    assert ("{[5,6),[7,8)}", b'1\n"c"') == completed_items(batch, {2: b'"c"', 0: b"1", 1: b"a\nb", 9: b"1"})
    assert ("{[6,7)}", None) == completed_items(batch, {1: b""})


def test_an_out_of_memory_kill_explains_one_death(tmp_path: Path) -> None:
    proc, group = tmp_path / "cgroup", tmp_path / "fs" / "a" / "b"
    proc.write_text("0::/a/b\n")
    group.mkdir(parents=True)
    events = group / "memory.events"
    events.write_text("oom 7\noom_kill 4\noom_group_kill 0\n")
    kills = OomKillCounter(proc=proc, root=tmp_path / "fs")
    assert not kills.take(), "what was before says nothing"
    events.write_text("oom 9\noom_kill 6\noom_group_kill 0\n")
    assert [f"oom_kill rose from {n} to 6 in {events}" for n in (4, 5)] + [""] == [kills.take() for _ in range(3)]


def test_a_version_1_control_group_is_read_too(tmp_path: Path) -> None:
    proc, group = tmp_path / "cgroup", tmp_path / "fs" / "memory" / "docker" / "x"
    proc.write_text("3:cpu:/docker/x\n2:memory:/docker/x\n1:name=systemd:/\n")
    group.mkdir(parents=True)
    (group / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 0\n")
    kills = OomKillCounter(proc=proc, root=tmp_path / "fs")
    (group / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    assert [True, False] == [bool(kills.take()) for _ in range(2)]


def test_without_control_groups_no_death_is_attributed_to_the_kernel(tmp_path: Path) -> None:
    assert not OomKillCounter(proc=tmp_path / "none", root=tmp_path).take()


def test_a_job_that_seems_finished_is_checked_at_once_and_others_every_second() -> None:
    jobs = JobCompletion()
    jobs.add([1, 2], 100.0)
    assert [1, 2] == sorted(jobs.due(100.0, lambda _: False)), "the first look"
    jobs.add([1, 2], 100.1)
    assert jobs.is_pending
    assert [1] == jobs.due(100.2, lambda job: job == 1)
    assert [1, 2] == sorted(jobs.due(100.1 + ASK_S, lambda _: False))
    jobs.remove(1)
    assert [2] == jobs.due(102.2, lambda _: False)
    jobs.due(100.1 + FORGET_S, lambda _: False)
    assert [] == jobs.due(103.1 + FORGET_S, lambda _: False)


@pytest.mark.parametrize(
    ("limits", "name"), [(SlotLimits, "timeout_s"), (SlotLimits, "stall_s"), (MemoryLimits, "max_rss_bytes")]
)
def test_an_impossible_limit_is_refused_with_its_value(limits: type, name: str) -> None:
    with pytest.raises(BadArgument, match=f"{name} must be above 0, got 0"):
        limits(**{name: 0})


def test_a_wake_up_is_kept_until_it_is_cleared_and_never_blocks() -> None:
    wake = Waker()
    for _ in range(100_000):
        wake.set()
    assert select.select([wake.socket], [], [], 0)[0]
    wake.clear()
    assert not select.select([wake.socket], [], [], 0)[0]
    wake.close()
    wake.set()


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [("a\0b", "a\\0b"), ("\ud800", "\\ud800"), ("ü", "ü"), ("abcdef", "abcd ..."), ("", "")],
)
def test_text_for_the_log_is_bounded_and_valid_for_postgresql(text: str, cleaned: str) -> None:
    assert cleaned == storable(text, 4)


def test_the_end_of_a_long_stderr_is_kept() -> None:
    assert "... cdef" == storable("abcdef", 4, keep_end=True)


def test_a_page_names_the_batches_that_were_assigned_last() -> None:
    page = SharedPage.create()
    assert page.assigned.find(1) is None
    page.assigned.record(1, [(7, seq, 1) for seq in range(1, ENTRIES)])
    page.assigned.record(ENTRIES, [(8, 1, 2), (8, 2, 3)])
    assert [(7, 2, 1), (8, 1, 2), (8, 2, 3)] == [page.assigned.find(seq) for seq in (2, ENTRIES, ENTRIES + 1)]
    assert page.assigned.find(1) is None, "its place is taken"
    page.assigned.record(3, [(9, seq, 1) for seq in range(3, 3 * ENTRIES)])
    assert [(9, seq, 1) for seq in range(2 * ENTRIES, 3 * ENTRIES)] == [
        page.assigned.find(seq) for seq in range(2 * ENTRIES, 3 * ENTRIES)
    ]
    page.close()


def test_a_page_in_a_file_outlives_its_processes_and_is_locked_by_them(tmp_path: Path) -> None:
    path = tmp_path / "page"
    ours = SharedPage.create(path)
    theirs = os.dup(ours.fd)
    ours.assigned.record(1, [(7, 3, 1)])
    ours.begin(1, 10.0)
    ours.begin_item(4)
    ours.add_result(2, b'"done"')
    assert not ours.has_ended
    with path.open("rb") as file:
        ours.close()
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(theirs)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        left = SharedPage.read(file.fileno())
    assert ((7, 3, 1), 4, {2: b'"done"'}) == (left.assigned.find(left.seq), left.item, left.results())
    left.end()
    assert left.has_ended
    path.write_bytes(b"short")
    with path.open("rb") as file, pytest.raises(ValueError, match="not 5"):
        SharedPage.read(file.fileno())
