"""Which peers are trusted proxies, and for whom they ask."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers

from evtrack.domain.errors import BadArgument
from evtrack.domain.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

IS_TRUSTED: Final = "evtrack.peer_is_trusted"
"""Where the scope of a request has whether its peer is a trusted proxy."""

_SCHEMES: Final = ("http", "https")
_OF_HOSTS: Final = ".-_:[]"


class TrustedProxies:
    """Addresses and networks of proxies whose headers count.

    Args:
        given: Each an address, or a network such as 10.0.0.0/8.

    Raises:
        BadArgument: One is neither.
    """

    def __init__(self, given: Iterable[str]) -> None:
        try:
            self._networks = [ip_network(each, strict=False) for each in given]
        except ValueError as error:
            raise BadArgument(
                f"Not an address or a network: {error}.", hint="Write it like 10.0.0.7 or 10.0.0.0/8."
            ) from None

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._networks)

    def __contains__(self, address: str) -> bool:
        """Whether an address is one of them."""
        found = parsed_address(address)
        return found is not None and any(found in network for network in self._networks)


class Forwarded:
    """An ASGI application around another one, which takes the client, the scheme and the host from trusted proxies.

    Args:
        app: The application.
        trusted: Whose headers count; those of all others are ignored.
    """

    def __init__(self, app: ASGIApp, trusted: TrustedProxies) -> None:
        self._app, self._trusted = app, trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http":
            peer = (scope.get("client") or ("", 0))[0]
            is_trusted = peer in self._trusted
            scope = {**scope, IS_TRUSTED: is_trusted}
            if is_trusted:
                scope |= self._told(Headers(scope=scope), scope, peer)
        await self._app(scope, receive, send)

    def _told(self, headers: Headers, scope: Scope, peer: str) -> Scope:
        told: Scope = {"client": (self._client(headers, peer), 0)}
        scheme = _last(headers, "x-forwarded-proto").lower()
        if scheme in _SCHEMES:
            told["scheme"] = scheme
        if host := _last(headers, "x-forwarded-host"):
            others = [(name, value) for name, value in scope["headers"] if name.lower() != b"host"]
            told["headers"] = [(b"host", host.encode("latin-1")), *others]
        return told

    def _client(self, headers: Headers, peer: str) -> str:
        """Return the last address that no trusted proxy has: what stands before it, anybody may have written."""
        for each in reversed(_listed(headers, "x-forwarded-for")):
            found = parsed_address(each)
            if found is None:
                break
            peer = str(found)
            if peer not in self._trusted:
                break
        return peer


def parsed_address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address, also one in brackets or with a port; an IPv4 address within IPv6 becomes what it is."""
    host = text
    if text.startswith("["):
        host = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        host = text.partition(":")[0]
    try:
        found = ip_address(host)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def allowed_hosts(names: Iterable[str], *, port: int) -> frozenset[str]:
    """Return the values of the header Host that are ours.

    Args:
        names: Names of this server besides those of loopback; one without a port stands for that port, too.
        port: The port that is served.

    Raises:
        BadArgument: A name is not the value of a header Host.
    """
    given = [name.strip().lower() for name in names]
    for name in given:
        if not name or not all(each.isascii() and (each.isalnum() or each in _OF_HOSTS) for each in name):
            raise BadArgument(
                f"Not a host name: {quoted(name)}.", hint="Write it like ops.example.org or ops.example.org:8443."
            )
    bare = ["localhost", "127.0.0.1", "[::1]", *(name for name in given if _has_no_port(name))]
    at_port = [f"{name}:{port}" for name in bare]
    # Browsers leave out the port that their scheme implies; behind a proxy, that is the proxy's.
    implied = bare if port in {80, 443} else bare[3:]
    return frozenset([*given, *at_port, *implied])


def _has_no_port(name: str) -> bool:
    return name.endswith("]") if name.startswith("[") else ":" not in name


def _last(headers: Headers, name: str) -> str:
    return (_listed(headers, name) or [""])[-1]


def _listed(headers: Headers, name: str) -> list[str]:
    return [part.strip() for value in headers.getlist(name) for part in value.split(",") if part.strip()]
