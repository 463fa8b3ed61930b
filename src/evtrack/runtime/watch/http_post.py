"""HTTP posts within a bounded time, from the look-up of the host's name to the answer.

They use the standard library: one kind of request, no redirects, no session. The timeouts of HTTP libraries bound each
read, so a server that sends one byte at a time could hold them forever, and none bounds the look-up of a name.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from evtrack.domain.errors import BadArgument
from evtrack.runtime.watch.sink import SinkError

_GONE: Final = 410
_RETRY_AFTER_MAX_S: Final = 3600.0
_EXCERPT_BYTES: Final = 100
_POLL_S: Final = 0.05


class _Answer(NamedTuple):
    status: int
    retry_after: str | None
    text: str


class HttpPost:
    """Posts to one URL, one request at a time.

    Args:
        url: An http or https URL.
        option: The option that gave it, for error messages, which never show the URL.
        limit_s: How long a request may take, in total.

    Raises:
        BadArgument: The URL is not valid.
    """

    def __init__(self, url: str, *, option: str, limit_s: float) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise BadArgument(f"{option} is not a valid URL: {error}") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
            raise BadArgument(f"{option} must be http://HOST... or https://HOST..., without a user")
        if not (url.isascii() and url.isprintable()) or " " in url:
            raise BadArgument(f"{option} must be a URL of ASCII characters without spaces: write others as %XX")
        self.host = parts.hostname
        self.limit_s = limit_s
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = port or (443 if self._tls else 80)
        self.place = f"{self.host}:{self._port}"
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._host_header = parts.netloc
        self._socket: socket.socket | None = None
        self._cut = threading.Event()
        self._lookup: _Lookup | None = None

    def send(self, body: bytes, headers: dict[str, str]) -> None:
        """Post a body; a status from 200 to 299 means that it was accepted.

        Raises:
            SinkError: No answer in time, or another status.
        """
        late = threading.Event()

        def cut() -> None:
            late.set()
            self.abort()

        self._cut.clear()
        timer = threading.Timer(self.limit_s, cut)
        timer.daemon = True
        timer.start()
        try:
            answer = self._post(body, headers, monotonic() + self.limit_s)
        except (OSError, http.client.HTTPException) as error:
            # Only the host is shown: the URL may hold a token.
            # The socket has the same limit as the timer, and may reach it first.
            slow = late.is_set() or isinstance(error, TimeoutError)
            why = f"no answer within {self.limit_s:g} s" if slow else f"{type(error).__name__}: {error}"
            raise SinkError(f"{self.host}: {why}") from None
        finally:
            timer.cancel()
            if self._socket is not None:
                self._socket.close()
                self._socket = None
        if not _accepts(answer.status):
            raise SinkError(
                f"{self.host} answered {answer.status}{answer.text}",
                retry_after_s=_seconds(answer.retry_after),
                final=answer.status == _GONE,
            )

    def abort(self) -> None:
        """End the request in progress."""
        self._cut.set()
        cut = self._socket
        if cut is not None:
            with contextlib.suppress(OSError):
                cut.shutdown(socket.SHUT_RDWR)

    def _post(self, body: bytes, headers: dict[str, str], deadline: float) -> _Answer:
        self._socket = self._connected(deadline)
        if self._tls is not None:
            # The handshake runs later, so that abort() can close the socket during it.
            self._socket = self._tls.wrap_socket(self._socket, server_hostname=self.host, do_handshake_on_connect=False)
            self._socket.do_handshake()
        connection = http.client.HTTPConnection(self.host, self._port)
        connection.sock = self._socket
        connection.request("POST", self._path, body, {"Host": self._host_header, "Connection": "close", **headers})
        with contextlib.closing(connection.getresponse()) as response:
            # Of an answer that accepts it, nothing else counts.
            word = "" if _accepts(response.status) else _word(response)
            return _Answer(response.status, response.getheader("Retry-After"), word)

    def _connected(self, deadline: float) -> socket.socket:
        addresses = self._addresses(deadline)
        failure: OSError = TimeoutError("timed out")
        for left, (family, kind, protocol, _, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
            remaining = deadline - monotonic()
            if remaining <= 0 or self._cut.is_set():
                break
            self._socket = socket.socket(family, kind, protocol)
            try:
                # An address that does not answer leaves time for the others.
                self._socket.settimeout(remaining / left)
                self._socket.connect(address)
                self._socket.settimeout(max(0.001, deadline - monotonic()))
            except OSError as error:
                self._socket.close()
                # Its frames would keep what the caller opens until the next garbage collection.
                failure = error.with_traceback(None)
            else:
                return self._socket
        raise failure

    def _addresses(self, deadline: float) -> list[Any]:
        # A look-up cannot be interrupted, so that it runs on a thread that may be left behind: one at most.
        if self._lookup is None or not self._lookup.is_alive():
            self._lookup = _Lookup(self.host, self._port)
            self._lookup.start()
        lookup = self._lookup
        while lookup.is_alive() and monotonic() < deadline and not self._cut.is_set():
            lookup.join(_POLL_S)
        if lookup.is_alive():
            raise TimeoutError("the look-up of the host's name timed out")
        self._lookup = None
        if lookup.error is not None:
            raise lookup.error
        return lookup.found


class _Lookup(threading.Thread):
    """Looks up a host's addresses."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(name="evtrack-lookup", daemon=True)
        self.found: list[Any] = []
        self.error: OSError | None = None
        self._host, self._port = host, port

    def run(self) -> None:
        """Look them up."""
        try:
            self.found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError as error:
            self.error = error
        except UnicodeError:
            self.error = OSError("not a valid host name")


def _accepts(status: int) -> bool:
    """Return whether a status is what HTTP calls success."""
    return 200 <= status < 300  # noqa: PLR2004


def _word(response: http.client.HTTPResponse) -> str:
    """Return the answer if it is one word, as Slack's error codes are; other texts may repeat the URL."""
    try:
        text = response.read(_EXCERPT_BYTES).decode("ascii").strip()
    except (OSError, ValueError, http.client.HTTPException):
        return ""
    return f" {text}" if 0 < len(text) < _EXCERPT_BYTES and text.replace("_", "a").isalpha() and text.islower() else ""


def _seconds(retry_after: str | None) -> float:
    """Read the header Retry-After, which holds seconds or a date."""
    if retry_after is None:
        return 0.0
    try:
        if retry_after.strip().isdecimal():
            seconds = float(retry_after)
        else:
            at = parsedate_to_datetime(retry_after)
            seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - datetime.now(UTC).timestamp()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), _RETRY_AFTER_MAX_S)
