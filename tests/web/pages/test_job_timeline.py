"""A page shows few moments of a timeline, among them the last one and the one that is asked for."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from evtrack.interfaces.web.job_timeline import MOMENTS, begun_at, since_creation, thinned, timeline
from page_samples import AT, job_progress, timeline_points

ENDED = job_progress(phase="finished", ended_at=AT, pending=0, running=0)


@given(number=st.integers(0, 2000), most=st.integers(2, 300))
def test_thinned_moments_are_few_in_order_and_end_with_the_last(number: int, most: int) -> None:
    points = timeline_points(number)
    kept = thinned(points, most)
    assert len(kept) <= most
    assert [each.at for each in kept] == sorted({each.at for each in kept})
    assert kept[-1:] == points[-1:]
    assert len(kept) == number or len(kept) > most // 2


def test_the_latest_moment_is_shown_unless_a_time_is_asked_for() -> None:
    points = timeline_points(5)
    assert timeline(points, ENDED, None).shown == points[-1]
    assert timeline(points, ENDED, AT + timedelta(seconds=19)).shown == points[1]
    assert timeline(points, ENDED, AT - timedelta(days=1)).shown == points[0]
    assert timeline(points, ENDED, AT + timedelta(days=1)).shown == points[-1]
    assert timeline([], ENDED, AT).shown is None


def test_neighbours_of_the_shown_moment_end_with_the_timeline() -> None:
    found = timeline(timeline_points(3), ENDED, AT)
    assert found.near(-1) is None
    assert found.near(1) == found.moments[1]
    assert timeline(timeline_points(3), ENDED, None).near(1) is None


def test_the_span_under_way_is_drawn_as_the_present_and_not_listed() -> None:
    now = job_progress(elapsed_s=23.0)
    found = timeline(timeline_points(3), now, None)
    assert [each.at for each in found.moments] == [AT, AT + timedelta(seconds=10)]
    assert found.drawn[-1].at == AT + timedelta(seconds=23)
    assert found.drawn[-1].done == now.done


def test_an_ended_job_is_drawn_as_it_is_listed() -> None:
    found = timeline(timeline_points(300), ENDED, None)
    assert found.drawn == found.moments
    assert len(found.moments) <= MOMENTS
    assert found.most == max(each.pending + each.running + each.done for each in found.moments)


def test_a_job_begins_with_its_first_running_item() -> None:
    points = timeline_points(3)
    assert begun_at(points) == points[1].at
    assert begun_at(points[:1]) is None


def test_no_moment_is_before_its_job_was_there() -> None:
    points, created = timeline_points(3), AT + timedelta(seconds=4)
    assert [created, *(each.at for each in points[1:])] == [each.at for each in since_creation(points, created)]
