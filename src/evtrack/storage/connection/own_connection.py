"""A connection that evtrack opened itself: it can bound how long the server stays silent."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.waiting import READY_NONE

if TYPE_CHECKING:
    from types import TracebackType

    from psycopg.abc import PQGen

T = TypeVar("T")


class OwnConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection, what it was opened with, and whether it goes through a pooler."""

    behind_pooler: bool = False
    opened_with: tuple[str, str] = ("", "")
    answer_s: float | None = None
    """How long the server may stay silent while an answer is due; None for as long as it takes."""

    def wait(self, gen: PQGen[T], *args: Any, **kwargs: Any) -> T:
        """Wait for whatever psycopg does on this connection: everything that it asks the server passes through here.

        Raises:
            OperationalError: The server stayed silent for too long; the connection is closed.
        """
        if self.answer_s is not None:
            gen = self._bounded(gen, self.answer_s)
        return super().wait(gen, *args, **kwargs)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection.

        Without a rollback after an error: the server rolls back what is open. psycopg would send one, and log a warning
        where that fails: after Ctrl-C in a statement, or with an iterator left in the middle of a transaction.
        """
        if error is not None:
            self.close()
        super().__exit__(kind, error, trace)

    def _bounded(self, gen: PQGen[T], answer_s: float) -> PQGen[T]:
        # psycopg looks up ten times a second while nothing arrives: only then does this read the clock.
        silent_since: float | None = None
        ready: Any = None
        while True:
            try:
                wanted = gen.send(ready)
            except StopIteration as end:
                answer: T = end.value
                return answer
            ready = yield wanted
            if ready != READY_NONE:
                silent_since = None
            elif silent_since is None:
                silent_since = monotonic()
            elif monotonic() - silent_since > answer_s:
                self.close()
                raise psycopg.OperationalError(f"the server has not answered for {answer_s:g} s")


def hang_up(conn: psycopg.Connection[Any]) -> None:
    """Have another thread that waits on a connection find it lost, at once and even if the server hangs.

    Args:
        conn: The connection; the caller sees to it that the other thread does not close it meanwhile.
    """
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(conn.fileno())) as its_socket:
        its_socket.shutdown(socket.SHUT_RDWR)
