"""The thread of long acts: one after the other, a bounded number, each whatever becomes of those before it."""

import threading
from collections.abc import Callable, Generator
from typing import Any, Self

import pytest
from structlog.testing import capture_logs

from evtrack.runtime.acts import act_runner, queue_act
from evtrack.runtime.acts.act_runner import MAX_UNDER_WAY, ActRunner
from evtrack.runtime.acts.queue_act import ActReport, Order, Step
from polling import eventually


class _Connection:
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def _no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_act, "connect", lambda *_, **__: _Connection())
    monkeypatch.setattr(queue_act, "bound_waits", lambda *_, **__: None)


def order(key: object, steps: Callable[[Any], Generator[Step]], ended: list[ActReport]) -> Order:
    """Make an order."""
    return Order(
        key=key, title=str(key), user="", job_id=1, expected=3, noun="batch", dsn="", steps=steps, result=str,
        statement_s=1, can_stop=True, on_end=ended.append,
    )  # fmt: skip


def two(_: object) -> Generator[Step]:
    """Change a batch, and two more."""
    yield Step(1, ("a note",))
    yield Step(2)


def breaks(_: object) -> Generator[Step]:
    """Change a batch, and break."""
    yield Step(1)
    raise ZeroDivisionError


def test_acts_run_after_each_other_and_a_defect_of_one_spares_the_others() -> None:
    runner, ended = ActRunner(), list[ActReport]()
    with capture_logs() as lines:
        for key, steps in (("a", two), ("b", breaks), ("c", two)):
            assert runner.begin(order(key, steps, ended)) is not None
        eventually(lambda: len(ended) == 3)
    assert [("a", "done", 3), ("b", "failed", 1), ("c", "done", 3)] == [
        (each.title, each.state, each.changed) for each in ended
    ]
    assert ("a note",) == ended[0].notes
    assert "The log of evtrack web has the details" in ended[1].error
    assert ["web_error"] == [line["event"] for line in lines]
    eventually(lambda: "evtrack-acts" not in {thread.name for thread in threading.enumerate()})


def test_equal_orders_are_one_act_while_it_is_under_way() -> None:
    runner, ended, go = ActRunner(), list[ActReport](), threading.Event()

    def waits(_: object) -> Generator[Step]:
        assert go.wait(10)
        yield Step(1)

    first = runner.begin(order("a", waits, ended))
    assert first is runner.begin(order("a", two, ended)) is runner.run(order("a", two, ended))
    other = runner.run(order("b", two, ended))
    assert other is not None
    assert ["b"] == [each.title for each in ended], "a short act waits for no long one"
    go.set()
    eventually(lambda: len(ended) == 2)
    assert first is not runner.run(order("a", two, ended))


def test_there_are_so_many_at_a_time_and_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(act_runner, "_REMEMBERED", 3)
    runner, ended, go = ActRunner(), list[ActReport](), threading.Event()

    def waits(_: object) -> Generator[Step]:
        assert go.wait(10)
        yield Step(1)

    acts = [runner.begin(order(number, waits, ended)) for number in range(MAX_UNDER_WAY)]
    assert None is runner.begin(order("one more", two, ended))
    go.set()
    eventually(lambda: len(ended) == MAX_UNDER_WAY)
    for number in range(4):
        runner.run(order(f"later {number}", two, ended))
    assert None is runner.find(acts[0].number if acts[0] else 0)


def test_an_act_that_waits_can_be_stopped_and_never_begins() -> None:
    runner, ended, go = ActRunner(), list[ActReport](), threading.Event()

    def waits(_: object) -> Generator[Step]:
        assert go.wait(10)
        yield Step(1)

    runner.begin(order("a", waits, ended))
    waiting = runner.begin(order("b", breaks, ended))
    assert waiting is not None
    waiting.stop()
    assert ("stopped", None) == (waiting.report().state, waiting.report().begun_at)
    go.set()
    eventually(lambda: len(ended) == 2)
    assert ["b", "a"] == [each.title for each in ended]


def test_a_closed_runner_takes_nothing_more() -> None:
    runner, ended = ActRunner(), list[ActReport]()
    runner.close()
    assert None is runner.begin(order("a", two, ended)) is runner.run(order("a", two, ended))
    assert [] == ended
