"""A day is divided into pages that cover it without a gap."""

from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from evtrack.storage.retention.day_reader import DayJob, Table, pages


def job(number: int, batches: int, items: int, versions: int) -> DayJob:
    """Return a job of this size."""
    at = datetime(2026, 11, 24, tzinfo=UTC)
    return DayJob(number, None, "h", "finished", {}, {}, 0, at, at, batches, items, versions, None)


sizes = st.tuples(st.integers(0, 400), st.integers(0, 400), st.integers(1, 1500))


@given(st.lists(sizes, max_size=8), st.sampled_from(["events", "payloads", "results"]), st.integers(1, 100))
def test_pages_are_adjacent_and_cover_every_job(jobs: list[tuple[int, int, int]], table: Table, size: int) -> None:
    cut = list(pages([job(number, *each) for number, each in enumerate(jobs, 1)], table, size))
    assert (-(2**63), 0) == cut[0][0]
    assert (2**63 - 1, 0) == cut[-1][1]
    assert all(before[1] == after[0] for before, after in pairwise(cut))
    assert all(first < end for first, end in cut)


def test_a_large_job_has_many_pages_and_small_ones_share_one() -> None:
    jobs = [job(1, 1, 1, 7), job(2, 1000, 1000, 3004), job(3, 1, 1, 7), job(4, 1, 1, 7)]
    cut = list(pages(jobs, "events", 1000))
    assert [(2, 0), (2, 332), (2, 664), (2, 996), (3, 0)] == [end for _, end in cut[:-1]]
