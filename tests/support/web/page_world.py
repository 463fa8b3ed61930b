"""A database in which every list is longer than a page may read: for tests of what pages cost."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from client import Client
from evtrack.storage.connection.connect import connect
from plan_sessions import GROW, without_autovacuum
from servers import cloned

BATCHES = 20_000
CRASHED = 6_000
FAILED = 6_000
RETRIED = 3_000
MANY = 10_000
"""How many jobs, alerts, workers, dropped jobs, and lives of one key there are."""

TREE = 50
"""How many batches were made in each of the latest hunts."""

SHARED = "shared"
"""The key that an item of many jobs has."""

HANDLER = "paged"

GONE = 1_000_000_000
"""Above it are the numbers of the workers that stopped, and of the jobs that were dropped."""

_DAY = "(now() AT TIME ZONE 'UTC')::date"
_MOMENTS = "now() - interval '20 hours' + n * interval '1 second'"

# Each with %(job)s, the large one. A day's batches, events and payloads are made here as the functions would make them.
_TROUBLES = (
    # The batches that are claimed crash and fail; the first of those that fail run again.
    f"""
    INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, attempt, worker_id, data)
    SELECT job_day, job_id, batch_no, version + 1,
        (CASE WHEN batch_no <= {CRASHED} THEN 'crashed' ELSE 'failed' END)::evtrack.event_type, attempt, worker_id,
        CASE WHEN batch_no <= {CRASHED} THEN '{{"cause": "signal", "signal": "SIGSEGV", "ordinal": 1}}'::jsonb
            ELSE '{{"error": {{"type": "ValueError", "message": "no", "traceback": "File x.py"}}}}' END
    FROM evtrack.batch WHERE job_id = %(job)s AND status = 'running'
    """,
    f"""
    INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, attempt, worker_id, data)
    SELECT job_day, job_id, batch_no, version + 1, 'requeued', attempt, NULL, '{{"reason": "retry"}}'
    FROM evtrack.batch WHERE job_id = %(job)s AND status = 'failed' AND batch_no <= {CRASHED + RETRIED}
    """,
)
_HUNTS = (
    # In batch 1, 400 poison items were found; later, some in each of ten others.
    f"""
    INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, attempt, worker_id, data)
    SELECT j.job_day, j.job_id, j.batch_count + n, k.version, k.type::evtrack.event_type, k.attempt,
        CASE WHEN k.version > 1 THEN %(worker)s END,
        CASE k.version
        WHEN 1 THEN jsonb_build_object('items', 1, 'weight', 1, 'ordinals', format('{{[%%s,%%s)}}', n, n + 1),
            'root', r.root, 'parent', r.root, 'crashes', 1)
        WHEN 2 THEN '{{}}' ELSE jsonb_build_object('cause', 'signal', 'ordinal', n) END
    FROM evtrack.job j CROSS JOIN generate_series(1, {400 + 10 * TREE}) n
    CROSS JOIN LATERAL (SELECT CASE WHEN n > 400 THEN 2 + n %% 10 ELSE 1 END AS root) r
    CROSS JOIN (VALUES (1, 'enqueued', 1), (2, 'started', 2), (3, 'crashed', 2)) AS k (version, type, attempt)
    WHERE j.job_id = %(job)s
    """,
    # Batch 1 was taken and given back again and again. Folding that as one statement takes minutes.
    "ALTER TABLE evtrack.event DISABLE TRIGGER event_fold",
    f"""
    INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, attempt, worker_id, data)
    SELECT b.job_day, b.job_id, b.batch_no, b.version + n,
        (CASE n %% 2 WHEN 1 THEN 'requeued' ELSE 'started' END)::evtrack.event_type, b.attempt + n / 2, %(worker)s,
        CASE n %% 2 WHEN 1 THEN '{{"reason": "stopping"}}'::jsonb ELSE '{{}}' END
    FROM evtrack.batch b CROSS JOIN generate_series(1, {MANY}) n
    WHERE b.job_id = %(job)s AND b.batch_no = 1
    """,
    f"UPDATE evtrack.batch SET version = version + {MANY} WHERE job_id = %(job)s AND batch_no = 1",
    "ALTER TABLE evtrack.event ENABLE ALWAYS TRIGGER event_fold",
)
_OTHERS = (
    GROW[0],
    f"""
    INSERT INTO evtrack.payload (job_day, job_id, ordinal, batch_no, item_key)
    SELECT job_day, job_id, 1, 1, '{SHARED}' FROM evtrack.job WHERE handler = 'grown'
    """,
    """
    INSERT INTO evtrack.batch (
        job_day, job_id, batch_no, status, fresh, version, item_count, weight, enqueued_at, ordinals)
    SELECT job_day, job_id, 1, 'completed', false, 3, 1, 1, now(), '{[1,2)}' FROM evtrack.job WHERE handler = 'grown'
    """,
    f"""
    INSERT INTO evtrack.alert (kind, subject, occasion, severity, created_at, delivered_at)
    SELECT 'crash', n, n, 'error', {_MOMENTS}, CASE WHEN n > 3 THEN now() END FROM generate_series(1, {MANY}) n
    """,
    f"""
    INSERT INTO evtrack.worker (worker_id, name, host, pid, slots, handlers, version, stopped_at)
    SELECT {GONE} + n, 'gone', 'host', 1, 1, '{{gone}}', '0', now() FROM generate_series(1, {MANY}) n
    """,
    f"""
    INSERT INTO evtrack.ledger (job_id, job_day, handler, phase, batches, items, invalid_count, event_count,
        created_at, ended_at, digest)
    SELECT {GONE} + n, {_DAY}, 'gone', 'finished', '{{}}', '{{}}', 0, 1, now(), now(), ''
    FROM generate_series(1, {MANY}) n
    """,
)


class PageWorld(NamedTuple):
    """A job with very many batches and troubles, one of ten batches, and the connection string of their database."""

    dsn: str
    large: int
    small: int


@contextmanager
def page_world(admin_dsn: str, template: str) -> Iterator[PageWorld]:
    """Build the database, in which nothing is ever analyzed, and leave no session in it."""
    with cloned(admin_dsn, template) as dsn:
        with connect(dsn, purpose="test") as own:
            without_autovacuum(own)
            client = Client(own, HANDLER)
            worker = client.worker()
            large, small = client.job(BATCHES), client.job(10, backoff_s=0)
            client.claim(worker, large, fresh=CRASHED + FAILED, returning=0)
            client.crash(worker, client.claim(worker, small, fresh=2, returning=0))
            client.fail(worker, client.claim(worker, small, fresh=2, returning=0))
            for statement in (*_TROUBLES, *_HUNTS, *_OTHERS):
                own.execute(statement.encode(), {"job": large, "jobs": MANY, "worker": worker})
            for job in (large, small):
                client.complete(worker, client.claim(worker, job, fresh=2, returning=0))
                client.claim(worker, job, fresh=1, returning=0)
                client.one("SELECT evtrack.record_verification(%s, 1, 1, false, 0)", job)
        yield PageWorld(dsn, large, small)
