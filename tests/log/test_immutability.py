"""The log is append-only for its owner and the superuser too, on the parent and on every partition."""

from collections.abc import Iterator

import psycopg
import pytest

from client import Client

pytestmark = pytest.mark.integration


@pytest.fixture
def job(client: Client) -> Iterator[int]:
    """A job with events; afterwards they are all there, unchanged."""
    job = client.job(2)
    before = client.rows("SELECT * FROM evtrack.event WHERE job_id = %s ORDER BY batch_no, version", job)
    yield job
    assert before == client.rows("SELECT * FROM evtrack.event WHERE job_id = %s ORDER BY batch_no, version", job)


@pytest.fixture
def partition(client: Client, job: int) -> str:
    """The partition that holds the job's events."""
    return client.one("SELECT tableoid::regclass::text FROM evtrack.event WHERE job_id = %s LIMIT 1", job)


def refuse(client: Client, statement: str, *, replica: bool = False) -> None:
    """Expect the log to refuse a statement."""
    role = "replica" if replica else "origin"
    with client.conn.transaction(force_rollback=True):
        client.conn.execute(f"SET LOCAL session_replication_role = {role}".encode())
        with pytest.raises(psycopg.Error, match="the event log is append-only") as caught:
            client.conn.execute(statement.encode())
    assert "EV002" == caught.value.sqlstate


STATEMENTS = [
    "UPDATE {table} SET data = '{{}}' WHERE job_id = {job}",
    "UPDATE {table} SET type = 'failed'",
    "DELETE FROM {table} WHERE job_id = {job}",
    "DELETE FROM {table}",
    "TRUNCATE {table}",
    """INSERT INTO {table} (job_day, job_id, batch_no, version, type)
    SELECT job_day, job_id, batch_no, version, 'failed' FROM evtrack.event WHERE job_id = {job} AND batch_no = 1
    ON CONFLICT (job_day, job_id, batch_no, version) DO UPDATE SET type = excluded.type""",
]


@pytest.mark.parametrize("replica", [False, True])
@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_log_refuses_changes(client: Client, job: int, statement: str, replica: bool) -> None:  # noqa: FBT001
    refuse(client, statement.format(table="evtrack.event", job=job), replica=replica)


@pytest.mark.parametrize("replica", [False, True])
@pytest.mark.parametrize("statement", STATEMENTS)
def test_every_partition_refuses_changes(
    client: Client,
    job: int,
    partition: str,
    statement: str,
    replica: bool,  # noqa: FBT001
) -> None:
    refuse(client, statement.format(table=partition, job=job), replica=replica)


def test_all_partitions_have_the_same_guards(client: Client) -> None:
    parts = [
        row["part"]
        for row in client.rows("SELECT relid::text AS part FROM pg_partition_tree('evtrack.event') WHERE isleaf")
    ]
    assert len(parts) >= 8
    for part in parts:
        refuse(client, f"TRUNCATE {part}")
        refuse(client, f"UPDATE {part} SET version = 9")
        refuse(client, f"DELETE FROM {part}")


@pytest.mark.parametrize("replica", [False, True])
def test_a_direct_insert_into_a_partition_is_refused(
    client: Client,
    job: int,
    partition: str,
    replica: bool,  # noqa: FBT001
) -> None:
    refuse(
        client,
        f"INSERT INTO {partition} (job_day, job_id, batch_no, version, type, attempt, worker_id)"
        f" SELECT job_day, job_id, 1, 2, 'started', 1, 1 FROM evtrack.job WHERE job_id = {job}",
        replica=replica,
    )


def test_a_copy_into_a_partition_is_refused(client: Client, job: int, partition: str) -> None:
    with (
        pytest.raises(psycopg.Error, match="append-only"),
        client.conn.cursor() as cursor,
        cursor.copy(f"COPY {partition} (job_day, job_id, batch_no, version, type) FROM STDIN".encode()) as copy,
    ):
        copy.write_row(("2026-11-24", job, 1, 2, "cancelled"))


def test_a_copy_into_the_log_is_folded(client: Client, job: int) -> None:
    (row,) = client.rows("SELECT job_day FROM evtrack.job WHERE job_id = %s", job)
    with (
        pytest.raises(psycopg.Error, match=f"job {job}, batch 1, version 2: completed is refused"),
        client.conn.cursor() as cursor,
        cursor.copy("COPY evtrack.event (job_day, job_id, batch_no, version, type) FROM STDIN") as copy,
    ):
        copy.write_row((row["job_day"], job, 1, 2, "completed"))


@pytest.mark.parametrize("table", ["evtrack.event", "partition"])
def test_merge_is_refused(client: Client, job: int, partition: str, table: str) -> None:
    target = partition if table == "partition" else table
    if client.conn.info.server_version < 150_000:
        pytest.skip("MERGE came with PostgreSQL 15")
    refuse(
        client,
        f"MERGE INTO {target} e USING (SELECT {job} AS job_id) s ON e.job_id = s.job_id"
        " WHEN MATCHED THEN UPDATE SET data = '{}'",
    )


def test_an_event_for_a_day_without_a_partition_is_refused(client: Client, job: int) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        client.conn.execute(
            "INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type)"
            " VALUES ('1999-12-31', %s, 0, 9, 'sealed')",
            [job],
        )


def test_an_insert_in_replica_mode_is_folded_too(client: Client) -> None:
    job = client.job()
    with client.conn.transaction():
        client.conn.execute("SET LOCAL session_replication_role = replica")
        client.conn.execute(
            "INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type)"
            " SELECT job_day, job_id, 1, 2, 'cancelled' FROM evtrack.job WHERE job_id = %s",
            [job],
        )
    assert "cancelled" == client.batch(job).status
    client.check(job)


def test_a_role_without_grants_can_do_nothing(client: Client, job: int) -> None:
    client.conn.execute("CREATE ROLE evtrack_test_stranger")
    try:
        for statement in (
            "SELECT FROM evtrack.event",
            "INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type) VALUES (now(), 1, 1, 1, 'sealed')",
            f"SELECT evtrack.cancel({job})",
        ):
            with client.conn.transaction(force_rollback=True):
                client.conn.execute("SET LOCAL ROLE evtrack_test_stranger")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    client.conn.execute(statement.encode())
    finally:
        client.conn.execute("DROP ROLE evtrack_test_stranger")
