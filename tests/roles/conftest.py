"""Evtrack's roles in the session's server, and a user of each in a migrated database."""

from collections.abc import Callable, Iterator

import pytest
from psycopg.conninfo import make_conninfo

from evtrack.storage.connection.connect import connect
from evtrack.storage.connection.rights import ROLES
from evtrack.storage.schema import roles
from servers import cloned

PASSWORD = "only in tests"
_USERS = {
    **{role: (f"test_{role}", (role,)) for role in ROLES},
    "producer and worker": ("test_evtrack_runner", ("evtrack_producer", "evtrack_worker")),
    "everything": ("test_evtrack_everything", ROLES),
    "nobody": ("test_evtrack_nobody", ()),
}


@pytest.fixture(scope="session")
def roles_dsn(admin_dsn: str, template: str) -> Iterator[str]:
    """A database of its owner's with evtrack's roles, which go again at the end, and users of them."""
    with cloned(admin_dsn, template) as dsn, connect(dsn, purpose="test") as conn:
        made = roles.create_roles(conn)
        for user, has in _USERS.values():
            conn.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}'")
            for role in has:
                conn.execute(f"GRANT {role} TO {user}")
        try:
            yield dsn
        finally:
            for name in (*(user for user, _ in _USERS.values()), *made):
                conn.execute(f"DROP OWNED BY {name}")
                conn.execute(f"DROP ROLE {name}")


@pytest.fixture
def as_role(roles_dsn: str) -> Callable[[str], str]:
    """Return the connection string of a user with exactly the roles in `_USERS`."""

    def dsn(role: str) -> str:
        return make_conninfo(roles_dsn, user=_USERS[role][0], password=PASSWORD)

    return dsn
