"""A cleanup pauses often, but for a bounded time."""

from collections.abc import Iterator

import pytest

from evtrack.runtime.retention import cleanup


class Clock:
    """Stands in for the time that passes between lines, and notes the rests."""

    def __init__(self, line_s: float) -> None:
        self.now = 0.0
        self.rests: list[float] = []
        self._line_s = line_s

    def lines(self, number: int) -> Iterator[bytes]:
        """Give lines, each of which takes a while."""
        for _ in range(number):
            self.now += self._line_s
            yield b"{}\n"

    def monotonic(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Rest."""
        self.rests.append(seconds)
        self.now += seconds


@pytest.mark.parametrize(("line_s", "rest_s"), [(0.00001, 0.1), (0.01, cleanup.MAX_PAUSE_S)])
def test_pauses_are_longer_than_work_but_bounded(monkeypatch: pytest.MonkeyPatch, line_s: float, rest_s: float) -> None:
    clock = Clock(line_s)
    monkeypatch.setattr(cleanup, "time", clock)
    number = 3 * cleanup.PAUSE_EVERY + 1
    assert number == sum(1 for _ in cleanup.paced(clock.lines(number)))
    assert [pytest.approx(rest_s)] * 3 == clock.rests


def test_pauses_can_come_after_fewer_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(0.01)
    monkeypatch.setattr(cleanup, "time", clock)
    assert 25 == sum(1 for _ in cleanup.paced(clock.lines(25), 10))
    assert [pytest.approx(cleanup.MAX_PAUSE_S)] * 2 == clock.rests
