"""Runs the queries in sql/queries/ by name: returns rows with named fields, and raises evtrack's errors.

Where speed or a special cursor matters, a module runs `statement(name)` itself and says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from psycopg.rows import class_row, dict_row, scalar_row, tuple_row

from evtrack.storage.connection.error_translation import translated
from evtrack.storage.connection.sql_files import statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

Row = TypeVar("Row")


def rows(conn: psycopg.Connection[Any], row_type: type[Row], name: str, /, **params: Any) -> list[Row]:
    """Run a query and return all of its rows.

    Args:
        conn: An open connection, with any row factory.
        row_type: What to make of a row: a class that takes the columns by name.
        name: The query's file in sql/queries/, without .sql.
        **params: The query's parameters.

    Returns:
        The rows.

    Raises:
        EvtrackError: The error that stands for PostgreSQL's.
    """
    with translated(), conn.cursor(row_factory=class_row(row_type)) as cursor:
        return cursor.execute(statement(name), params).fetchall()


def one(conn: psycopg.Connection[Any], row_type: type[Row], name: str, /, **params: Any) -> Row | None:
    """Run a query and return its first row, or None if it has no row; otherwise like `rows`."""
    with translated(), conn.cursor(row_factory=class_row(row_type)) as cursor:
        return cursor.execute(statement(name), params).fetchone()


def dict_rows(conn: psycopg.Connection[Any], name: str, /, **params: Any) -> list[dict[str, Any]]:
    """Run a query and return its rows as dictionaries by column name; otherwise like `rows`."""
    with translated(), conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement(name), params).fetchall()


def value(conn: psycopg.Connection[Any], name: str, /, **params: Any) -> Any:
    """Run a query and return the first column of its first row, or None if it has no row; otherwise like `rows`."""
    with translated(), conn.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(statement(name), params).fetchone()


def mapping(conn: psycopg.Connection[Any], name: str, /, **params: Any) -> dict[Any, Any]:
    """Run a query of two columns and return the first mapped to the second; otherwise like `rows`."""
    with translated(), conn.cursor(row_factory=tuple_row) as cursor:
        return dict(cursor.execute(statement(name), params).fetchall())


def run(conn: psycopg.Connection[Any], name: str, /, **params: Any) -> None:
    """Run a query for its effect; otherwise like `rows`."""
    with translated():
        conn.execute(statement(name), params)


def array_literal(numbers: Sequence[float]) -> str:
    """Write numbers as a PostgreSQL array.

    psycopg's own adapter runs Python code for each element; at hundreds of batches a call that is a tenth of the time.

    Args:
        numbers: The elements.

    Returns:
        A text parameter, to be cast in the query.
    """
    return f"{{{str(list(numbers))[1:-1]}}}"
