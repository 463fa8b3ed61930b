"""Reading the views for one job."""

from collections.abc import Iterable
from typing import Any

from client import Client


def view(client: Client, name: str, job: int, order: str = "1") -> list[dict[str, Any]]:
    """Read a view's rows for one job."""
    return client.rows(f"SELECT * FROM evtrack.{name} WHERE job_id = %s ORDER BY {order}", job)


def only(rows: Iterable[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    """Keep some columns."""
    return [tuple(row[column] for column in columns) for row in rows]
