"""A log goes to another server by logical replication, while work goes on, and continues there."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from client import Client
from evtrack.domain.errors import BadArgument
from evtrack.interfaces.cli import cli
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.log import proof
from evtrack.storage.log.reader import Tail
from evtrack.storage.schema import migrations, replication
from moving import Servers, copied, database
from polling import eventually

pytestmark = pytest.mark.integration

_SUBSCRIPTIONS = "SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel"


@contextmanager
def subscribed(blue: Connection, green: Connection, *, by_root: bool) -> Iterator[None]:
    """Let green receive all tables of blue."""
    name = conninfo_to_dict(green.info.dsn)["dbname"]
    blue.execute(f"CREATE PUBLICATION p_{name} FOR ALL TABLES WITH (publish_via_partition_root = {by_root})".encode())
    target = make_conninfo(blue.info.dsn).replace("'", "''")
    green.execute(f"CREATE SUBSCRIPTION s_{name} CONNECTION '{target}' PUBLICATION p_{name}".encode())
    try:
        yield
    finally:
        green.execute(f"DROP SUBSCRIPTION s_{name}".encode())


def events(conn: Connection) -> list[tuple[object, ...]]:
    """Return the log."""
    return conn.execute("SELECT * FROM evtrack.event ORDER BY seq, job_id").fetchall()


def command(dsn: str, *words: str) -> str:
    """Run a command, and return what it printed."""
    result = CliRunner().invoke(cli, [*words, "--dsn", dsn])
    return f"{result.exit_code} {result.output}"


@pytest.mark.parametrize(
    ("dumped", "by_root"),
    [
        (True, True),
        (False, False),
        pytest.param(True, False, marks=pytest.mark.slow),
        pytest.param(False, True, marks=pytest.mark.slow),
    ],
)
def test_work_continues_on_the_other_server(both: Servers, *, dumped: bool, by_root: bool) -> None:
    with ExitStack() as stack:
        source = stack.enter_context(database(both.blue))
        target = stack.enter_context(database(both.green))
        blue = stack.enter_context(connect(source, purpose="test"))
        migrations.up(blue)
        if dumped:
            copied(source, target, "--schema-only")
            assert "no record of its migrations" in command(target, "migrate", "up")
            assert command(target, "jobs").startswith("4 ")
        green = stack.enter_context(connect(target, purpose="test"))
        if not dumped:
            migrations.up(green)
        assert command(target, "migrate", "begin-replication").startswith("0 Ready")
        assert command(target, "migrate", "begin-replication").startswith("0 Ready"), "once more does no harm"

        here, there = Client(blue, "h"), Client(green, "h")
        first, worker = here.job(4, items=3, max_errors=2, backoff_s=0), here.worker()
        one, two, three, four = here.claim(worker, first)
        here.complete(worker, [one], results=['1\n"two"\n3'])
        with subscribed(blue, green, by_root=by_root):
            here.fail(worker, [two])
            here.crash(worker, [three])
            second = here.job(2)
            here.one("SELECT evtrack.raise_alert('test', '1', '', 'error', '{}')")
            nobody_else_writes(there)
            assert command(target, "migrate", "end-replication").startswith("1 "), "it is too early"
            eventually(lambda: green.execute(_SUBSCRIPTIONS).fetchone() == (True,), 30)
            assert "is still writing to this log" in command(target, "migrate", "end-replication")
            here.requeue(worker, [four])
            eventually(lambda: events(blue) == events(green), 30)
        ended = command(target, "migrate", "end-replication")
        assert ended.startswith("0 This database continues the log, with 2 jobs."), ended
        assert migrations.status(green).current
        assert guards(blue) == guards(green)
        assert ["1", '"two"', "3"] == [row["result"] for row in there.view("item_result", first, "ordinal")]
        work_continues(there, first, second)


def guards(conn: Connection) -> set[tuple[object, ...]]:
    """Return all triggers, and whom they stop."""
    return set(
        conn.execute(
            "SELECT c.relname, g.tgname, g.tgenabled FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid"
            " WHERE c.relnamespace = 'evtrack'::regnamespace"
        ).fetchall()
    )


def nobody_else_writes(there: Client) -> None:
    """Whoever mistakes the database for one to work with is told."""
    for refused in (there.job, there.worker, lambda: there.one("SELECT evtrack.settle_log()")):
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="receives evtrack's tables"):
            refused()


def work_continues(there: Client, *jobs: int) -> None:
    """Work on, and hold the log to what it is everywhere else."""
    there.check(*jobs)
    assert [] == list(proof.verify(there.conn))
    worker = there.worker()
    while claims := there.claim(worker, *jobs):
        there.complete(worker, claims)
    new = there.job()
    assert new not in jobs
    there.complete(worker, there.claim(worker, new))
    there.one("SELECT evtrack.raise_alert('test', '2', '', 'error', '{}')")
    there.check(*jobs, new)
    assert [] == list(proof.verify(there.conn))
    read = [(row.job_id, row.batch_no, row.version) for row in Tail(conn=there.conn).read()]
    assert len(events(there.conn)) == len(set(read)) == len(read)
    for forbidden in ("UPDATE evtrack.event SET at = at", "DELETE FROM evtrack.event"):
        there.conn.execute("SET session_replication_role = replica")
        with pytest.raises(psycopg.Error, match="append-only"):
            there.conn.execute(forbidden.encode())
    (insert,) = there.conn.execute(
        "SELECT format('INSERT INTO %s SELECT * FROM evtrack.event', min(c.oid)::regclass) FROM pg_class c"
        " WHERE c.relispartition AND c.relname LIKE 'event_2%' AND c.relkind = 'r'"
    ).fetchone() or ("",)
    with pytest.raises(psycopg.Error, match="append-only"):
        there.conn.execute(insert.encode())
    there.conn.execute("RESET session_replication_role")


def server_log(conn: Connection) -> str:
    """Return what the server logged."""
    (data,) = conn.execute("SHOW data_directory").fetchone() or ("",)
    return (Path(data).parent / "server.log").read_text(encoding="utf-8")


@pytest.mark.parametrize("by_root", [True, False])
def test_a_database_that_was_not_prepared_says_what_is_missing(both: Servers, *, by_root: bool) -> None:
    with ExitStack() as stack:
        source = stack.enter_context(database(both.blue))
        target = stack.enter_context(database(both.green))
        blue = stack.enter_context(connect(source, purpose="test"))
        migrations.up(blue)
        Client(blue).job()
        copied(source, target, "--schema-only")
        green = stack.enter_context(connect(target, purpose="test"))
        before = len(server_log(green))
        with subscribed(blue, green, by_root=by_root):
            eventually(lambda: "`evtrack migrate begin-replication` has prepared" in server_log(green)[before:], 30)


def test_a_database_with_jobs_receives_no_other_log(conn: Connection) -> None:
    Client(conn).job()
    with pytest.raises(BadArgument, match="has jobs or workers of its own"):
        replication.begin_replication(conn)


def test_days_that_did_not_arrive_are_noticed(both: Servers) -> None:
    with ExitStack() as stack:
        source = stack.enter_context(database(both.blue))
        target = stack.enter_context(database(both.green))
        blue = stack.enter_context(connect(source, purpose="test"))
        green = stack.enter_context(connect(target, purpose="test"))
        migrations.up(blue)
        migrations.up(green)
        replication.begin_replication(green)
        with subscribed(blue, green, by_root=False):
            eventually(lambda: green.execute(_SUBSCRIPTIONS).fetchone() == (True,), 30)
            # As if it were another day, whose partition the subscription does not know.
            green.execute(f"ALTER SUBSCRIPTION s_{green.info.dbname} DISABLE".encode())
            job = Client(blue).job()
            green.execute("DELETE FROM pg_subscription_rel WHERE srrelid::regclass::text ~ 'event_2'")
            green.execute(f"ALTER SUBSCRIPTION s_{green.info.dbname} ENABLE".encode())
            eventually(lambda: green.execute("SELECT job_id FROM evtrack.job").fetchone() == (job,), 30)
        said = command(target, "migrate", "end-replication")
        assert f"the log of job {job} has not arrived completely" in said
        assert "REFRESH PUBLICATION" in said


def test_all_of_the_schema_can_be_replicated(conn: Connection) -> None:
    without_key = conn.execute(
        "SELECT array_agg(r.name) FROM evtrack.replicated_tables() r WHERE NOT EXISTS ("
        "SELECT FROM pg_index i WHERE i.indrelid = format('evtrack.%I', r.name)::regclass AND i.indisprimary)"
    ).fetchone()
    assert (None,) == without_key, "the other server could not even change these"
    sequences = conn.execute(
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'evtrack'::regnamespace AND c.relkind = 'S'"
        " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'i') ORDER BY 1"
    ).fetchall()
    assert [("event_seq",), ("job_id_seq",)] == sequences, "adopt_events() sets these and those of identity columns"
