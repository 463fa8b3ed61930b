"""Each role has exactly the rights in sql/views/schema/role_right.sql: every function, table and view is tried."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.connection.rights import ROLES, listed
from evtrack.storage.schema import migrations

pytestmark = pytest.mark.integration

_FUNCTIONS = """
SELECT p.proname, 'SELECT evtrack.' || p.proname || '(' || (
    SELECT coalesce(string_agg('NULL::' || format_type(a.type, NULL), ', ' ORDER BY a.place), '')
    FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, place)
) || ')'
FROM pg_proc p WHERE p.pronamespace = 'evtrack'::regnamespace ORDER BY 1
"""
_RELATIONS = """
SELECT c.relname, c.relkind, (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = 1)
FROM pg_class c
WHERE c.relnamespace = 'evtrack'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S')
-- One day stands for all: they are made alike.
AND (NOT c.relispartition OR c.relname LIKE to_char(now() AT TIME ZONE 'UTC', '"%"YYYYMMDD'))
ORDER BY 1
"""
_HELD_BY_PUBLIC = """
SELECT o.name, a.privilege_type FROM (
    SELECT 'the schema' AS name, coalesce(nspacl, acldefault('n', nspowner)) AS acl
    FROM pg_namespace WHERE nspname = 'evtrack'
    UNION ALL
    SELECT proname, coalesce(proacl, acldefault('f', proowner))
    FROM pg_proc WHERE pronamespace = 'evtrack'::regnamespace
    UNION ALL
    SELECT relname, coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))
    FROM pg_class WHERE relnamespace = 'evtrack'::regnamespace AND relkind IN ('r', 'p', 'v', 'S')
    UNION ALL
    SELECT typname, coalesce(typacl, acldefault('T', typowner))
    FROM pg_type WHERE typnamespace = 'evtrack'::regnamespace AND typtype = 'e'
) o CROSS JOIN LATERAL aclexplode(o.acl) a WHERE a.grantee = 0
"""


def test_the_roles_have_exactly_the_listed_rights(roles_dsn: str) -> None:
    with connect(roles_dsn, purpose="test") as conn:
        rows = conn.execute("SELECT kind, name, role, granted FROM evtrack.role_right").fetchall()
        assert [] == conn.execute(_HELD_BY_PUBLIC).fetchall()
    assert {(*thing, role) for thing, roles in listed().items() for role in roles or {None}} == {
        row[:3] for row in rows
    }
    assert [] == [row for row in rows if row[2] is not None and not row[3]]


@pytest.mark.parametrize("role", [*ROLES, "nobody"])
def test_a_role_can_do_only_what_is_listed(role: str, roles_dsn: str, as_role: Callable[[str], str]) -> None:
    with connect(roles_dsn, purpose="test") as owner:
        functions = owner.execute(_FUNCTIONS).fetchall()
        tries = list(_statements(owner))
    expected = {
        (thing.name, {"function": "EXECUTE", "view": "SELECT", "table": "INSERT"}[thing.kind])
        for thing, roles in listed().items()
        if role in roles and thing.kind != "schema"
    }
    with connect(as_role(role), purpose="test") as conn:
        allowed = {(name, "EXECUTE") for name, call in functions if _called(conn, call)}
        allowed |= {(each.name, each.right) for each in tries if _goes(conn, each.text)}
    assert expected == allowed


def test_the_statements_of_the_rights_tests_are_valid(roles_dsn: str) -> None:
    with connect(roles_dsn, purpose="test") as owner:
        assert [] == [each for each in _statements(owner) if each.is_table and not _goes(owner, each.text)]


class _Try(NamedTuple):
    name: str
    right: str
    text: str
    is_table: bool


def _statements(conn: Connection) -> Iterator[_Try]:
    for name, kind, column in conn.execute(_RELATIONS):
        its = f"evtrack.{name}"
        if kind == "S":
            yield _Try(name, "USAGE", f"SELECT nextval('{its}')", is_table=True)
            continue
        yield _Try(name, "SELECT", f"SELECT * FROM {its} LIMIT 1", is_table=True)
        for right, text in (
            ("INSERT", f"INSERT INTO {its} OVERRIDING SYSTEM VALUE SELECT (NULL::{its}).* WHERE false"),
            ("UPDATE", f"UPDATE {its} SET {column} = DEFAULT WHERE false"),
            ("DELETE", f"DELETE FROM {its} WHERE false"),
            ("TRUNCATE", f"TRUNCATE {its}"),
        ):
            yield _Try(name, right, text, is_table=kind != "v")


def _called(conn: Connection, call: str) -> bool:
    """Whether a function may be called; what it then says about its arguments, all of them null, does not matter."""
    try:
        with conn.transaction(force_rollback=True):
            conn.execute(call.encode())
    except InsufficientPrivilege:
        return False
    except psycopg.Error:
        return True
    return True


def _goes(conn: Connection, statement: str) -> bool:
    """Whether a statement on a table gets as far as the table, or as the trigger that refuses it."""
    try:
        with conn.transaction(force_rollback=True):
            conn.execute(statement.encode())
    except psycopg.Error as error:
        return error.sqlstate == "EV002"
    return True


def test_up_restores_rights_that_were_changed_by_hand(roles_dsn: str) -> None:
    with connect(roles_dsn, purpose="test") as conn:
        before = _acl(conn)
        conn.execute("REVOKE EXECUTE ON FUNCTION evtrack.claim FROM evtrack_worker")
        conn.execute("GRANT SELECT ON evtrack.payload TO evtrack_reader, public")
        conn.execute("GRANT EXECUTE ON FUNCTION evtrack.fold_job TO public")
        missing = "SELECT name, role FROM evtrack.role_right WHERE role IS NOT NULL AND granted IS NOT TRUE"
        assert [("claim", "evtrack_worker")] == conn.execute(missing).fetchall()
        migrations.up(conn)
        assert before == _acl(conn)


def test_up_changes_nothing_if_all_rights_are_as_listed(roles_dsn: str) -> None:
    rows = (
        "SELECT xmin::text, oid FROM pg_proc WHERE pronamespace = 'evtrack'::regnamespace UNION ALL SELECT xmin::text, "
    )
    rows += "oid FROM pg_class WHERE relnamespace = 'evtrack'::regnamespace AND relkind IN ('p', 'v', 'S')"
    with connect(roles_dsn, purpose="test") as conn:
        migrations.up(conn)
        before = sorted(conn.execute(rows).fetchall())
        migrations.up(conn)
        assert before == sorted(conn.execute(rows).fetchall())


def _acl(conn: Connection) -> set[tuple[str, str]]:
    statement = """
        SELECT p.oid::regprocedure::text, a::text FROM pg_proc p CROSS JOIN unnest(p.proacl) a
        WHERE p.pronamespace = 'evtrack'::regnamespace
        UNION ALL
        SELECT c.relname::text, a::text FROM pg_class c CROSS JOIN unnest(c.relacl) a
        WHERE c.relnamespace = 'evtrack'::regnamespace
    """
    return {(name, acl) for name, acl in conn.execute(statement)}
