"""The search for poison items, folded: who is suspect, since when, and how many crashes are still to come."""

from dataclasses import replace
from typing import Any

import pytest

from event_streams import WORKER, Stream
from evtrack.domain.hunt import Hunt, HuntNode, hunt
from evtrack.domain.policy import Policy

POLICY = Policy()
SEGV = {"cause": "signal", "signal": "SIGSEGV"}
ROOT = 5
"""Streams built by tests are those of batch 5."""


def part(ordinals: str, items: int, parent: int = ROOT, **more: Any) -> Stream:
    """Return the stream of a derived batch; it may be any of the hunt."""
    return Stream(items=items, ordinals=ordinals, root=ROOT, parent=parent, **more)


def crashed(stream: Stream, **facts: Any) -> Stream:
    """Let an attempt of a batch crash."""
    stream.start()
    stream.then("crashed", worker=WORKER, **SEGV, **facts)
    return stream


def halved(stream: Stream, *numbers: int, **facts: Any) -> Stream:
    """Let an attempt of a batch crash without a word about the item, which divides it."""
    crashed(stream, **facts).then("split", to=list(numbers))
    return stream


def completed(stream: Stream) -> Stream:
    """Let a batch be completed."""
    stream.start()
    stream.then("completed", worker=WORKER)
    return stream


def tree(**streams: Stream) -> Hunt:
    """Fold streams, named b5, b6, ...; all but the first are given their own numbers."""
    given = {int(name.removeprefix("b")): stream.events for name, stream in streams.items()}
    events = {number: [replace(each, batch_no=number) for each in those] for number, those in given.items()}
    return hunt(events, ROOT)


def node(found: Hunt, number: int) -> HuntNode:
    """Return a batch of a hunt."""
    return next(each for each in found.nodes if each.batch_no == number)


def fates(found: Hunt) -> dict[int, str]:
    """Return what became of each batch."""
    return {each.batch_no: each.fate for each in found.nodes}


def test_without_a_crash_nothing_is_suspect() -> None:
    running = Stream()
    running.start()
    found = tree(b5=running)
    assert (0, (), (), 0) == (found.crashes, found.suspects, found.poison, found.crashes_left(POLICY))
    assert {5: "running"} == fates(found)


def test_both_halves_are_suspect_and_one_of_them_crashes() -> None:
    found = tree(b5=halved(Stream(), 6, 7), b6=part("{[1,6)}", 5), b7=part("{[6,11)}", 5))
    assert {5: "split", 6: "suspect", 7: "suspect"} == fates(found)
    assert [0, 1, 1] == [each.depth for each in found.nodes]
    assert 1 == found.crashes
    # Three halvings corner one of five items, which then has two crashes; the other half has none.
    assert 3 + 2 == found.crashes_left(POLICY)


def test_a_half_is_cleared_when_it_completes_or_the_other_crashes() -> None:
    five = halved(Stream(), 6, 7)
    done = tree(b5=five, b6=completed(part("{[1,6)}", 5)), b7=part("{[6,11)}", 5))
    assert {5: "split", 6: "completed", 7: "suspect"} == fates(done)
    six = halved(part("{[1,6)}", 5), 8, 9)
    parts = {"b8": part("{[1,4)}", 3, 6), "b9": part("{[4,6)}", 2, 6)}
    other = tree(b5=five, b6=six, b7=part("{[6,11)}", 5), **parts)
    assert {5: "split", 6: "split", 7: "pending", 8: "suspect", 9: "suspect"} == fates(other)
    assert (2, 2 + 2, [2, 2]) == (other.crashes, other.crashes_left(POLICY), [each.depth for each in other.suspects])


def test_a_second_culprit_makes_the_cleared_half_suspect_again() -> None:
    found = tree(
        b5=halved(Stream(), 6, 7),
        b6=halved(part("{[1,6)}", 5), 8, 9),
        b7=halved(part("{[6,11)}", 5), 10, 11),
        b8=part("{[1,4)}", 3, 6),
        b9=part("{[4,6)}", 2, 6),
        b10=part("{[6,9)}", 3, 7),
        b11=part("{[9,11)}", 2, 7),
    )
    assert [8, 9, 10, 11] == [each.batch_no for each in found.suspects]
    assert 4 + 4 == found.crashes_left(POLICY)


def test_an_item_that_a_crash_names_is_suspect_and_the_rest_is_not() -> None:
    five = crashed(Stream(), ordinal=3, item_key="key:3")
    five.then("completed", worker=WORKER, moved="{[3,11)}", moved_items=8, moved_to=[6, 7])
    six, seven = part("{[3,4)}", 1, crashes=1, isolation="fresh_slot"), part("{[4,11)}", 7)
    found = tree(b5=five, b6=six, b7=seven)
    assert {5: "completed", 6: "suspect", 7: "pending"} == fates(found)
    assert ("key:3", None) == (node(found, 6).item_key, node(found, 7).item_key)
    assert 1 == found.crashes_left(POLICY)
    crashed(six, ordinal=3, item_key="key:3", poison=True)
    found = tree(b5=five, b6=six, b7=completed(seven))
    assert {5: "completed", 6: "poison", 7: "completed"} == fates(found)
    assert (2, 0, ["key:3"]) == (found.crashes, found.crashes_left(POLICY), [each.item_key for each in found.poison])
    assert {"{[1,11)}", "{[3,4)}", "{[4,11)}"} == {str(each.held) for each in found.nodes}


def test_an_item_that_stayed_is_not_named_after_the_one_that_crashed_and_left() -> None:
    five = crashed(Stream(items=3, ordinals="{[1,4)}"), ordinal=2, item_key="key:2")
    five.then("completed", worker=WORKER, moved="{[2,4)}", moved_items=2, moved_to=[6, 7])
    found = tree(b5=five, b6=part("{[2,3)}", 1, crashes=1, isolation="fresh_slot"), b7=part("{[3,4)}", 1))
    assert [None, "key:2", None] == [each.item_key for each in found.nodes]


def test_an_item_that_is_poison_at_once_has_crashed_in_its_parent() -> None:
    five = crashed(Stream(), ordinal=3, item_key="key:3", poison=True)
    five.then("split", to=[6, 7])
    six = part("{[3,4)}", 1)
    six.then("crashed", worker=WORKER, **SEGV, ordinal=3, item_key="key:3", poison=True)
    found = tree(b5=five, b6=six, b7=part("{[1,3),[4,11)}", 9))
    assert {5: "split", 6: "poison", 7: "pending"} == fates(found)
    assert 1 == found.crashes


def test_a_crash_that_counts_against_nobody_keeps_the_suspicion() -> None:
    alone = crashed(Stream(), blame="none")
    alone.then("requeued", worker=WORKER, reason="retry", isolation="fresh_slot")
    assert {5: "pending"} == fates(tree(b5=alone))
    six = crashed(part("{[1,6)}", 5), blame="none")
    six.then("completed", worker=WORKER, moved="{[2,6)}", moved_items=4, moved_to=[8])
    found = tree(b5=halved(Stream(), 6, 7), b6=six, b7=part("{[6,11)}", 5), b8=part("{[2,6)}", 4, 6))
    assert {5: "split", 6: "completed", 7: "suspect", 8: "suspect"} == fates(found)
    assert 3 + 2 == found.crashes_left(POLICY)


def test_a_crash_beside_other_items_leaves_one_more_run() -> None:
    only = Stream(items=1, ordinals="{[1,2)}")
    for _ in range(3):
        crashed(only, isolated=False)
        only.then("requeued", worker=WORKER, reason="retry", isolation="fresh_slot")
    assert 1 == tree(b5=only).crashes_left(POLICY)


@pytest.mark.parametrize(("budget", "left"), [(0, 1 + 1), (1, 1 + 1), (2, 1 + 2), (5, 1 + 5)])
def test_the_budget_is_the_jobs(budget: int, left: int) -> None:
    found = tree(b5=halved(Stream(items=4, ordinals="{[1,5)}"), 6, 7), b6=part("{[1,3)}", 2), b7=part("{[3,5)}", 2))
    assert left == found.crashes_left(Policy(max_crashes=budget))


def test_the_batch_of_a_lost_worker_is_suspect_without_evidence() -> None:
    five = Stream()
    five.start()
    five.then("crashed", worker=WORKER, cause="worker_lost")
    five.then("requeued", worker=WORKER, reason="lost", isolation="marked")
    found = tree(b5=five)
    assert ({5: "suspect"}, 1, 0) == (fates(found), found.crashes, found.crashes_left(POLICY))


def test_an_item_in_hand_at_a_loss_has_its_budget_of_losses() -> None:
    six = part("{[3,4)}", 1, losses=2, exclusive_losses=1, isolation="exclusive")
    seven = part("{[4,11)}", 7, losses=1, isolation="marked")
    five = Stream()
    five.start()
    five.then("crashed", worker=WORKER, cause="worker_lost", ordinal=3, item_key="key:3")
    five.then("completed", worker=WORKER, moved="{[3,11)}", moved_items=8, moved_to=[6, 7])
    found = tree(b5=five, b6=six, b7=seven)
    assert {5: "completed", 6: "suspect", 7: "suspect"} == fates(found)
    assert (1, "key:3") == (found.crashes_left(POLICY), node(found, 6).item_key)
    assert 3 == found.crashes_left(Policy(max_losses=4))


def test_the_halves_of_a_lost_worker_hold_one_culprit() -> None:
    found = tree(
        b5=Stream(),
        b6=part("{[1,6)}", 5, losses=2, isolation="exclusive"),
        b7=part("{[6,11)}", 5, losses=2, isolation="exclusive"),
    )
    assert 3 + 2 == found.crashes_left(POLICY)


def test_a_retried_poison_item_is_not_suspect_until_it_crashes_again() -> None:
    only = crashed(Stream(items=1, ordinals="{[1,2)}"), poison=True, item_key="key:1")
    assert {5: "poison"} == fates(tree(b5=only))
    only.then("requeued", reason="person", reset=True)
    found = tree(b5=only)
    assert ({5: "pending"}, "key:1") == (fates(found), node(found, 5).item_key)


def test_a_failed_batch_is_no_hunt() -> None:
    five = Stream()
    five.start()
    five.then("failed", worker=WORKER, error={"message": "no"})
    five.then("split", to=[6], moved="{[1,3)}", moved_items=2)
    found = tree(b5=five, b6=part("{[1,3)}", 2))
    assert {5: "failed", 6: "pending"} == fates(found)


def test_a_batch_without_its_parent_stands_by_itself() -> None:
    found = tree(b6=part("{[1,3)}", 2))
    assert [0] == [each.depth for each in found.nodes]


def test_items_are_counted_by_status() -> None:
    found = tree(b5=halved(Stream(), 6, 7), b6=completed(part("{[1,6)}", 5)), b7=part("{[6,11)}", 5))
    status = type(node(found, 6).state.status)
    assert [5, 5, 0] == [found.items(status(each)) for each in ("completed", "pending", "failed")]


def test_the_past_is_folded_from_the_events_until_then() -> None:
    five, six = halved(Stream(), 6), part("{[1,6)}", 5)
    events = {5: five.events, 6: list(six.events)}
    early = hunt(events, ROOT, as_of=Stream.minute(1))
    assert [("pending", 0)] * 2 == [(each.state.status, each.crashes) for each in early.nodes]
    assert () == hunt(events, ROOT, as_of=Stream.minute(0)).nodes
    assert 1 == hunt(events, ROOT, as_of=Stream.minute(3)).crashes
    assert hunt(events, ROOT) == hunt(events, ROOT, as_of=Stream.minute(9))
