"""Whether the dashboard works, for load balancers: one word, and nothing more."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

import anyio
from starlette.responses import PlainTextResponse, Response

from evtrack.domain.errors import EvtrackError
from evtrack.storage.connection.session_facts import session_facts

if TYPE_CHECKING:
    from starlette.requests import Request

    from evtrack.runtime.live.reader_pool import ReaderPool

HEALTHZ_PATH: Final = "/healthz"
_FRESH_S: Final = 2.0
"""Anybody may ask; the database is asked no more often than this."""


class HealthEndpoint:
    """Answers whether the database can be read.

    Args:
        pool: Reads.
    """

    def __init__(self, pool: ReaderPool) -> None:
        self._pool = pool
        # Not one of the threads of the pages: whoever asks need not be logged in.
        self._thread = anyio.CapacityLimiter(1)
        self._asked_at, self._works = -_FRESH_S, False

    async def __call__(self, request: Request) -> Response:
        """Answer `ok`, or 503."""
        del request
        works = await anyio.to_thread.run_sync(self._ask, limiter=self._thread)
        return PlainTextResponse("ok\n") if works else PlainTextResponse("unavailable\n", 503)

    def _ask(self) -> bool:
        if monotonic() - self._asked_at >= _FRESH_S:
            try:
                self._pool.read(session_facts)
                self._works = True
            except EvtrackError:
                self._works = False
            self._asked_at = monotonic()
        return self._works
