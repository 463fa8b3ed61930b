"""How marks are answered: which slots may go on, which are killed, and which wait for the database."""

from typing import Any

import pytest

from evtrack.domain.database_errors import StorageError
from evtrack.domain.errors import BadArgument
from evtrack.runtime.slot.protocol import ItemMark
from evtrack.runtime.worker.database.exchange import HELD, LOST, REFUSED
from evtrack.runtime.worker.database.mark_writer import MarkWriter
from evtrack.runtime.worker.outcomes.item_marks import ItemMarks, MarkRequest
from evtrack.storage.queue.records import ReportVerdict, SuspectMark
from slot_driver import claimed_batch


class FakeSlot:
    """A slot that waits for a permit."""

    def __init__(self, pid: int) -> None:
        batch = claimed_batch({}, {}, batch_no=pid, first=11)._replace(isolation=b"exclusive")
        self.pid, self.held = pid, [batch]


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


def requests(count: int = 3) -> list[MarkRequest]:
    marks = ItemMarks()
    for pid in range(1, count + 1):
        marks.add(FakeSlot(pid), ItemMark(1, 5, 0, b"1", 1))  # type: ignore[arg-type]  it is no process
    return marks.requests()


def write(queue: FakeQueue, writer: MarkWriter | None = None, count: int = 3) -> tuple[dict[int, str], bool]:
    answers: dict[tuple[int, int], str] = {}
    has_given_up = (writer or MarkWriter()).write(queue, requests(count), answers)  # type: ignore[arg-type]  a fake
    assert {5} >= {number for _, number in answers}
    return {pid: answer for (pid, _), answer in answers.items()}, has_given_up


def test_the_marks_of_all_slots_are_committed_in_one_statement() -> None:
    queue = FakeQueue()
    assert ({1: HELD, 2: HELD, 3: HELD}, False) == write(queue)
    assert [[(7, pid, 1) for pid in (1, 2, 3)]] == [[mark.batch for mark in call] for call in queue.calls]
    assert SuspectMark((7, 1, 1), done=11, line=b"1", in_hand=12, exclusive=True) == queue.calls[0][0]


def test_a_slot_whose_batch_is_lost_gets_no_permit() -> None:
    assert ({1: HELD, 2: LOST, 3: HELD}, False) == write(FakeQueue(b2="lost"))


@pytest.mark.parametrize("error", [BadArgument("no JSON"), StorageError("no text", sqlstate="22021")])
def test_a_mark_that_the_database_rejects_ends_its_slot_and_no_other(error: Exception) -> None:
    assert ({1: HELD, 2: REFUSED, 3: HELD}, False) == write(FakeQueue(b2=error))


@pytest.mark.parametrize("sqlstate", ["57014", "53100", "XX000"])
def test_a_mark_waits_while_the_server_is_at_fault(sqlstate: str) -> None:
    answers: dict[tuple[int, int], str] = {}
    with pytest.raises(StorageError):
        MarkWriter().write(FakeQueue(b1=StorageError("", sqlstate=sqlstate)), requests(1), answers)  # type: ignore[arg-type]
    assert {} == answers


def test_a_batch_whose_mark_alone_fails_is_given_up_in_the_end_and_blamed_for_nothing() -> None:
    writer, queue = MarkWriter(), FakeQueue(b2=StorageError("damaged page", sqlstate="XX001"))
    for _ in range(7):
        with pytest.raises(StorageError):
            write(queue, writer)
    assert ({1: HELD, 2: LOST, 3: HELD}, True) == write(queue, writer)
