"""Every view, cursor and time is an address: it is read back as it was written, and anything else is no page."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evtrack.domain.column_types import BIGINT_MAX, INTEGER_MAX
from evtrack.domain.states import BatchStatus, JobPhase
from evtrack.interfaces.web.address import MAX_TEXT, NoSuchPage
from evtrack.interfaces.web.page_finder import PageFinder
from evtrack.interfaces.web.pages.batches import BATCHES, BatchesArgs
from evtrack.interfaces.web.pages.job import JOB, JobArgs
from evtrack.interfaces.web.pages.job_moment import JOB_MOMENT, MomentArgs
from evtrack.interfaces.web.pages.jobs import JOBS, JobsArgs

PAGES = PageFinder((JOBS, JOB, JOB_MOMENT, BATCHES))
JOB_IDS = st.integers(1, BIGINT_MAX)
TIMES = st.datetimes(timezones=st.just(UTC))
# Without lone surrogates, which come back as replacement characters: no text of PostgreSQL has any.
HANDLERS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=MAX_TEXT)


@given(
    args=st.builds(
        JobsArgs, st.none() | st.sampled_from(list(JobPhase)), st.none() | HANDLERS, st.none() | JOB_IDS
    )
)  # fmt: skip
def test_a_page_of_jobs_is_an_address(args: JobsArgs) -> None:
    visit = PAGES.visit(JOBS.address(args))
    assert (visit.page, visit.args) == (JOBS, args)


@given(args=st.builds(JobArgs, JOB_IDS, st.none() | TIMES))
def test_a_job_at_a_time_is_an_address(args: JobArgs) -> None:
    visit = PAGES.visit(JOB.address(args))
    assert (visit.page, visit.args) == (JOB, args)


@given(args=st.builds(MomentArgs, JOB_IDS, TIMES))
def test_an_exact_moment_is_an_address(args: MomentArgs) -> None:
    visit = PAGES.visit(JOB_MOMENT.address(args))
    assert (visit.page, visit.args) == (JOB_MOMENT, args)


@given(
    args=st.builds(
        BatchesArgs, JOB_IDS, st.none() | st.sampled_from(list(BatchStatus)), st.integers(0, INTEGER_MAX)
    )
)  # fmt: skip
def test_a_page_of_batches_is_an_address(args: BatchesArgs) -> None:
    visit = PAGES.visit(BATCHES.address(args))
    assert (visit.page, visit.args) == (BATCHES, args)


@pytest.mark.parametrize(
    "address",
    [
        "/jobs/0", "/jobs/-1", "/jobs/1.5", "/jobs/x", "/jobs/٣", "/jobs/1_000", "/jobs/%2012", f"/jobs/{2**63}",
        "/jobs?phase=running", "/jobs?phase=Sealed", "/jobs?before=0", "/jobs?before=1e3", "/jobs?handler=%00",
        f"/jobs?handler={'a' * (MAX_TEXT + 1)}", "/jobs/1?at=yesterday", "/jobs/1?at=2026-13-01", "/jobs/1/moment",
        "/jobs/1/batches?status=done", "/jobs/1/batches?after=-1", "/jobs/1/batches?after=2147483648",
        "/jobs/1/batches/", "/jobs/1%2f..%2fbatches",
    ],
)  # fmt: skip
def test_anything_else_is_no_page(address: str) -> None:
    with pytest.raises(NoSuchPage):
        PAGES.visit(address)


def test_a_time_without_a_zone_is_in_utc() -> None:
    assert PAGES.visit("/jobs/1?at=2026-11-24T21:05:00").args.at == datetime(2026, 11, 24, 21, 5, tzinfo=UTC)
