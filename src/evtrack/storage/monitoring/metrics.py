"""Reads figures for monitoring: sums that cost little, and attempts counted as the log grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from psycopg.rows import dict_row

from evtrack.storage.connection.connect import Connection, translated
from evtrack.storage.connection.statements import statement

if TYPE_CHECKING:
    from collections.abc import Sequence

STATEMENT_MS: Final = 2000
"""How long a statement may take: what is slower is given up, and asked again with the next scrape."""


class Present(NamedTuple):
    """How things stand now.

    Args:
        handlers: Items and batches by status, a row a handler.
        waiting: Jobs that wait, a row a handler and reason.
        workers: Workers and slots, a row a state.
        undelivered: Alerts that no watcher has delivered yet.
        lag_s: For how long the oldest of them waits.
    """

    handlers: list[dict[str, Any]]
    waiting: list[dict[str, Any]]
    workers: list[dict[str, Any]]
    undelivered: int
    lag_s: float


class Attempts(NamedTuple):
    """Attempts that ended alike.

    Args:
        handler: Their handler.
        outcome: completed, failed or crashed.
        cause: Of crashes: what ended the process.
        fits: Into how many buckets of the histogram each falls; None when it is not known how long they ran.
        attempts: How many.
        run_s: How long they ran, all together.
    """

    handler: str
    outcome: str
    cause: str | None
    fits: int | None
    attempts: int
    run_s: float


def present(connection: Connection) -> Present:
    """Read how things stand now.

    Args:
        connection: An open connection, in autocommit mode.
    """
    with translated(), connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(statement("bound_statements"), {"statement": STATEMENT_MS})
        handlers, waiting, workers, outbox = (
            cursor.execute(statement(name)).fetchall()
            for name in ("handler_sums", "waiting_sums", "worker_sums", "alert_outbox")
        )
    return Present(handlers, waiting, workers, outbox[0]["undelivered"], outbox[0]["lag_s"])


def horizon(connection: Connection) -> int:
    """Return the transaction below which all have ended.

    Args:
        connection: An open connection, in autocommit mode.
    """
    with translated():
        row = connection.execute(statement("horizon")).fetchone()
    assert row is not None  # noqa: S101  it is an aggregate
    return int(row[0])


def attempts_between(connection: Connection, lo: int, hi: int, *, bounds: Sequence[float]) -> list[Attempts]:
    """Count the attempts that a window of transactions recorded.

    Args:
        connection: An open connection, in autocommit mode.
        lo: The first transaction.
        hi: The first one after the window, not beyond the horizon.
        bounds: The upper bounds of a histogram of run times, rising.
    """
    values = {"lo": lo, "hi": hi, "bounds": [-bound for bound in reversed(bounds)]}
    with translated(), connection.transaction():
        connection.execute(statement("bound_statements"), {"statement": STATEMENT_MS})
        return [Attempts(*row) for row in connection.execute(statement("attempts_between"), values)]
