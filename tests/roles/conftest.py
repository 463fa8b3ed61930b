"""Evtrack's roles in the session's server, and a user of each in a migrated database."""

from collections.abc import Callable, Iterator

import pytest
from psycopg.conninfo import make_conninfo

from client import cloned
from evtrack.storage import roles
from evtrack.storage.database import connect
from evtrack.storage.rights import ROLES

PASSWORD = "only in tests"
_USERS = {role: f"test_{role}" for role in ROLES} | {"nobody": "test_evtrack_nobody"}


@pytest.fixture(scope="session")
def roles_dsn(admin_dsn: str, template: str) -> Iterator[str]:
    """A database of its owner's with evtrack's roles, which go again at the end, and users that have one each."""
    with cloned(admin_dsn, template) as dsn, connect(dsn, purpose="test") as conn:
        made = roles.make(conn)
        for role, user in _USERS.items():
            conn.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}'")
            if role in ROLES:
                conn.execute(f"GRANT {role} TO {user}")
        try:
            yield dsn
        finally:
            for name in (*_USERS.values(), *made):
                conn.execute(f"DROP OWNED BY {name}")
                conn.execute(f"DROP ROLE {name}")


@pytest.fixture
def as_role(roles_dsn: str) -> Callable[[str], str]:
    """Gives the connection string of a user who has this role of evtrack's and no other; `nobody` has none."""

    def dsn(role: str) -> str:
        return make_conninfo(roles_dsn, user=_USERS[role], password=PASSWORD)

    return dsn
