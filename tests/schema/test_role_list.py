"""Everything in the schema is in the list of rights."""

import pytest

from client import Client
from evtrack.storage.connection.rights import DatabaseObject, listed

pytestmark = pytest.mark.integration


def test_every_function_and_view_is_in_the_list_of_rights(client: Client) -> None:
    functions = "SELECT proname AS name FROM pg_proc WHERE pronamespace = 'evtrack'::regnamespace"
    views = "SELECT viewname AS name FROM pg_views WHERE schemaname = 'evtrack'"
    there = {DatabaseObject("function", row["name"]) for row in client.rows(functions)}
    there |= {DatabaseObject("view", row["name"]) for row in client.rows(views)}
    ours = {thing for thing in listed() if thing.kind in {"function", "view"}}
    assert set() == there - ours, "say in sql/views/role_right.sql which roles need these, '{}' for none"
    assert set() == ours - there, "these stand in sql/views/role_right.sql, and are no more"
