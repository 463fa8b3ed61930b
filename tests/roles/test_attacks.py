"""A hostile user with every role: objects in a schema of their own, and texts with control characters."""

import json
import re
from collections.abc import Callable, Iterator

import psycopg
import pytest
from click.testing import CliRunner
from psycopg.errors import InsufficientPrivilege

from client import Client
from evtrack.interfaces.cli import cli
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.connection.rights import listed
from polling import eventually
from watchers import running_watcher

pytestmark = pytest.mark.integration

EVIL = "\x1b]0;owned\x07\x1b[2J\u202e'; DROP SCHEMA evtrack CASCADE; --\n" + '{"event": "job_finished"}\r\x9b31m'
HARMFUL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")


@pytest.fixture
def hostile(as_role: Callable[[str], str], roles_dsn: str) -> Iterator[Connection]:
    """A user with all roles and a schema of his own that comes first in his search path, as in that of `victim`."""
    with connect(roles_dsn, purpose="test") as owner, psycopg.connect(as_role("everything"), autocommit=True) as conn:
        owner.execute("CREATE SCHEMA trap")
        owner.execute(f"GRANT ALL ON SCHEMA trap TO {conn.info.user}")
        try:
            yield conn
        finally:
            owner.execute("DROP SCHEMA trap CASCADE")


def test_functions_of_the_owner_use_a_safe_search_path(roles_dsn: str) -> None:
    called = [thing.name for thing, roles in listed().items() if thing.kind == "function" and roles]
    with connect(roles_dsn, purpose="test") as conn:
        rows = conn.execute(
            "SELECT proname, proconfig FROM pg_proc WHERE pronamespace = 'evtrack'::regnamespace"
            # A body that was parsed when the function was created looks up no names.
            " AND prosqlbody IS NULL"
            " AND (prosecdef OR prorettype = 'trigger'::regtype OR proname = ANY(%s))",
            [called],
        ).fetchall()
    assert len(rows) > len(called)
    assert [] == [name for name, config in rows if "search_path=pg_catalog, pg_temp" not in (config or [])]


def test_functions_and_operators_of_other_users_are_not_called(hostile: Connection, roles_dsn: str) -> None:
    trap = "LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped %%', current_user USING ERRCODE = 'XX999'; END $$"
    for signature, returns in (
        # An exact match goes before PostgreSQL's own for any multirange: these do bite where the path is not pinned.
        ("lower(int4multirange)", "integer"),
        ("upper(int4multirange)", "integer"),
        ("now()", "timestamptz"),
        ("clock_timestamp()", "timestamptz"),
        ("pg_current_xact_id()", "xid8"),
        ("coalesced(text)", "text"),
        ("nextval(text)", "bigint"),
        ("hashtextextended(text, integer)", "bigint"),
        ("string_agg(varchar, text)", "text"),
        ("format(text, integer)", "text"),
        ("greatest(integer, integer)", "integer"),
        ("count(integer)", "bigint"),
        ("make_interval(integer)", "interval"),
        ("jsonb_build_object(text, text)", "jsonb"),
        ("set_config(text, text, boolean)", "text"),
        ("pg_notify(text, varchar)", "void"),
    ):
        hostile.execute(f"CREATE FUNCTION trap.{signature} RETURNS {returns} {trap.replace('%%', '%')}".encode())
    for name, left, right in (
        ("@>", "int4multirange", "integer"),
        ("=", "integer", "bigint"),
        ("=", "text", "varchar"),
        ("||", "text", "integer"),
        ("+", "integer", "bigint"),
        ("->>", "jsonb", "varchar"),
        ("<", "bigint", "integer"),
    ):
        function = f"trap.op_{abs(hash((name, left, right)))}"
        returns = {"||": "text", "+": "integer", "->>": "text"}.get(name, "boolean")
        body = trap.replace("%%", "%")
        hostile.execute(f"CREATE FUNCTION {function}({left}, {right}) RETURNS {returns} {body}".encode())
        hostile.execute(
            f"CREATE OPERATOR trap.{name} (FUNCTION = {function}, LEFTARG = {left}, RIGHTARG = {right})".encode()
        )
    # A type of evtrack's is not his to make operators for, which would be preferred to those for any enum.
    with pytest.raises(InsufficientPrivilege):
        hostile.execute(
            "CREATE FUNCTION trap.eq(evtrack.status, evtrack.status) RETURNS boolean LANGUAGE sql AS 'SELECT true'"
        )
    with pytest.raises(InsufficientPrivilege):
        hostile.execute("CREATE FUNCTION evtrack.claim(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 1'")
    tables = ("job", "batch", "event", "payload", "progress", "worker", "added", "pg_class", "pg_locks", "pg_proc")
    for table in tables:
        hostile.execute(f"CREATE TEMPORARY TABLE {table} (job_id bigint, handler text)".encode())
    hostile.execute("SET search_path = trap, pg_temp, pg_catalog, public")
    hostile.execute("SET evtrack.submitter = 'x'; SET DateStyle = 'German'; SET array_nulls = off; SET role = none")

    client = Client(hostile, "trapped")
    work_through(client)
    for table in tables:
        assert [] == hostile.execute(f"SELECT * FROM pg_temp.{table}".encode()).fetchall()
    # The owner, whose settings somebody else has chosen for him, looks at all of it with evtrack's own statements.
    with connect(roles_dsn, purpose="test") as owner:
        owner.execute(f"ALTER DATABASE {owner.info.dbname} SET search_path = trap, pg_catalog, public")
        try:
            job = str(owner.execute("SELECT max(job_id) FROM evtrack.job").fetchall()[0][0])
            for command in (
                ("status", job),
                ("status",),
                ("jobs",),
                ("batches", job),
                ("show", job, "1"),
                ("events", job),
                ("workers",),
                ("crashes",),
                ("progress", job),
                ("migrate", "status"),
                ("migrate", "up"),
            ):
                said = CliRunner().invoke(cli, [*command, "--dsn", roles_dsn])
                assert 0 == said.exit_code, (command, said.output)
        finally:
            owner.execute(f"ALTER DATABASE {owner.info.dbname} RESET search_path")


def work_through(client: Client) -> int:
    """Use most of the write API; a job with all outcomes comes of it."""
    worker = client.worker()
    job = client.job(4, items=2, max_errors=1)
    first, second, third, fourth = client.claim(worker, job)
    assert ["ok"] == client.complete(worker, [first], results=["1\n2"])
    assert ["failed"] == client.fail(worker, [second])
    assert ["split"] == client.crash(worker, [third])
    assert ["ok"] == client.requeue(worker, [fourth])
    assert client.one("SELECT evtrack.heartbeat(%s, 1)", worker)
    client.rows("SELECT * FROM evtrack.reap('1 hour', '1 hour')")
    client.rows("SELECT evtrack.make_partitions_ahead()")
    client.rows("SELECT * FROM evtrack.retry_items(%s, '{key:3}')", job)
    client.rows("SELECT * FROM evtrack.quarantine(%s, '{key:4}')", job)
    client.rows("SELECT evtrack.cancel(%s)", job)
    client.rows("SELECT * FROM evtrack.reconcile(%s, '{}', '{}', '{}')", worker)
    return job


def test_hostile_texts_are_harmless_on_a_terminal_and_in_a_log(hostile: Connection, roles_dsn: str) -> None:
    client = Client(hostile, "texts")
    key = EVIL.replace("\n", " ")
    job = client.one(
        "SELECT evtrack.enqueue('texts', %s, %s, %s, batch_size => 1, "
        'policy => \'{"max_errors": 1, "max_crashes": 1}\')',
        [f"{key}{n}" for n in range(3)],
        [json.dumps(EVIL)] * 3,
        EVIL,
    )
    worker = client.one("SELECT evtrack.register_worker(%s, %s, 1, 1, '{texts}', %s)", EVIL, EVIL, EVIL)
    with running_watcher(roles_dsn) as watched:
        one, two, three = client.claim(worker, job)
        client.fail(worker, [one], {"type": EVIL, "message": EVIL, "traceback": EVIL})
        client.crash(worker, [two], cause=EVIL, signal=EVIL, item_key=EVIL, stderr=EVIL, python_traceback=EVIL, x=EVIL)
        client.complete(worker, [three], results=[json.dumps(EVIL)])
        client.one("SELECT evtrack.finish_due(%s)", job)
        hostile.execute("SELECT pg_notify('evtrack_work', %s), pg_notify('evtrack_log', %s)", [EVIL, EVIL])
        hostile.execute("SELECT pg_notify('evtrack_alert', %s)", [EVIL * 50])
        eventually(lambda: watched.alerts("job_finished_with_errors"), 30)
        assert 0 == watched.end()
    # Each line is one JSON document, and no text has become a line of its own.
    told = [line for line in watched.lines if line.get("job_id") == job]
    assert {"batch_failed", "item_poisoned", "job_finished_with_errors"} == {line["event"] for line in told}
    assert not watched.alerts("job_finished")
    number = str(job)
    for command in (
        ("status", number),
        ("status",),
        ("jobs",),
        ("batches", number),
        ("crashes", number),
        ("crashes",),
        ("show", number, "1"),
        ("show", number, "2"),
        ("events", number),
        ("workers", "--all"),
        ("progress", number),
        ("cancel", "999999"),
    ):
        said = CliRunner().invoke(cli, [*command, "--dsn", roles_dsn])
        assert said.exit_code in {0, 1}, (command, said.output)
        assert not HARMFUL.search(said.output), (command, said.output)
    assert (True,) == hostile.execute("SELECT to_regclass('evtrack.event') IS NOT NULL").fetchone()
    said = CliRunner().invoke(cli, ["results", number, "--dsn", roles_dsn])
    assert EVIL == json.loads(said.stdout)["result"] if "result" in said.stdout else EVIL == json.loads(said.stdout)


def test_huge_and_empty_values_are_refused_or_cut(hostile: Connection, roles_dsn: str) -> None:
    client = Client(hostile, "huge")
    keys = "SELECT evtrack.enqueue('huge', %s::text[], '{1}')"
    for key in (None, "", "k" * 1001, "two\nlines"):
        with pytest.raises(psycopg.Error) as refusal:
            client.one(keys, [key])
        assert "EV007" == refusal.value.sqlstate, key
    for handler in ("", "h" * 201, "two\nlines", "\x1b[2J"):
        with pytest.raises(psycopg.Error) as refusal:
            client.one("SELECT evtrack.enqueue(%s, '{k}', '{1}')", handler)
        assert "EV007" == refusal.value.sqlstate, handler
    job = client.one("SELECT evtrack.enqueue('huge', '{k}', '{1}', %s, policy => '{\"max_errors\": 1}')", "n" * 10**6)
    assert 500 == client.one("SELECT length(name) FROM evtrack.job_state WHERE job_id = %s", job)
    worker = client.worker()
    (claim,) = client.claim(worker, job)
    client.fail(worker, [claim], {"type": "T" * 10**6, "message": "m" * 10**6})
    for command in (("status", str(job)), ("batches", str(job)), ("jobs",), ("show", str(job), "1")):
        said = CliRunner().invoke(cli, [*command, "--dsn", roles_dsn])
        assert 0 == said.exit_code
        assert len(said.output) < 20_000, command
