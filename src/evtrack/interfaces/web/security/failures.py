"""Limits how often an address may fail to log in."""

from __future__ import annotations

from collections import deque
from ipaddress import IPv6Address, ip_network
from time import monotonic
from typing import TYPE_CHECKING, Final

from evtrack.interfaces.web.security.peers import parsed_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import HTTPConnection

MAX_FAILURES: Final = 10
SPAN_S: Final = 60.0

_MAX_ADDRESSES: Final = 10_000
_NETWORK_BITS: Final = 64
"""Whoever has one address of IPv6 has a network of them."""


class FailureLimit:
    """Counts failures by address; a try counts as one until it has succeeded, so that many at a time are counted, too.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._failures: dict[str, deque[float]] = {}

    def begin(self, request: HTTPConnection) -> bool:
        """Count a try.

        Returns:
            Whether it may be made.
        """
        address, now = _address(request), self._clock()
        failures = self._failures.pop(address, None) or deque(maxlen=MAX_FAILURES)
        while failures and now - failures[0] > SPAN_S:
            failures.popleft()
        may_try = len(failures) < MAX_FAILURES
        if may_try:
            failures.append(now)
        if len(self._failures) >= _MAX_ADDRESSES:
            del self._failures[next(iter(self._failures))]
        self._failures[address] = failures
        return may_try

    def succeeded(self, request: HTTPConnection) -> None:
        """Take back the latest try of an address."""
        failures = self._failures.get(_address(request))
        if failures:
            failures.pop()


def _address(request: HTTPConnection) -> str:
    host = request.client.host if request.client else ""
    found = parsed_address(host)
    if isinstance(found, IPv6Address):
        return str(ip_network((int(found), _NETWORK_BITS), strict=False))
    return host
