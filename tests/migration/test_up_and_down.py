"""The schema goes up and down, and comes out the same."""

import pytest

from evtrack.storage import migrations
from evtrack.storage.database import Connection

pytestmark = pytest.mark.db


def test_a_migrated_database_is_current(conn: Connection) -> None:
    now = migrations.status(conn)
    assert () == now.pending
    assert () == now.stale_objects
    assert now.latest == now.version
