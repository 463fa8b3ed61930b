"""Which slots go on after their marks were written, and which are killed."""

from types import SimpleNamespace
from typing import Any

import pytest

from evtrack.domain.database_errors import StorageError
from evtrack.domain.errors import BadArgument
from evtrack.runtime.slot.protocol import ItemMark
from evtrack.runtime.worker.database.mark_writer import MarkWriter
from evtrack.runtime.worker.outcomes.item_marks import ItemMarks
from evtrack.storage.queue.queue import CANCELLED
from evtrack.storage.queue.records import ReportVerdict, SuspectMark
from slot_driver import claimed_batch


class FakeSlot:
    """A slot that waits for a permit."""

    def __init__(self, pid: int) -> None:
        batch = claimed_batch({}, {}, batch_no=pid, first=11)._replace(isolation=b"exclusive")
        self.pid, self.held = pid, [batch]
        self.page = SimpleNamespace(permit=0)
        self.killed_for: str | None = None

    def kill(self, *, reason: str) -> None:
        self.killed_for = reason


class FakeQueue:
    """A queue that answers or fails for some batches."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {int(name[1:]): answer for name, answer in answers.items()}
        self.calls: list[list[SuspectMark]] = []

    def mark_items(self, marks: list[SuspectMark]) -> list[ReportVerdict]:
        self.calls.append(marks)
        verdicts = []
        for mark in marks:
            answer = self.answers.get(mark.batch[1], "held")
            if isinstance(answer, Exception):
                raise answer
            verdicts.append(ReportVerdict(*mark.batch[:2], answer))
        return verdicts


def write(queue: FakeQueue, count: int = 3) -> tuple[list[FakeSlot], ItemMarks, list[set[Any]]]:
    slots = [FakeSlot(pid) for pid in range(1, count + 1)]
    marks, dropped = ItemMarks(), []
    for slot in slots:
        marks.add(slot, ItemMark(1, 5, 0, b"1", 1))  # type: ignore[arg-type]  it is no process
    MarkWriter(SimpleNamespace(marks=marks, drop=dropped.append)).write(queue)  # type: ignore[arg-type]  as above
    return slots, marks, dropped


def test_the_marks_of_all_slots_are_committed_in_one_statement() -> None:
    queue = FakeQueue()
    slots, marks, _ = write(queue)
    assert [[(7, pid, 1) for pid in (1, 2, 3)]] == [[mark.batch for mark in call] for call in queue.calls]
    assert SuspectMark((7, 1, 1), done=11, line=b"1", in_hand=12, exclusive=True) == queue.calls[0][0]
    assert ([5, 5, 5], 0) == ([slot.page.permit for slot in slots], len(marks))


def test_a_slot_whose_batch_is_lost_gets_no_permit() -> None:
    slots, marks, dropped = write(FakeQueue(b2="lost"))
    assert ([5, 0, 5], [{(7, 2, 1)}], 0) == ([slot.page.permit for slot in slots], dropped, len(marks))


@pytest.mark.parametrize("error", [BadArgument("no JSON"), StorageError("no text", sqlstate="22021")])
def test_a_mark_that_the_database_rejects_ends_its_slot_and_no_other(error: Exception) -> None:
    slots, marks, dropped = write(FakeQueue(b2=error))
    assert [None, "protocol", None] == [slot.killed_for for slot in slots]
    assert ([5, 0, 5], [], 0) == ([slot.page.permit for slot in slots], dropped, len(marks))


def test_marks_are_kept_while_the_database_is_slow() -> None:
    error = StorageError("timeout", sqlstate=CANCELLED)
    slots = [FakeSlot(1)]
    marks = ItemMarks()
    marks.add(slots[0], ItemMark(1, 5, None, b"", None))  # type: ignore[arg-type]  it is no process
    writer = MarkWriter(SimpleNamespace(marks=marks, drop=lambda _: None))  # type: ignore[arg-type]  as above
    with pytest.raises(StorageError):
        writer.write(FakeQueue(b1=error))  # type: ignore[arg-type]  as above
    assert (1, 0, None) == (len(marks), slots[0].page.permit, slots[0].killed_for)
    queue = FakeQueue()
    writer.write(queue)  # type: ignore[arg-type]  as above
    assert ([0], 5) == ([mark.in_hand for mark in queue.calls[0]], slots[0].page.permit)
