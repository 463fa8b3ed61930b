"""Reads of one moment: what a page shows comes from one snapshot, within a bounded time, and its cost is counted."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Self

import psycopg
from psycopg import IsolationLevel
from psycopg.rows import Row

from evtrack.domain.database_errors import StorageError
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.connection.sql_files import statement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evtrack.storage.connection.connect import Connection

STATEMENT_S: Final = 2.0
"""How long a statement of a snapshot may run; when all have run for so long, no other one begins."""

LOCK_S: Final = 0.5
"""How long it may wait for a lock."""

_CANCELLED: Final = "57014"


@dataclass(slots=True)
class ReadCost:
    """What a snapshot has cost so far: its statements, and the seconds that they took."""

    statements: int = 0
    seconds: float = 0.0


@contextmanager
def snapshot(conn: Connection) -> Iterator[ReadCost]:
    """Read from one moment of the database, and change nothing.

    Args:
        conn: In autocommit mode, and in no transaction.

    Yields:
        The cost, which grows with each statement; what limits the transaction is not in it.

    Raises:
        TransientError: The connection was lost, or a lock was waited for too long.
        StorageError: It took too long, or a statement failed.
    """
    cost = ReadCost()
    before = conn.cursor_factory, conn.isolation_level, conn.read_only
    limits = {"lock": f"{LOCK_S * 1000:.0f}", "statement": f"{STATEMENT_S * 1000:.0f}"}
    try:
        conn.isolation_level, conn.read_only = IsolationLevel.REPEATABLE_READ, True
        with translated(), conn.transaction():
            conn.execute(statement("bound_snapshot"), limits)
            conn.cursor_factory = _counted(cost)
            yield cost
    except StorageError as error:
        if error.sqlstate != _CANCELLED:
            raise
        raise StorageError(f"took longer than {STATEMENT_S:g} s, and was stopped", sqlstate=_CANCELLED) from error
    finally:
        conn.cursor_factory = before[0]
        if not conn.closed:
            conn.isolation_level, conn.read_only = before[1:]


def _counted(cost: ReadCost) -> type[psycopg.Cursor[Any]]:
    class CountedCursor(psycopg.Cursor[Row]):
        """Adds its statements to the cost."""

        def execute(self, *args: Any, **kwargs: Any) -> Self:
            if cost.seconds > STATEMENT_S:
                raise psycopg.errors.QueryCanceled
            begun = perf_counter()
            try:
                super().execute(*args, **kwargs)
            finally:
                cost.statements += 1
                cost.seconds += perf_counter() - begun
            return self

    return CountedCursor
