"""The threads in which pages are made, because the database is read by threads alone."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from evtrack.runtime.live.reader_pool import WAIT_S, no_free_connection

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class PageThreads:
    """Makes so many pages at a time; who has to wait for too long is refused.

    Args:
        size: How many; as many as there are connections.
    """

    def __init__(self, size: int) -> None:
        self._places = anyio.CapacityLimiter(size)
        # The limiter of anyio's own is the host application's.
        self._threads = anyio.CapacityLimiter(math.inf)

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function in a thread.

        Args:
            function: What to call.
            *args: Its arguments.

        Returns:
            What it returns.

        Raises:
            NoFreeConnection: All were busy for two seconds.
        """
        borrower = object()
        try:
            with anyio.fail_after(WAIT_S):
                await self._places.acquire_on_behalf_of(borrower)
        except TimeoutError:
            raise no_free_connection() from None
        try:
            return await anyio.to_thread.run_sync(partial(function, *args), limiter=self._threads)
        finally:
            self._places.release_on_behalf_of(borrower)
