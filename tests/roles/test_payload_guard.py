"""A producer can write payloads only for its own submission."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import NamedTuple

import psycopg
import pytest

from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.submission.open_job import create_job

pytestmark = pytest.mark.integration

_ROW = (
    "INSERT INTO evtrack.payload (job_day, job_id, ordinal, batch_no, item_key, payload) "
    "VALUES (%s, %s, %s, 1, 'k', '1')"
)


class Job(NamedTuple):
    """What create_job returns."""

    number: int
    day: date
    token: str


@pytest.fixture
def producer(as_role: Callable[[str], str]) -> Iterator[Connection]:
    with connect(as_role("evtrack_producer"), purpose="test") as conn:
        yield conn


def opened(conn: Connection) -> Job:
    row = conn.execute("SELECT job_id, job_day, submitter_token::text FROM evtrack.create_job('h')").fetchone()
    assert row is not None
    return Job(*row)


def present(conn: Connection, token: str | None) -> None:
    conn.execute("SELECT set_config('evtrack.submitter', %s, true)", [token])


def test_the_holder_of_the_token_can_write(producer: Connection) -> None:
    job = opened(producer)
    with producer.transaction():
        present(producer, job.token)
        producer.execute(_ROW, [job.day, job.number, 1])
        producer.execute("SELECT evtrack.add_batches(%s, %s, 1, '{1}', '{1}', '{1}')", [job.number, job.token])
    assert (1,) == producer.execute("SELECT batches FROM evtrack.job_status WHERE job_id = %s", [job.number]).fetchone()


def test_only_the_owner_copies_past_the_guard(dsn: str, producer: Connection) -> None:
    with connect(dsn, purpose="test") as owner:
        tables = [
            create_job(conn, handler="h", name=None, priority=0, policy={}, source={}, bytes_total=None).payload_table
            for conn in (owner, producer)
        ]
        partition = owner.execute(
            "SELECT 'payload_' || to_char(job_day, 'YYYYMMDD') FROM evtrack.job LIMIT 1"
        ).fetchone()
    assert partition is not None
    assert [*partition, "payload"] == tables


def write(conn: Connection, job: Job, token: str | None, row: str) -> None:
    with conn.transaction():
        present(conn, token)
        conn.execute(row.encode(), [job.day, job.number, 100])


def refused(conn: Connection, job: Job, token: str | None, sqlstate: str, row: str = _ROW) -> None:
    with pytest.raises(psycopg.Error) as refusal:
        write(conn, job, token, row)
    assert sqlstate == refusal.value.sqlstate, refusal.value


def test_nobody_without_the_token_can_write(producer: Connection) -> None:
    job, other = opened(producer), opened(producer)
    for token in (None, "", other.token, "'; DROP TABLE evtrack.payload; --"):
        refused(producer, job, token, "EV005")
    # Holding the submission's lock is no token, and changing the token on the way does not help.
    producer.execute("SELECT evtrack.hold_job(%s)", [job.number])
    refused(producer, job, other.token, "EV005")
    two = _ROW.replace("VALUES (%s, %s, %s, 1, 'k', '1')", "") + (
        f"SELECT job_day, job_id, 7, 1, set_config('evtrack.submitter', '{other.token}', true), '1' FROM (VALUES "
        f"('{job.day}'::date, {job.number}), ('{other.day}', {other.number})) v (job_day, job_id) "
        "WHERE (%s, %s, %s) IS NOT NULL"
    )
    refused(producer, job, job.token, "EV005", two)


def test_payloads_are_accepted_only_while_the_job_is_open_and_on_its_day(producer: Connection) -> None:
    job = opened(producer)
    refused(producer, job._replace(number=10**12), job.token, "EV003")
    yesterday = "SELECT (%s::date + 1)"
    (tomorrow,) = producer.execute(yesterday, [job.day]).fetchone() or ()
    refused(producer, job._replace(day=tomorrow), job.token, "EV007")
    producer.execute("SELECT evtrack.seal(%s, %s)", [job.number, job.token])
    refused(producer, job, job.token, "EV004")


def test_nobody_can_read_the_token_of_another(producer: Connection, as_role: Callable[[str], str]) -> None:
    job = opened(producer)
    with connect(as_role("evtrack_reader"), purpose="test") as reader:
        views = """SELECT relname FROM pg_class WHERE relnamespace = 'evtrack'::regnamespace AND relkind = 'v'
            AND has_table_privilege(oid, 'SELECT')"""
        for (view,) in reader.execute(views).fetchall():
            rows = reader.execute(f"SELECT v::text FROM evtrack.{view} v".encode()).fetchall()
            assert not [row for row in rows if job.token in row[0]], view
