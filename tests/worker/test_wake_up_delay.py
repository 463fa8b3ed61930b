"""In a large fleet a few workers look at once for what a notification announces, and the others a moment later."""

import math
import random

import pytest

from evtrack.runtime.worker.database.wake_up_delay import AT_ONCE, COUNT_S, LONGEST_S, WakeUpDelay


def counted(idle: int, handler: str = "h", *, at: float = 100.0) -> WakeUpDelay:
    """Return the delay of a worker that has found nothing, and then counted those that are idle."""
    one = WakeUpDelay()
    one.begin_count([handler], workers=1000, now=at)
    one.record_count(handler, idle)
    return one


def due_in_s(one: WakeUpDelay, *handlers: str, workers: int = 1000, now: float = 100.0) -> float:
    one.record_wake_up(handlers or ("h",), workers=workers, now=now)
    return one.due_at - now


@pytest.fixture
def _unlucky(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.999)


@pytest.mark.usefixtures("_unlucky")
def test_few_workers_look_at_once() -> None:
    assert [0] * 2 == [due_in_s(WakeUpDelay(), workers=few) for few in (0, AT_ONCE)]
    assert due_in_s(WakeUpDelay(), workers=AT_ONCE + 1) > 0, "nobody has counted the others, so all may be idle"
    assert [0] * 2 == [due_in_s(counted(1000), workers=few) for few in (0, AT_ONCE)]
    assert [0] * 2 == [due_in_s(counted(few)) for few in (0, AT_ONCE)]
    assert due_in_s(counted(AT_ONCE + 1)) > 0
    assert due_in_s(counted(1000), workers=AT_ONCE + 1) > 0


@pytest.mark.usefixtures("_unlucky")
def test_few_who_have_the_handler_look_at_once_in_any_fleet() -> None:
    one = counted(1000, "common")
    assert due_in_s(one, "common", "rare") > 0
    one.record_count("rare", AT_ONCE)
    assert due_in_s(counted(1000, "common"), "common") > 0
    assert 0 == due_in_s(one, "common", "rare")


def test_of_many_workers_some_look_at_once_and_all_within_a_moment() -> None:
    for fleet, longest_s in ((200, 0.4), (5000, LONGEST_S)):
        delays = [due_in_s(counted(fleet), workers=fleet) for _ in range(fleet)]
        # A fleet that is as unlucky as this is not seen in the life of this test.
        assert 0 < sum(delay == 0 for delay in delays) < 6 * AT_ONCE
        assert longest_s / 2 < max(delays) <= longest_s
        assert all(delay == 0 or delay >= longest_s / 4 for delay in delays), "the first ones have a head start"


@pytest.mark.usefixtures("_unlucky")
def test_a_second_notification_delays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    one = counted(100)
    first_s = due_in_s(one)
    assert due_in_s(one, now=100.05) == pytest.approx(first_s - 0.05)
    assert (first_s, 0.0, True) == (one.wait_s(100.0), one.wait_s(101.0), one.is_late)
    monkeypatch.setattr(random, "random", lambda: 0.0)
    assert (0, False) == (due_in_s(one, now=100.06), one.is_late)
    assert ["h"] == one.begin_look()
    assert (None, []) == (one.wait_s(100.06), one.begin_look())


@pytest.mark.usefixtures("_unlucky")
def test_who_found_work_looks_at_once_until_it_finds_none() -> None:
    one = counted(1000)
    for has_found in (True, False):
        one.record_look(["h"], has_found=has_found)
        assert has_found == (due_in_s(one) == 0)
        one.begin_look()
    one.record_look(["rare"], has_found=True)
    one.record_look(["h"], has_found=False)
    assert 0 == due_in_s(one, "rare"), "that others took work of another handler says nothing about this one"


def test_idle_ones_are_counted_once_and_then_by_who_finds_nothing() -> None:
    one = WakeUpDelay()

    def counts(*, workers: int = 1000, now: float = 100.0) -> list[str]:
        return one.begin_count(["common", "rare"], workers=workers, now=now)

    assert [] == counts(workers=AT_ONCE)
    assert ["common", "rare"] == counts()
    one.record_look(["common"], has_found=True)
    assert [] == counts(now=100.0 + COUNT_S)
    one.record_look(["common"], has_found=False)
    assert [] == counts(now=100.0 + COUNT_S / 2)
    assert ["common"] == counts(now=100.0 + COUNT_S)
    assert [] == counts(now=100.0 + 3 * COUNT_S)
    assert math.inf == one.due_at, "counting is no look"
