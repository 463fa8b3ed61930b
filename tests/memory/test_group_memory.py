"""The memory limit of a slot: psutil measures, on every platform, the slot and the command that it runs."""

from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from evtrack.runtime.worker.slots import slot_memory
from evtrack.runtime.worker.slots.limits import SlotLimits
from evtrack.runtime.worker.slots.memory_limits import MemoryLimits
from slot_driver import claimed_batch


class FakeSlot:
    """A slot that runs its first batch, and records why it is killed."""

    def __init__(self, command_pid: int = 0) -> None:
        self.pid, self.first, self.held = 101, 1, [claimed_batch({})]
        self.page = SimpleNamespace(seq=1, begun_at=0.0, beat_at=0.0, limit=9, command_pid=command_pid)
        self.reasons: list[str | None] = []

    def kill(self, _: int = 0, *, reason: str | None = None) -> None:
        self.reasons.append(reason)


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """Replace the processes of the machine by a table of their memory, and forget those that were looked up before."""
    table = {101: 300, 202: 500}

    def process(pid: int) -> Any:
        if pid not in table:
            raise psutil.NoSuchProcess(pid)
        return SimpleNamespace(memory_info=lambda: SimpleNamespace(rss=table[pid]))

    monkeypatch.setattr(psutil, "Process", process)
    slot_memory._process.cache_clear()
    monkeypatch.setattr(slot_memory, "descendants", lambda _: [])
    return table


def reasons(slot: FakeSlot, most: int) -> list[str | None]:
    SlotLimits(memory=MemoryLimits(max_rss_bytes=most)).enforce([slot], now=10.0)  # type: ignore[list-item]  it knows no more of a slot
    return slot.reasons


def test_a_slot_over_its_limit_is_ended_and_begins_no_other_batch() -> None:
    slot = FakeSlot()
    assert ["memory_limit"] == reasons(slot, 299)
    assert 1 == slot.page.limit
    assert [] == reasons(FakeSlot(), 300)


def test_the_memory_of_its_command_counts() -> None:
    assert ["memory_limit"] == reasons(FakeSlot(command_pid=202), 799)
    assert [] == reasons(FakeSlot(command_pid=202), 800)


def test_a_command_that_has_ended_holds_no_memory() -> None:
    assert [] == reasons(FakeSlot(command_pid=303), 300)
