"""The rights of evtrack's roles, as sql/ lists them."""

import re
from functools import cache
from typing import Final, NamedTuple

from evtrack.storage.connection.sql_files import root

ROLES: Final = ("evtrack_producer", "evtrack_reader", "evtrack_watcher", "evtrack_worker")

_LINE = re.compile(r"^ +\('(?P<kind>\w+)', '(?P<name>\w+)', '\{(?P<members>[\w,]*)\}'", re.MULTILINE)


class DatabaseObject(NamedTuple):
    """What a right is for, by its unqualified name: a schema, a function, a table or a view."""

    kind: str
    name: str


SCHEMA: Final = DatabaseObject("schema", "evtrack")

ONLY_OWNER: Final = "Only the owner of evtrack's schema may do this: connect as the owner."


@cache
def listed() -> dict[DatabaseObject, frozenset[str]]:
    """Return the roles that may use each listed function, view, table and schema; none where only the owner may."""
    text = (root() / "views" / "schema" / "role_right.sql").read_text(encoding="utf-8")
    return {
        DatabaseObject(line["kind"], line["name"]): frozenset(
            f"evtrack_{each}" for each in line["members"].split(",") if each
        )
        for line in _LINE.finditer(text)
    }


def who_may(denied: DatabaseObject) -> str:
    """Return a hint what to grant to a user who was denied something.

    Args:
        denied: What the user was denied.

    Returns:
        A sentence that names the roles with the right.
    """
    roles = sorted(listed().get(denied, ()))
    if not roles:
        return ONLY_OWNER
    return (
        f"Give this user the role {' or '.join(roles)}, as in `GRANT {roles[0]} TO somebody` (`evtrack migrate roles` "
        "creates them), or connect as the owner of evtrack's schema."
    )
