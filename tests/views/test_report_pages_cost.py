"""What a page of a list costs: a bounded number of rows, whether a job has ten batches or very many."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from client import Client
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.reports import batch_lists, history, hunt_tree, item_lists, job_lists, system_lists, trouble_lists
from evtrack.storage.reports.job_overview import job_overview
from evtrack.storage.reports.verifications import latest_verifications
from plan_sessions import without_autovacuum
from plans import Plan, explained, rows_by_table
from servers import cloned

pytestmark = [pytest.mark.integration, pytest.mark.slow]

BATCHES = 20_000
CHUNK = 500
TROUBLES = 40
PAGE = 2_000
"""How many rows a page may touch."""

Reader = Callable[[Connection, int], object]


class World(NamedTuple):
    """A session, a job of many batches and one of ten, and the plans of what the session runs."""

    client: Client
    large: int
    small: int
    plans: list[Plan]


@pytest.fixture(scope="module", params=["never analyzed", "analyzed"])
def world(request: pytest.FixtureRequest, admin_dsn: str, template: str) -> Iterator[World]:
    """Two jobs with troubles that are half done, in a day with or without statistics."""
    with cloned(admin_dsn, template) as dsn, ExitStack() as stack:
        own = stack.enter_context(connect(dsn, purpose="test"))
        without_autovacuum(own)
        client = Client(own)
        worker = client.worker()
        large, small = client.job(BATCHES, backoff_s=0), client.job(10, backoff_s=0)
        for job, batches in ((large, BATCHES), (small, 10)):
            troubles = min(TROUBLES, batches // 4)
            client.fail(worker, client.claim(worker, job, fresh=troubles, returning=0))
            client.crash(worker, client.claim(worker, job, fresh=troubles, returning=0))
            for _ in range(0, batches // 2, CHUNK):
                client.complete(worker, client.claim(worker, job, fresh=min(CHUNK, batches // 2), returning=0))
            client.claim(worker, job, fresh=1, returning=0)
            client.one("SELECT evtrack.record_verification(%s, 1, false, 0)", job)
        if request.param == "analyzed":
            own.execute("ANALYZE")
        conn = stack.enter_context(connect(dsn, purpose="test"))
        with explained(Client(conn)) as plans:
            yield World(Client(conn, client.handler), large, small, plans)


READERS: dict[str, tuple[Reader, int]] = {
    "a job": (job_overview, PAGE),
    "timeline": (history.timeline_of, PAGE),
    "jobs": (lambda conn, _: job_lists.jobs_page(conn), PAGE),
    "jobs of a handler": (lambda conn, _: job_lists.jobs_page(conn, handler="nobody's"), PAGE),
    "batches": (batch_lists.batches_page, PAGE),
    "batches from the middle": (lambda conn, job: batch_lists.batches_page(conn, job, after=BATCHES // 2), PAGE),
    "failed batches": (lambda conn, job: batch_lists.batches_page(conn, job, status="failed"), PAGE),
    "crashed batches": (lambda conn, job: batch_lists.batches_page(conn, job, status="crashed"), PAGE),
    "pending batches": (lambda conn, job: batch_lists.batches_page(conn, job, status="pending"), PAGE),
    "running batches": (
        lambda conn, job: batch_lists.batches_page(conn, job, status="running"),
        batch_lists.LOOKED + PAGE,
    ),
    "cancelled batches": (
        lambda conn, job: batch_lists.batches_page(conn, job, status="cancelled"),
        batch_lists.LOOKED + PAGE,
    ),
    "slowest batches": (batch_lists.slowest_batches, batch_lists.LOOKED + PAGE),
    "durations": (batch_lists.durations, batch_lists.LOOKED + PAGE),
    "events": (lambda conn, job: batch_lists.events_page(conn, job, 1), PAGE),
    "crashes": (lambda conn, _: trouble_lists.crashes_page(conn), PAGE),
    "crashes of a job": (lambda conn, job: trouble_lists.crashes_page(conn, job_id=job), PAGE),
    "crashes of a handler": (lambda conn, _: trouble_lists.crashes_page(conn, handler="nobody's"), PAGE),
    "causes": (trouble_lists.crash_causes, PAGE),
    "failures": (trouble_lists.failures_page, PAGE),
    "errors": (trouble_lists.latest_errors, PAGE),
    "crash map": (lambda conn, _: trouble_lists.crash_map(conn), PAGE),
    "hunts": (lambda conn, _: trouble_lists.hunts(conn), PAGE),
    "a hunt": (lambda conn, job: hunt_tree.hunt_tree(conn, job, 1), PAGE),
    "items of a key": (lambda conn, _: item_lists.items_by_key(conn, "key:3"), PAGE),
    "crashes of an item": (
        lambda conn, _: item_lists.item_crashes(conn, item_lists.items_by_key(conn, "key:3")),
        PAGE,
    ),
    "items": (item_lists.items_page, PAGE),
    "completed items": (lambda conn, job: item_lists.items_page(conn, job, status="completed"), 6 * item_lists.LOOKED),
    "alerts": (lambda conn, _: system_lists.alerts_page(conn), PAGE),
    "workers": (lambda conn, _: system_lists.workers_page(conn), PAGE),
    "verifications": (lambda conn, job: latest_verifications(conn, [job]), PAGE),
}


@pytest.mark.parametrize("name", READERS)
def test_a_page_reads_a_bounded_number_of_rows(world: World, name: str) -> None:
    reader, most = READERS[name]
    reader(world.client.conn, world.small)  # what the first call reads of the catalogs
    for job in (world.small, world.large):
        world.plans.clear()
        reader(world.client.conn, job)
        read = rows_by_table(world.plans)
        assert sum(read.values()) < most, read
