"""Whether a crash counts against the item in hand: not when what ran before it may be the cause."""

import signal
import time
from types import SimpleNamespace
from typing import Any

import pytest

from evtrack.domain.claimed_batch import ClaimedBatch
from evtrack.domain.crash import LIMITS
from evtrack.runtime.slot import shared_page
from evtrack.runtime.slot.protocol import CommandKilled
from evtrack.runtime.slot.shared_page import SharedPage
from evtrack.runtime.worker.outcomes.crash_reports import command_crash_report, slot_crash_report
from evtrack.runtime.worker.slots.limits import SlotLimits
from evtrack.runtime.worker.slots.process import SlotExit
from slot_driver import claimed_batch


class DeadSlot:
    """A slot that ended while it ran a batch.

    Args:
        batch: The batch.
        seq: Its sequence number in the slot's life.
        item: Index of the item in hand.
        kind: The kind of the batch's handler.
        killed_for: Why the supervisor killed it.
    """

    def __init__(
        self, batch: ClaimedBatch, *, seq: int, item: int, kind: str = "item", killed_for: str | None = None
    ) -> None:
        self.pid, self.first, self.held, self.killed_for = 101, seq, [batch], killed_for
        self.spares_item = self.has_reached_group_limit = False
        self.item_results: dict[int, bytes] = {}
        self.stderr = SimpleNamespace(tail="")
        self.page = SharedPage.create()
        self.page.begin(seq, 1.0)
        self.page.begin_item(item)
        self._kind = kind

    @property
    def is_over_limit(self) -> bool:
        return self.killed_for in LIMITS

    def kind_of(self, _: ClaimedBatch) -> str:
        return self._kind

    def take_oom_kill(self) -> str:
        return "oom_kill rose"

    def kill(self, _: int = 0, *, reason: str | None = None) -> None:
        self.killed_for = reason


def report(slot: DeadSlot, *, oom_kill: str = "", others_busy: bool = False) -> dict[str, Any]:
    ended = SlotExit(signal.SIGKILL, oom_kill=oom_kill)
    return slot_crash_report(slot, ended, slot.held[0], 2.0, others_busy=others_busy)  # type: ignore[arg-type]  enough


def blame(data: dict[str, Any]) -> str:
    return "none" if data.get("blame") == "none" else "counted" if data.get("isolated", True) else "not isolated"


ONE, TWO = claimed_batch({}), claimed_batch({}, {})


@pytest.mark.parametrize(
    ("batch", "seq", "item", "kind", "expected"),
    [
        (ONE, 1, 0, "item", "counted"),
        (TWO, 1, 0, "item", "not isolated"),
        (TWO, 1, 1, "item", "none"),
        (ONE, 2, 0, "item", "none"),
        (ONE, 1, 0, "batch", "counted"),
        (TWO, 1, 0, "batch", "not isolated"),
        (TWO, 1, 1, "batch", "not isolated"),
        (ONE, 2, 0, "batch", "none"),
        (ONE, 2, 0, "command", "counted"),
        (TWO, 2, 0, "command", "not isolated"),
    ],
)
def test_a_memory_limit_counts_only_in_a_slot_that_has_run_nothing_else(
    batch: ClaimedBatch, seq: int, item: int, kind: str, expected: str
) -> None:
    slot = DeadSlot(batch, seq=seq, item=item, kind=kind, killed_for="memory_limit")
    assert expected == blame(report(slot))


def test_another_crash_counts_but_is_not_isolated_when_other_items_have_run() -> None:
    assert ["counted", "not isolated", "not isolated"] == [
        blame(report(DeadSlot(batch, seq=seq, item=0))) for batch, seq in [(ONE, 1), (ONE, 2), (TWO, 1)]
    ]


def test_an_out_of_memory_kill_counts_only_without_other_batches_in_the_worker() -> None:
    fresh, used = DeadSlot(ONE, seq=1, item=0), DeadSlot(ONE, seq=2, item=0)
    assert "counted" == blame(report(fresh, oom_kill="it rose"))
    assert "none" == blame(report(fresh, oom_kill="it rose", others_busy=True))
    assert "none" == blame(report(used, oom_kill="it rose"))
    fresh.has_reached_group_limit = True
    assert "counted" == blame(report(fresh, oom_kill="it rose", others_busy=True))
    frame = CommandKilled(2, 0.5, signal.SIGKILL, "")
    for others_busy, expected in [(False, "counted"), (True, "none")]:
        slot: Any = DeadSlot(ONE, seq=2, item=0, kind="command")
        assert expected == blame(command_crash_report(slot, ONE, frame, others_busy=others_busy))


def test_a_limit_that_is_exceeded_between_two_items_names_none() -> None:
    slot = DeadSlot(TWO, seq=1, item=0, killed_for="memory_limit")
    assert 1 == report(slot)["ordinal"]
    slot.page.add_result(0, b"1")
    data = report(slot)
    assert ("none", None, None) == (blame(data), data.get("ordinal"), data.get("item_key"))


@pytest.mark.parametrize(("item", "item_ran_s", "expected"), [(1, 0.1, "none"), (1, 9.0, "not isolated")])
def test_a_time_limit_spares_an_item_that_has_not_itself_run_for_so_long(
    item: int, item_ran_s: float, expected: str
) -> None:
    slot = DeadSlot(TWO, seq=1, item=item)
    now = time.monotonic()
    slot.page._floats[shared_page._BEGUN], slot.page._floats[shared_page._ITEM_BEGUN] = now - 10, now - item_ran_s
    SlotLimits(timeout_s=5.0).enforce([slot], now=10.0)  # type: ignore[list-item]  enough of a slot
    assert "timeout" == slot.killed_for
    assert expected == blame(report(slot))


def test_the_first_item_has_run_for_as_long_as_its_batch() -> None:
    slot = DeadSlot(TWO, seq=1, item=0)
    now = time.monotonic()
    slot.page._floats[shared_page._BEGUN], slot.page._floats[shared_page._ITEM_BEGUN] = now - 5.001, now - 4.999
    SlotLimits(timeout_s=5.0).enforce([slot], now=10.0)  # type: ignore[list-item]  enough of a slot
    assert "not isolated" == blame(report(slot))
