"""What a page of a list costs: a bounded number of rows, whether a job has ten batches or very many."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import NamedTuple

import pytest
from psycopg.conninfo import conninfo_to_dict

from client import Client
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.monitoring import alert_delivery, alert_outbox
from evtrack.storage.queue.job_control import retry_job
from evtrack.storage.reports import (
    batch_lists,
    batch_reports,
    history,
    hunt_tree,
    item_lists,
    job_lists,
    job_reports,
    system_lists,
    trouble_lists,
    verifications,
    worker_reports,
)
from evtrack.storage.reports.handler_sums import handler_sums
from evtrack.storage.reports.item_lists import ItemCursor
from evtrack.storage.reports.job_overview import job_overview
from evtrack.storage.reports.trouble_lists import CrashCursor
from page_world import BATCHES, CRASHED, GONE, HANDLER, MANY, RETRIED, SHARED, TREE, PageWorld, page_world
from plans import Plan, explained, rows_by_table
from servers import cloned

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PAGE = 2_000
"""How many rows a page may touch."""

MIDDLE = 10_000
"""A number from which a page goes on, far from both ends."""


class Where(NamedTuple):
    """Where a reader reads: a session, a job, and places between the crashes and the failures of the large job."""

    conn: Connection
    job: int
    crash: CrashCursor
    failure: tuple[datetime, int]


Reader = Callable[[Where], object]

CHUNK = 500
"""How many batches are retried in a transaction."""


def retry_chunk(at: Where) -> None:
    """Retry some of the failed batches, and take it back."""
    first = CRASHED + RETRIED + 1
    with at.conn.transaction(force_rollback=True):
        retry_job(at.conn, at.job, statuses=["failed"], batch_nos=list(range(first, first + CHUNK)))


PERMANENT = [f"evtrack.{table}" for table in ("job", "progress", "worker", "alert", "delivery", "ledger", "restored")]
"""The tables that have statistics in each day, as they do not begin with it."""


class Session(NamedTuple):
    """A session, the places for the job of very many batches and for that of ten, and the plans of what it runs."""

    client: Client
    large: Where
    small: Where
    plans: list[Plan]


@pytest.fixture(scope="module")
def built(admin_dsn: str, template: str) -> Iterator[PageWorld]:
    """The database that each session has a copy of."""
    with page_world(admin_dsn, template) as world:
        yield world


@pytest.fixture(scope="module", params=["new day", "analyzed"])
def session(request: pytest.FixtureRequest, admin_dsn: str, built: PageWorld) -> Iterator[Session]:
    """A session in a day with or without statistics."""
    with cloned(admin_dsn, conninfo_to_dict(built.dsn)["dbname"]) as dsn, ExitStack() as stack:
        with connect(dsn, purpose="test") as own:
            own.execute("ANALYZE" if request.param == "analyzed" else f"ANALYZE {', '.join(PERMANENT)}")
        conn = stack.enter_context(connect(dsn, purpose="test"))
        client = Client(conn, HANDLER)
        places = [
            client.rows(
                f"SELECT at, job_id, batch_no FROM evtrack.event WHERE type = '{kind}' AND job_id = %s"
                f" ORDER BY at, batch_no LIMIT 1 OFFSET {RETRIED}",
                built.large,
            )[0]
            for kind in ("crashed", "failed")
        ]
        crash, failure = CrashCursor(**places[0]), (places[1]["at"], places[1]["batch_no"])
        with explained(client) as plans:
            large, small = (Where(conn, job, crash, failure) for job in (built.large, built.small))
            yield Session(client, large, small, plans)


BOUNDED: dict[str, Reader] = {
    "a job": lambda at: job_overview(at.conn, at.job),
    "a job's status": lambda at: job_reports.job_status(at.conn, at.job),
    "a job's notes": lambda at: job_reports.notes(at.conn, at.job, limit=20),
    "timeline": lambda at: history.timeline_of(at.conn, at.job),
    "jobs": lambda at: job_lists.jobs_page(at.conn),
    "jobs from the middle": lambda at: job_lists.jobs_page(at.conn, before=MANY // 2),
    "active jobs": lambda at: job_reports.active_jobs(at.conn, limit=10),
    "dropped jobs": lambda at: job_lists.dropped_page(at.conn),
    "dropped jobs from the middle": lambda at: job_lists.dropped_page(at.conn, before=GONE + MANY // 2),
    "a batch": lambda at: batch_reports.batch_history(at.conn, at.job, 1, bounded=True),
    "batches": lambda at: batch_lists.batches_page(at.conn, at.job),
    "batches from the middle": lambda at: batch_lists.batches_page(at.conn, at.job, after=MIDDLE),
    "errors": lambda at: trouble_lists.latest_errors(at.conn, at.job),
    "a hunt": lambda at: hunt_tree.hunt_tree(at.conn, at.job, 1),
    "items of a key": lambda at: item_lists.items_by_key(at.conn, SHARED),
    "items of a key from the middle": lambda at: item_lists.items_by_key(
        at.conn, SHARED, before=ItemCursor(MANY // 2, 1)
    ),
    "an item of a job": lambda at: item_lists.items_by_key(at.conn, "key:3", job_id=at.job),
    "crashes of an item": lambda at: item_lists.item_crashes(at.conn, item_lists.items_by_key(at.conn, "key:3")),
    "alerts": lambda at: system_lists.alerts_page(at.conn),
    "alerts from the middle": lambda at: system_lists.alerts_page(at.conn, before=MANY // 2),
    "undelivered alerts": lambda at: system_lists.alerts_page(at.conn, undelivered=True),
    "whether alerts wait": lambda at: alert_outbox.undelivered_alerts(at.conn),
    "deliveries": lambda at: alert_delivery.deliveries(at.conn, list(range(50))),
    "workers": lambda at: system_lists.workers_page(at.conn),
    "workers from the middle": lambda at: system_lists.workers_page(at.conn, before=GONE + MANY // 2),
    "live workers": lambda at: worker_reports.live_workers(at.conn, limit=10),
    "a worker": lambda at: worker_reports.workers_by_id(at.conn, [GONE + 1]),
    "lost workers": lambda at: worker_reports.lost_workers(at.conn, [GONE + 1]),
    "items in hand": lambda at: worker_reports.running_items(at.conn, limit=10, worker_id=GONE + 1),
    "verifications": lambda at: verifications.latest_verifications(at.conn, [at.job]),
    "verifications of a job": lambda at: verifications.job_verifications(at.conn, at.job),
    "sizes": lambda at: system_lists.table_sizes(at.conn),
}
"""Readers that touch at most PAGE rows."""

LOOKING: dict[str, tuple[Reader, int]] = {
    "crashes": (lambda at: trouble_lists.crashes_page(at.conn), 51 * TREE),
    "crashes from the middle": (lambda at: trouble_lists.crashes_page(at.conn, before=at.crash), 51 * TREE),
    "crashes of a day": (
        lambda at: trouble_lists.crashes_page(at.conn, day=at.crash.at - timedelta(hours=1)),
        51 * TREE,
    ),
    "crashes of a job": (lambda at: trouble_lists.crashes_page(at.conn, job_id=at.job), 51 * TREE),
    "crashes of a job from the middle": (
        lambda at: trouble_lists.crashes_page(at.conn, job_id=at.job, before=at.crash),
        51 * TREE,
    ),
    "latest crashes": (lambda at: batch_reports.latest_crashes(at.conn, span_s=86_400, limit=10), MANY + 10 * TREE),
    "causes": (lambda at: trouble_lists.crash_causes(at.conn, at.job), 2 * trouble_lists.CRASHES),
    "jobs of a handler": (lambda at: job_lists.jobs_page(at.conn, handler="nobody's"), 2 * job_lists.LOOKED),
    "failed batches": (lambda at: batch_lists.batches_page(at.conn, at.job, status="failed"), 2 * batch_lists.LOOKED),
    "crashed batches": (lambda at: batch_lists.batches_page(at.conn, at.job, status="crashed"), 2 * batch_lists.LOOKED),
    "pending batches": (lambda at: batch_lists.batches_page(at.conn, at.job, status="pending"), 2 * batch_lists.LOOKED),
    "running batches": (lambda at: batch_lists.batches_page(at.conn, at.job, status="running"), batch_lists.LOOKED),
    "cancelled batches": (lambda at: batch_lists.batches_page(at.conn, at.job, status="cancelled"), batch_lists.LOOKED),
    "slowest batches": (lambda at: batch_lists.slowest_batches(at.conn, at.job, batches=BATCHES), batch_lists.LOOKED),
    "crashes of a handler": (
        lambda at: trouble_lists.crashes_page(at.conn, handler="nobody's"),
        4 * trouble_lists.LOOKED,
    ),
    "hunts": (lambda at: trouble_lists.hunts(at.conn), 4 * PAGE),
    "hunts of a job": (lambda at: trouble_lists.hunts(at.conn, job_id=at.job, under_way=False), 4 * PAGE),
    "alerts of a kind": (lambda at: system_lists.alerts_page(at.conn, kind="none"), 2 * system_lists.LOOKED),
    "sums of handlers": (lambda at: handler_sums(at.conn, limit=100), 2 * MANY),
    "a chunk that is retried": (retry_chunk, 20 * CHUNK),
    "stored days": (lambda at: system_lists.stored_days(at.conn), 20_000),
}
"""Readers that look at more, and at how many rows, besides PAGE.

What became of an item is looked up among the batches of its hunt; and the latest crashes are read from the days of the
jobs that were open, for which each job is read once.
"""


@pytest.mark.parametrize("name", [*BOUNDED, *LOOKING])
def test_a_page_reads_a_bounded_number_of_rows(session: Session, name: str) -> None:
    reader, looked = (BOUNDED[name], 0) if name in BOUNDED else LOOKING[name]
    reader(session.small)  # what the first call reads of the catalogs
    # A session that lives long chooses: a plan for the values of this call, or one for all values.
    for mode in ("force_custom_plan", "force_generic_plan"):
        session.client.conn.execute(f"SET plan_cache_mode = {mode}")
        for where in (session.small, session.large):
            session.plans.clear()
            reader(where)
            read = rows_by_table(session.plans)
            assert sum(read.values()) <= looked + PAGE, (mode, read)
