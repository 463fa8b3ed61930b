"""The crash map: rows of handlers, columns of days, and no attempts are not the same as no crash."""

from datetime import date, timedelta
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evtrack.interfaces.web.charts.crash_map import STEPS_PCT, crash_grid, rate_of, shade_of
from evtrack.interfaces.web.charts.slots import slot_boxes
from evtrack.storage.reports.trouble_lists import CrashCell

TODAY = date(2026, 11, 24)
DAYS = [TODAY - timedelta(days=number) for number in range(14)]


def _found(handler: str, day: int, attempts: int, crashed: int) -> CrashCell:
    return CrashCell(handler, DAYS[day], attempts, attempts - crashed, 0, crashed, 0)


def test_no_attempts_are_not_the_same_as_no_crash() -> None:
    (row,) = crash_grid([_found("parse", 0, 1204, 3), _found("parse", 2, 10, 0)], DAYS, limit=9)
    shown = [(cell.rate_pct, cell.shade) for cell in row.cells[:3]]
    assert [(pytest.approx(0.249, abs=0.001), 2), (None, 0), (0.0, 0)] == shown
    assert (1214, 3) == (row.attempts, row.crashed)


def test_handlers_with_most_crashes_come_first_and_the_rest_is_left_out() -> None:
    found = [_found("quiet", 0, 500, 0), _found("worst", 3, 9, 9), _found("bad", 0, 90, 2), _found("busy", 0, 900, 2)]
    assert ["worst", "busy", "bad"] == [row.handler for row in crash_grid(found, DAYS, limit=3)]


def test_days_that_are_no_columns_do_not_count() -> None:
    old = CrashCell("parse", DAYS[-1] - timedelta(days=1), 50, 0, 0, 50, 0)
    (row,) = crash_grid([old, _found("parse", 0, 10, 1)], DAYS, limit=9)
    assert (10, 1) == (row.attempts, row.crashed)


@given(st.integers(1, 10**9), st.data())
def test_a_crash_is_never_shown_as_none(attempts: int, data: st.DataObject) -> None:
    crashed = data.draw(st.integers(1, attempts))
    assert 1 <= shade_of(rate_of(attempts, crashed)) <= 5


@given(st.lists(st.floats(0, 100), min_size=2, max_size=9))
def test_a_higher_rate_is_never_lighter(rates: list[float]) -> None:
    shades = [shade_of(rate) for rate in sorted(rates)]
    assert shades == sorted(shades)


def test_each_step_begins_a_shade() -> None:
    assert [0, 1, 2, 3, 4, 5] == [shade_of(None), shade_of(0.01), *(shade_of(step) for step in STEPS_PCT)]


@given(busy=st.integers(-3, 300), slots=st.integers(0, 300))
def test_slots_are_boxes_of_which_the_first_are_busy(busy: int, slots: int) -> None:
    root = ET.fromstring(slot_boxes(busy, slots))  # noqa: S314  we have just made it
    assert "img" == root.get("role")
    classes = [each.get("class") for each in root.iter("rect")]
    if slots <= 64:
        held = min(max(busy, 0), slots)
        assert ["s-running"] * held + ["s-free"] * (slots - held) == classes
        assert f"{held} of {slots} slots busy" == root.get("aria-label")
    else:
        assert len(classes) <= 1
