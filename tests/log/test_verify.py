"""`evtrack verify` finds and names each kind of damage, and rebuilds the projection from an intact log."""

from collections.abc import Iterator
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from client import Client
from evtrack.domain.proof.stream_proof import Difference
from evtrack.storage.connection.connect import connect
from evtrack.storage.log import proof
from evtrack.storage.log.rebuild import rebuild
from log_tampering import eventful_job
from servers import cloned

pytestmark = pytest.mark.integration

OTHER_TYPES = {
    "enqueued": "started", "started": "cancelled", "completed": "failed", "failed": "completed", "crashed": "failed"
}  # fmt: skip


def found_in(conn: psycopg.Connection[Any], job: int) -> list[Difference]:
    """Prove a job in the transaction that is open."""
    return list(proof.prove(conn, job, on_progress=lambda _job, _events: None))


@pytest.fixture(scope="module")
def healthy(admin_dsn: str, template: str) -> Iterator[tuple[Client, int, str]]:
    """A own_client, a job of a rich and healthy log, and the partition that it lies in."""
    with cloned(admin_dsn, template) as dsn, connect(dsn, purpose="test") as conn:
        own_client = Client(conn)
        own_client.job(3)
        job = eventful_job(own_client)
        own_client.job(2)
        assert [] == list(proof.verify(conn))
        part = own_client.one("SELECT tableoid::regclass::text FROM evtrack.event WHERE job_id = %s LIMIT 1", job)
        yield own_client, job, part


def mutate(own_client: Client, part: str, how: str, event: dict[str, Any]) -> set[tuple[int, int]]:
    """Change the log behind the triggers' back, and return the events (batch, version) that were touched."""
    job, number, version = event["job_id"], event["batch_no"], event["version"]
    at = f"job_id = {job} AND batch_no = {number} AND version = {version}"
    last = own_client.one(f"SELECT max(version) FROM evtrack.event WHERE job_id = {job} AND batch_no = {number}")
    touched = {(number, version)}
    match how:
        case "type":
            other = OTHER_TYPES.get(event["type"], "noted")
            statement = f"UPDATE {part} SET type = '{other}' WHERE {at}"
        case "count":
            statement = f'UPDATE {part} SET data = data || \'{{"items": 99, "run_s": 7}}\' WHERE {at}'
        case "attempt":
            statement = f"UPDATE {part} SET attempt = attempt + 1 WHERE {at}"
        case "time":
            statement = f"UPDATE {part} SET at = at - interval '1 microsecond' WHERE {at}"
        case "deleted":
            statement = f"DELETE FROM {part} WHERE {at}"
        case "deleted last":
            statement = f"DELETE FROM {part} WHERE job_id = {job} AND batch_no = {number} AND version = {last}"
            touched = {(number, last)}
        case "inserted":
            statement = (
                f"INSERT INTO {part} SELECT job_day, job_id, batch_no, {last} + 1, 'late_result', attempt, worker_id,"
                f" clock_timestamp(), nextval('evtrack.event_seq'), pg_current_xact_id() FROM {part} WHERE {at}"
            )
            touched = {(number, last + 1)}
        case _:
            other = version + 1 if version < last else version - 1
            statement = (
                f"UPDATE {part} SET version = 2000 + {version} + {other} - version"
                f" WHERE job_id = {job} AND batch_no = {number} AND version IN ({version}, {other})"
            )
            touched = {(number, version), (number, other)} if last > 1 else set()
    own_client.conn.execute(f"ALTER TABLE {part} DISABLE TRIGGER USER".encode())
    if touched:
        own_client.conn.execute(statement.encode())
        own_client.conn.execute(f"UPDATE {part} SET version = version - 2000 WHERE version > 2000".encode())
    return touched


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    how=st.sampled_from(["type", "count", "attempt", "time", "deleted", "deleted last", "inserted", "swapped"]),
    luck=st.integers(0, 2**16),
)
def test_each_change_behind_the_triggers_is_found_and_reported(
    healthy: tuple[Client, int, str], how: str, luck: int
) -> None:
    own_client, job, part = healthy
    events = own_client.rows(f"SELECT * FROM {part} WHERE job_id = {job} ORDER BY batch_no, version")
    with own_client.conn.transaction(force_rollback=True):
        touched = mutate(own_client, part, how, Random(luck).choice(events))
        found = found_in(own_client.conn, job)
        named = {(each.batch_no, each.version) for each in found if each.log_is_damaged}
        assert touched <= named, [str(each) for each in found]
        # And no other is taken for changed; that later ones do not follow any more is said apart.
        accused = {(each.batch_no, each.version) for each in found if each.field in {"digest", "event", "events"}}
        assert touched == accused
    assert [] == list(proof.verify(own_client.conn, job))


def test_a_missing_stream_or_job_is_reported(healthy: tuple[Client, int, str]) -> None:
    own_client, job, part = healthy
    for gone, says in ((f"job_id = {job} AND batch_no = 2", (2, 1)), (f"job_id = {job} AND batch_no = 0", (0, 1))):
        with own_client.conn.transaction(force_rollback=True):
            own_client.conn.execute(f"ALTER TABLE {part} DISABLE TRIGGER USER".encode())
            own_client.conn.execute(f"DELETE FROM {part} WHERE {gone}".encode())
            found = [each for each in found_in(own_client.conn, job) if each.field == "events"]
            assert [says] == [(each.batch_no, each.version) for each in found]


def test_a_removed_digest_is_reported_as_missing(healthy: tuple[Client, int, str]) -> None:
    own_client, job, part = healthy
    with own_client.conn.transaction(force_rollback=True):
        own_client.conn.execute(f"ALTER TABLE {part} DISABLE TRIGGER USER".encode())
        last = own_client.one(f"SELECT max(version) FROM {part} WHERE job_id = {job} AND batch_no = 0")
        own = f"job_id = {job} AND batch_no = 0 AND version = {last}"
        own_client.conn.execute(f"UPDATE {part} SET data = data - 'digest' WHERE {own}".encode())
        own_client.conn.execute(
            "UPDATE evtrack.job SET links = substring(links, 1, octet_length(links) - 32) || decode(repeat('00', 32),"
            " 'hex') WHERE job_id = %s",
            [job],
        )
        found = [(each.batch_no, each.version) for each in found_in(own_client.conn, job) if each.field == "digest"]
        assert [(0, last)] == found


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("UPDATE evtrack.job_link SET links = overlay(links PLACING '\\x00' FROM 64) WHERE job_id = %s", {2, 3}),
        # What follows the gap does not fit what is before it.
        ("DELETE FROM evtrack.job_link WHERE job_id = %s", set()),
    ],
)
def test_digests_moved_out_of_the_row_are_compared_with_the_log_too(
    healthy: tuple[Client, int, str], damage: str, named: set[int]
) -> None:
    own_client, job, _ = healthy
    with own_client.conn.transaction(force_rollback=True):
        own_client.conn.execute(damage.encode(), [job])
        found = found_in(own_client.conn, job)
        assert named <= {each.version for each in found if each.field == "digest"}
        assert rebuild(own_client.conn, job).damaged


@pytest.mark.parametrize("time", ["infinity", "-infinity", "0044-03-15 12:00+00 BC"])
def test_a_time_outside_the_calendar_is_reported_and_verification_continues(
    healthy: tuple[Client, int, str], time: str
) -> None:
    own_client, job, part = healthy
    with own_client.conn.transaction(force_rollback=True):
        own_client.conn.execute(f"ALTER TABLE {part} DISABLE TRIGGER USER".encode())
        own_client.conn.execute(
            f"UPDATE {part} SET at = '{time}' WHERE job_id = {job} AND batch_no = 1 AND version = 2".encode()
        )
        found = [(each.batch_no, each.version) for each in found_in(own_client.conn, job) if each.field == "digest"]
        assert [(1, 2)] == found


def test_a_change_with_recomputed_digests_differs_from_the_finished_event(healthy: tuple[Client, int, str]) -> None:
    own_client, job, part = healthy
    with own_client.conn.transaction(force_rollback=True):
        own_client.conn.execute(f"ALTER TABLE {part} DISABLE TRIGGER USER".encode())
        own_client.conn.execute(
            f"UPDATE {part} SET at = at + interval '1 s' WHERE job_id = {job} AND batch_no = 1 AND version = 3".encode()
        )
        own_client.conn.execute(
            "UPDATE evtrack.batch b SET finished_at = e.at, links = evtrack.next_links(substring(links, 1, 32), 2,"
            " e.job_id, e.batch_no, e.version, e.type, e.attempt, e.worker_id, e.at, e.seq, e.xid,"
            " e.data) FROM evtrack.event e WHERE e.job_id = %s AND e.batch_no = 1 AND e.version = 3"
            " AND b.job_id = e.job_id AND b.batch_no = e.batch_no",
            [job],
        )
        found = found_in(own_client.conn, job)
        assert {"digest over all streams"} == {each.field for each in found}


@pytest.mark.parametrize(
    ("damage", "batch", "field"),
    [
        ("UPDATE evtrack.batch SET status = 'failed' WHERE job_id = %s AND batch_no = 1", 1, "status"),
        ("UPDATE evtrack.batch SET run_s = 9 WHERE job_id = %s AND batch_no = 1", 1, "run_s"),
        ("UPDATE evtrack.batch SET version = 9 WHERE job_id = %s AND batch_no = 2", 2, "version"),
        ("UPDATE evtrack.batch SET ordinals = '{[1,3)}' WHERE job_id = %s AND batch_no = 2", 2, "ordinals"),
        ("DELETE FROM evtrack.batch WHERE job_id = %s AND batch_no = 3", 3, "row"),
        ("UPDATE evtrack.job SET phase = 'open' WHERE job_id = %s", 0, "phase"),
        ("UPDATE evtrack.job SET batch_count = 3 WHERE job_id = %s", 0, "batch_count"),
        ("UPDATE evtrack.job SET policy = '{\"max_errors\": 9}' WHERE job_id = %s", 0, "policy"),
        ("UPDATE evtrack.job SET job_day = job_day + 1 WHERE job_id = %s", 0, "job_day"),
        ("UPDATE evtrack.job SET finished_at = 'infinity' WHERE job_id = %s", 0, "finished_at"),
        ("UPDATE evtrack.batch SET enqueued_at = '4000-01-01 BC' WHERE job_id = %s AND batch_no = 2", 2, "enqueued_at"),
        ("UPDATE evtrack.batch SET ordinals = '{(,)}' WHERE job_id = %s AND batch_no = 2", 2, "ordinals"),
        ("DELETE FROM evtrack.job WHERE job_id = %s", 0, "row"),
        ("UPDATE evtrack.progress SET completed_items = completed_items + 1 WHERE job_id = %s", 0, "completed_items"),
        ("DELETE FROM evtrack.progress WHERE job_id = %s", 0, "completed_batches"),
    ],
)
def test_a_damaged_projection_is_found_and_rebuilt(
    healthy: tuple[Client, int, str], damage: str, batch: int, field: str
) -> None:
    own_client, job, _ = healthy
    tables = ("job", "job_link", "batch")

    def rows() -> list[Any]:
        return [
            own_client.rows(f"SELECT * FROM evtrack.{table} WHERE job_id = %s ORDER BY 1, 2, 3", job)
            for table in tables
        ]

    with own_client.conn.transaction(force_rollback=True):
        before = rows(), own_client.sums(job)
        own_client.conn.execute(damage.encode(), [job])
        done = rebuild(own_client.conn, job)
        assert not done.damaged
        assert (batch, field) in {(each.batch_no, each.field) for each in done.found}
        assert before == (rows(), own_client.sums(job))
        assert [] == found_in(own_client.conn, job)
        own_client.check(job)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (f"UPDATE {{part}} SET data = '{'[' * 3000}{']' * 3000}' WHERE {{at}}", (1, 2)),
        ("UPDATE {part} SET data = '{{\"run_s\": 1e30000}}' WHERE {at}", (1, 2)),
        ("UPDATE {part} SET version = 2000000000 WHERE {at}", (1, 2)),
        ("UPDATE evtrack.batch SET links = links || '\\x01' WHERE job_id = {job} AND batch_no = 1", (1, 3)),
    ],
    ids=["deep", "long number", "wide gap", "odd digests"],
)
def test_a_corrupted_row_is_reported_and_verification_continues(
    healthy: tuple[Client, int, str], damage: str, named: tuple[int, int]
) -> None:
    own_client, job, part = healthy
    with own_client.conn.transaction(force_rollback=True):
        own_client.conn.execute(f"ALTER TABLE {part} DISABLE TRIGGER USER".encode())
        at = f"job_id = {job} AND batch_no = 1 AND version = 2"
        own_client.conn.execute(damage.format(part=part, at=at, job=job).encode())
        found = found_in(own_client.conn, job)
        assert named in {(each.batch_no, each.version) for each in found if each.log_is_damaged}
        assert {0, 1} >= {each.batch_no for each in found}, "and no other batch"
