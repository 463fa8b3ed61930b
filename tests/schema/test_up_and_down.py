"""The schema goes up and down, and is the same afterwards."""

from difflib import unified_diff
from pathlib import Path

import pytest

import schema_dump
from client import Client
from evtrack.domain.database_errors import MigrationError
from evtrack.storage.connection import sql_files
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.log import proof
from evtrack.storage.schema import migrations
from evtrack.storage.schema.migration_script import migration_script
from old_jobs import days_ago, old_job

pytestmark = pytest.mark.integration


def test_a_migrated_database_is_current(conn: Connection) -> None:
    now = migrations.status(conn)
    assert () == now.pending
    assert () == now.stale_objects
    assert now.latest == now.version


def test_a_second_up_has_nothing_to_do(conn: Connection) -> None:
    assert () == migrations.up(conn)


def test_the_schema_is_the_dump_in_the_repository(conn: Connection, dsn: str) -> None:
    if conn.info.server_version // 10000 != 18:
        pytest.skip("another major version writes views in another form; sql/schema.sql is PostgreSQL 18's")
    expected = (sql_files.root() / "schema.sql").read_text(encoding="utf-8").splitlines()
    differences = list(unified_diff(expected, schema_dump.dump(dsn).splitlines(), "sql/schema.sql", "migrated", n=1))
    assert [] == differences[:40], "run bin/schema, and look at what it changes"


def test_up_down_up_gives_the_same_schema(conn: Connection, dsn: str) -> None:
    first = schema_dump.dump(dsn)
    migrations.down(conn, to=0)
    assert conn.execute("SELECT to_regnamespace('evtrack') IS NULL").fetchone() == (True,)
    migrations.up(conn)
    assert first == schema_dump.dump(dsn)


def test_searches_of_an_older_database_begin_at_its_first_new_batches(conn: Connection) -> None:
    client = Client(conn)
    job, started = client.job(3), client.job(1)
    assert 3 == len(client.claim(client.worker(), job, started, fresh=3))
    migrations.down(conn, to=15)
    migrations.up(conn)
    marks = client.rows("SELECT job_id, fresh_after FROM evtrack.job ORDER BY 1")
    assert [(job, 2), (started, 1)] == [tuple(row.values()) for row in marks]


def test_down_leaves_only_the_functions_of_triggers(conn: Connection, dsn: str) -> None:
    # Beside a function with more parameters, which have defaults, a call to that of the older code would be ambiguous.
    before = schema_dump.dump(dsn)
    conn.execute("CREATE FUNCTION evtrack.seal(bigint, uuid, integer DEFAULT 1) RETURNS void LANGUAGE sql AS ''")
    migrations.down(conn, to=migrations.status(conn).latest - 1)
    left = conn.execute(
        "SELECT p.proname, p.prorettype = 'trigger'::regtype FROM pg_proc p"
        " WHERE p.pronamespace = 'evtrack'::regnamespace ORDER BY 1"
    ).fetchall()
    assert [("fold", True), ("guard_payload", True), ("refuse", True)] == left
    migrations.up(conn)
    assert before == schema_dump.dump(dsn)


def test_the_printed_script_makes_the_same_schema(empty_dsn: str, dsn: str) -> None:
    with connect(empty_dsn, purpose="test") as conn:
        conn.execute(sql_files.trusted("".join(migration_script())))
        assert migrations.status(conn).current
    assert schema_dump.dump(dsn) == schema_dump.dump(empty_dsn)


def test_down_keeps_the_events_unless_told_otherwise(conn: Connection) -> None:
    conn.execute("SELECT evtrack.create_job('count')")
    with pytest.raises(MigrationError, match="the digests of all events, the events, so nothing") as refusal:
        migrations.down(conn, to=0)
    assert "--drop-log" in refusal.value.hint
    assert conn.execute("SELECT count(*) FROM evtrack.event").fetchone() == (1,)
    assert migrations.status(conn).current, "nothing was taken back"
    taken = migrations.down(conn, to=0, drop_log=True)
    assert (sql_files.latest_migration(), "0001_log") == (len(taken), taken[-1])


def test_down_keeps_digests_and_alerts_unless_told_otherwise(conn: Connection) -> None:
    migrations.down(conn, to=2)
    migrations.up(conn)
    job = Client(conn).job(1)
    with pytest.raises(MigrationError, match="the digests of all events, so nothing"):
        migrations.down(conn, to=3)
    conn.execute("SELECT evtrack.raise_alert('test', '1', '', 'error', '{}')")
    with pytest.raises(MigrationError, match="digests of all events, the alerts, so nothing"):
        migrations.down(conn, to=2)
    assert conn.execute("SELECT octet_length(links) > 0 FROM evtrack.job WHERE job_id = %s", [job]).fetchone() == (
        True,
    )
    with pytest.raises(MigrationError, match="would lose the digests of jobs that were created since, so nothing"):
        migrations.down(conn, to=14)
    assert "0007_job_links" in migrations.down(conn, to=5, drop_log=True)


def test_a_view_that_loses_a_column_is_replaced(conn: Connection, sql_tree: Path) -> None:
    migrations.down(conn, to=0)
    migrations.up(conn, sql_tree)
    (sql_tree / "views" / "base.sql").write_text("CREATE OR REPLACE VIEW evtrack.base AS SELECT 2 AS two;\n")
    (sql_tree / "views" / "above.sql").write_text(
        "CREATE OR REPLACE VIEW evtrack.above AS SELECT two FROM evtrack.base;\n"
    )
    assert ("views/base.sql", "views/above.sql") == migrations.status(conn, sql_tree).stale_objects
    migrations.up(conn, sql_tree)
    assert conn.execute("SELECT two FROM evtrack.above").fetchone() == (2,)


def test_an_outdated_function_is_replaced(conn: Connection) -> None:
    conn.execute("UPDATE evtrack.schema_object SET checksum = 'older' WHERE path LIKE '%/seal.sql'")
    assert ("functions/submission/seal.sql",) == migrations.status(conn).stale_objects
    migrations.up(conn)
    assert migrations.status(conn).current


def test_the_digests_of_long_streams_survive_down_and_up(conn: Connection) -> None:
    client = Client(conn)
    jobs = [old_job(client, days_ago(0), digest_form=1) for _ in range(4)]
    for job, pairs in zip(jobs, (0, 14, 15, 50), strict=True):
        conn.execute("SELECT evtrack.suspend(%s), evtrack.resume(%s) FROM generate_series(1, %s)", [job, job, pairs])
    conn.execute("UPDATE evtrack.job SET links = NULL WHERE job_id = %s", [jobs[0]])
    apart = conn.execute("SELECT * FROM evtrack.job_link ORDER BY 1, 2").fetchall()
    whole = [client.own_links(job) for job in jobs]
    migrations.down(conn, to=6, drop_log=True)
    rows = conn.execute("SELECT links FROM evtrack.job ORDER BY job_id").fetchall()
    assert whole == [links for (links,) in rows]
    migrations.up(conn)
    assert apart == conn.execute("SELECT * FROM evtrack.job_link ORDER BY 1, 2").fetchall()
    assert 1 + 3 == len(apart)
    assert whole == [client.own_links(job) for job in jobs]
    assert [] == list(proof.verify(conn))


def test_jobs_of_both_forms_of_digests_go_on_after_down_and_up(conn: Connection) -> None:
    client = Client(conn)
    worker = client.worker()
    jobs = [old_job(client, days_ago(0), 3, digest_form=form) for form in (1, 2)]
    for job in jobs:
        client.complete(worker, client.claim(worker, job, fresh=1))
        client.claim(worker, job, fresh=1)
    before = conn.execute("SELECT links FROM evtrack.batch WHERE job_id = %s ORDER BY batch_no", [jobs[0]]).fetchall()
    migrations.down(conn, to=14, drop_log=True)
    kept = conn.execute("SELECT links FROM evtrack.batch WHERE job_id = %s ORDER BY batch_no", [jobs[0]]).fetchall()
    assert before == kept
    assert conn.execute("SELECT count(links) FROM evtrack.batch WHERE job_id = %s", [jobs[1]]).fetchone() == (0,)
    migrations.up(conn)
    for job in jobs:
        client.complete(worker, client.claim(worker, job))
        assert [] == list(proof.verify(conn, job))
        assert ["retry"] == client.fail(worker, client.claim(worker, old_job(client, days_ago(0), digest_form=1)))
    assert [] == list(proof.verify(conn))
