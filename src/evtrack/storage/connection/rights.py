"""What sql/ lists of who may do what: the rights of evtrack's roles, as data."""

import re
from functools import cache
from typing import Final, NamedTuple

import psycopg
from psycopg.conninfo import make_conninfo

from evtrack.domain.errors import PermissionDenied
from evtrack.storage.connection import statements

ROLES: Final = ("evtrack_producer", "evtrack_reader", "evtrack_watcher", "evtrack_worker")

_LINE = re.compile(r"^ +\('(?P<kind>\w+)', '(?P<name>\w+)', '\{(?P<members>[\w,]*)\}'", re.MULTILINE)


class Thing(NamedTuple):
    """Something that a right is about, by its bare name: a schema, a function, a table or a view."""

    kind: str
    name: str


SCHEMA: Final = Thing("schema", "evtrack")

ONLY_OWNER: Final = "Only the owner of evtrack's schema may do this: connect as the owner."


@cache
def listed() -> dict[Thing, frozenset[str]]:
    """Read which roles may use what.

    Returns:
        The roles of each function, view, table and schema that is listed; none where only the owner may.
    """
    text = (statements.root() / "views" / "schema" / "role_right.sql").read_text(encoding="utf-8")
    return {
        Thing(line["kind"], line["name"]): frozenset(f"evtrack_{each}" for each in line["members"].split(",") if each)
        for line in _LINE.finditer(text)
    }


def who_may(thing: Thing) -> str:
    """Say what to give to a user who was denied something.

    Args:
        thing: What it was.

    Returns:
        A sentence that names the roles that have the right.
    """
    roles = sorted(listed().get(thing, ()))
    if not roles:
        return ONLY_OWNER
    return (
        f"Give this user the role {' or '.join(roles)}, as in `GRANT {roles[0]} TO somebody` (`evtrack migrate roles` "
        "makes them), or connect as the owner of evtrack's schema."
    )


def require_call(conn: psycopg.Connection, name: str) -> None:
    """Make sure that this user may call a function, before something is begun that ends with a call of it.

    Args:
        conn: An open connection.
        name: The function.

    Raises:
        PermissionDenied: He may not; what to give him.
    """
    if conn.execute(statements.statement("may_call"), {"name": name}).fetchone() == (False,):
        raise PermissionDenied(f"permission denied for function {name}", hint=who_may(Thing("function", name)))


def require_owner(conn: psycopg.Connection) -> None:
    """Make sure that this user may do what only the owner of the schema may; where there is none yet, anybody may.

    Args:
        conn: An open connection.

    Raises:
        PermissionDenied: He may not; who may, and how to become him.
    """
    row = conn.execute(statements.statement("schema_owner")).fetchone()
    if row is None or row[1]:
        return
    owner, _, asks = row
    there = make_conninfo(host=conn.info.host, port=conn.info.port, dbname=conn.info.dbname, user=owner)
    raise PermissionDenied(
        f"permission denied: only {owner}, the owner of evtrack's schema, may do this, and this user is {asks}.",
        hint=f'Run it as the owner: --dsn "{there}". None of the roles that evtrack makes has this right.',
    )
