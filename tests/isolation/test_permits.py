"""A slot asks before each item of a suspect, and waits until the mark is committed."""

from typing import Any

import pytest

from evtrack.runtime.slot.protocol import BatchesDone, BatchPartlyDone, ItemMark
from evtrack.runtime.worker.slots.limits import SlotLimits
from polling import eventually
from slot_driver import SlotDriver, claimed_batch, slot, slot_setup


def suspect(*items: Any, handler: str = "scripted") -> Any:
    return claimed_batch(*items, handler=handler, attempt=2)._replace(isolation=b"marked")


def permit(one: SlotDriver, count: int) -> ItemMark:
    """Wait for the last of this many frames, a mark, and let the slot go on."""
    mark = one.receive(count)[-1]
    assert isinstance(mark, ItemMark), mark
    assert (True, None) == (one.process.page.is_waiting, one.process.page.item)
    one.process.page.permit = mark.number
    return mark


def test_each_item_waits_for_its_permit_and_reports_the_item_before_it() -> None:
    with slot() as one:
        one.give(suspect({"return": 1}, {"do": "raise"}, {"return": 3}))
        assert ItemMark(1, 1, None, b"", 0) == permit(one, 1)
        assert ItemMark(1, 2, 0, b"1", 1) == permit(one, 2)
        assert ItemMark(1, 3, None, b"", 2) == permit(one, 3), "the item that failed is not done"
        assert isinstance(one.receive(4)[-1], BatchPartlyDone)
        one.give(suspect({"return": 4}))
        assert ItemMark(2, 4, None, b"", 0) == permit(one, 5), "marks are numbered through the slot's life"
        assert isinstance(one.receive(6)[-1], BatchesDone)


@pytest.mark.parametrize("handler", ["nothing", "program"])
def test_a_handler_of_whole_batches_asks_once(handler: str) -> None:
    with slot(slot_setup(program=["cat"])) as one:
        one.give(suspect(1, 2, 3, handler=handler))
        assert ItemMark(1, 1, None, b"", None) == permit(one, 1)
        assert isinstance(one.receive(2)[-1], BatchesDone)


def test_other_batches_ask_for_nothing() -> None:
    with slot() as one:
        one.give(claimed_batch({"return": 1}, attempt=2)._replace(isolation=b"memory"))
        assert isinstance(one.receive(1)[-1], BatchesDone)


def test_waiting_counts_neither_as_run_time_nor_as_silence() -> None:
    with slot() as one:
        page = one.process.page
        one.give(suspect({"do": "sleep", "s": 0.05}, {"return": 2}))
        permit(one, 1)
        one.receive(2)
        eventually(lambda: page.is_waiting)
        begun_at = page.begun_at
        # The database is away for longer than a batch may run.
        eventually(lambda: page.begun_at > begun_at + 0.3)
        SlotLimits(timeout_s=0.2, stall_s=0.2).enforce([one.process], 1e9)
        assert one.process.killed_for is None
        permit(one, 2)
        done = one.receive(3)[-1]
        assert isinstance(done, BatchesDone)
        assert 0.05 <= done.run_s[0] < 0.2
