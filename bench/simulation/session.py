"""A connection that a selector drives, so that one thread keeps hundreds of them busy."""

from __future__ import annotations

import re
import select
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from psycopg.errors import DeadlockDetected, LockNotAvailable
from psycopg.pq import DiagnosticField, ExecStatus

from evtrack.storage.connection.connect import behind_pooler
from evtrack.storage.connection.sql_files import statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg.pq.abc import PGconn, PGresult

    from evtrack.storage.connection.connect import Connection

_LOCKS: Final = {each.sqlstate.encode() for each in (DeadlockDetected, LockNotAvailable)}
_PARAMETER: Final = re.compile(r"%\((\w+)\)s|%%")


class Call(NamedTuple):
    """A statement to run.

    Args:
        name: Its file in sql/queries/, without .sql.
        values: Its parameters; arrays as PostgreSQL writes them.
    """

    name: str
    values: Mapping[str, Any]


class LocksTaken(Exception):
    """Others held locks for too long: the statement was cancelled, and may be repeated."""


class Session:
    """Sends statements and collects their results, without ever waiting. Results are binary.

    Args:
        conn: Nothing else may use it from now on; closing it ends the session.
    """

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self._pgconn: PGconn = conn.pgconn
        self._pgconn.nonblocking = 1
        self._pgconn.enter_pipeline_mode()
        # Like a worker: each statement is prepared, and behind a pooler none.
        self._prepares = not behind_pooler(conn)
        self._prepared: set[str] = set()
        self._results: list[PGresult] = []
        self._error: LocksTaken | None = None
        self.is_busy = False
        """Whether results are due."""

    def fileno(self) -> int:
        """Return the descriptor of its socket."""
        return self._pgconn.socket

    def send(self, calls: Sequence[Call]) -> None:
        """Send statements, which form one transaction.

        Args:
            calls: The statements.
        """
        assert not self.is_busy
        self.is_busy = True
        for call in calls:
            text, names = _positional(call.name)
            values = [_encoded(call.values[name]) for name in names]
            if not self._prepares:
                self._pgconn.send_query_params(text, values, result_format=1)
                continue
            if call.name not in self._prepared:
                self._prepared.add(call.name)
                self._pgconn.send_prepare(call.name.encode(), text)
            self._pgconn.send_query_prepared(call.name.encode(), values, result_format=1)
        self._pgconn.pipeline_sync()
        while self._pgconn.flush():
            select.select([], [self._pgconn.socket], [], 1)

    def receive(self) -> list[PGresult] | None:
        """Read what has arrived.

        Returns:
            The results with rows, one for each statement; None while some are missing.

        Raises:
            LocksTaken: The statements were cancelled because of locks.
            RuntimeError: The server reports another error.
        """
        self._pgconn.consume_input()
        while self.is_busy and not self._pgconn.is_busy():
            result = self._pgconn.get_result()
            if result is None:
                continue
            if result.status == ExecStatus.TUPLES_OK:
                self._results.append(result)
            elif result.status == ExecStatus.PIPELINE_SYNC:
                self.is_busy = False
            elif result.error_field(DiagnosticField.SQLSTATE) in _LOCKS:
                self._error = LocksTaken()
            elif result.status not in {ExecStatus.COMMAND_OK, ExecStatus.PIPELINE_ABORTED}:
                raise RuntimeError(result.error_message.decode("utf-8", "replace"))
        if self.is_busy:
            return None
        results, self._results = self._results, []
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return results

    def has_notification(self) -> bool:
        """Return whether a notification has arrived since the last call."""
        self._pgconn.consume_input()
        found = False
        while self._pgconn.notifies() is not None:
            found = True
        return found


def _encoded(value: Any) -> bytes | None:
    return None if value is None else str(value).encode()


_texts: dict[str, tuple[bytes, list[str]]] = {}


def _positional(name: str) -> tuple[bytes, list[str]]:
    """Return a statement of evtrack's with numbered parameters, and their names."""
    if name not in _texts:
        names: list[str] = []

        def number(found: re.Match[str]) -> str:
            parameter = found[1]
            if parameter is None:
                return "%"
            if parameter not in names:
                names.append(parameter)
            return f"${names.index(parameter) + 1}"

        _texts[name] = _PARAMETER.sub(number, statement(name)).encode(), names
    return _texts[name]
