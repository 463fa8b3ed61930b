"""What sql/ lists of who may do what: the rights of evtrack's roles, as data."""

import re
from functools import cache
from typing import Final, NamedTuple

import psycopg
from psycopg.conninfo import make_conninfo

from evtrack.domain.errors import PermissionDenied
from evtrack.storage import sql

ROLES: Final = ("evtrack_producer", "evtrack_reader", "evtrack_watcher", "evtrack_worker")

_LINE = re.compile(r"^ +\('(?P<kind>\w+)', '(?P<name>\w+)', '\{(?P<members>[\w,]*)\}'", re.MULTILINE)


class Thing(NamedTuple):
    """Something that a right is about, by its bare name: a schema, a function, a table or a view."""

    kind: str
    name: str


SCHEMA: Final = Thing("schema", "evtrack")


@cache
def listed() -> dict[Thing, frozenset[str]]:
    """Read which roles may use what.

    Returns:
        The roles of each function, view, table and schema that is listed; none where only the owner may.
    """
    text = (sql.root() / "views" / "role_right.sql").read_text(encoding="utf-8")
    return {
        Thing(line["kind"], line["name"]): frozenset(f"evtrack_{each}" for each in line["members"].split(",") if each)
        for line in _LINE.finditer(text)
    }


def require_owner(conn: psycopg.Connection) -> None:
    """Make sure that this user may do what only the owner of the schema may; where there is none yet, anybody may.

    Args:
        conn: An open connection.

    Raises:
        PermissionDenied: He may not; who may, and how to become him.
    """
    row = conn.execute(sql.statement("schema_owner")).fetchone()
    if row is None or row[1]:
        return
    owner, _, asks = row
    there = make_conninfo(host=conn.info.host, port=conn.info.port, dbname=conn.info.dbname, user=owner)
    raise PermissionDenied(
        f"permission denied: only {owner}, the owner of evtrack's schema, may do this, and this user is {asks}.",
        hint=f'Run it as the owner: --dsn "{there}". None of the roles that evtrack makes has this right.',
    )
