"""A webhook as a sink: a signed POST for each alert, within a bounded time.

It uses the standard library: one kind of request, no redirects, no session. The timeouts of HTTP libraries bound each
read, so a server that sends one byte at a time could hold them forever. Here a timer closes the socket.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hmac
import http.client
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from evtrack.domain.errors import BadArgument
from evtrack.runtime.watch.sink_thread import SinkError
from evtrack.version import __version__

if TYPE_CHECKING:
    from evtrack.domain.alerts import Alert

LIMIT_S: Final = 10.0
"""How long a request may take, from the connection to the answer."""

_AGAIN: Final = frozenset({408, 425, 429})
"""Status codes below 500 that are worth a retry."""

_PREFIX: Final = "whsec_"


class WebhookSink:
    """Posts each alert as JSON; a status from 200 to 299 means that it was accepted.

    The headers are those of Standard Webhooks: webhook-id, webhook-timestamp and, with a secret, webhook-signature,
    which is `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.

    Args:
        url: An http or https URL.
        secret: The signing secret; None for no signature. After the prefix `whsec_` it is base64, as in the libraries
            of receivers.
        limit_s: How long a request may take.

    Raises:
        BadArgument: The URL or the secret is not valid; the message shows neither.
    """

    name = "webhook"

    def __init__(self, url: str, *, secret: str | None = None, limit_s: float = LIMIT_S) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise BadArgument(f"--webhook is not a valid URL: {error}") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
            raise BadArgument("--webhook must be http://HOST... or https://HOST..., without a user")
        self._host, self._tls = parts.hostname, ssl.create_default_context() if parts.scheme == "https" else None
        self._port = port or (443 if self._tls else 80)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._header_host = parts.netloc
        self._secret = None if secret is None else _key(secret)
        self._limit_s = limit_s
        self._socket: socket.socket | None = None

    def send(self, alert: Alert) -> None:
        """Post one alert.

        Raises:
            SinkError: No answer in time, or a status other than 200 to 299.
        """
        body = alert.text().encode()
        late = threading.Event()

        def cut() -> None:
            late.set()
            self.abort()

        timer = threading.Timer(self._limit_s, cut)
        timer.daemon = True
        timer.start()
        try:
            status = self._post(body, self._headers(alert.alert_id, body))
        except (OSError, http.client.HTTPException) as error:
            # Only the host is shown: the URL may hold a token.
            # The socket has the same limit as the timer, and may reach it first.
            slow = late.is_set() or isinstance(error, TimeoutError)
            why = f"no answer within {self._limit_s:g} s" if slow else f"{type(error).__name__}: {error}"
            raise SinkError(f"{self._host}: {why}") from None
        finally:
            timer.cancel()
            if self._socket is not None:
                self._socket.close()
                self._socket = None
        if not 200 <= status < 300:  # noqa: PLR2004  what HTTP calls success
            raise SinkError(f"{self._host} answered {status}", again=status >= 500 or status in _AGAIN)  # noqa: PLR2004  the server's own fault

    def abort(self) -> None:
        """Close the connection."""
        cut = self._socket
        if cut is not None:
            with contextlib.suppress(OSError):
                cut.shutdown(socket.SHUT_RDWR)

    def _post(self, body: bytes, headers: dict[str, str]) -> int:
        self._socket = socket.create_connection((self._host, self._port), timeout=self._limit_s)
        if self._tls is not None:
            # The handshake runs later, so that abort() can close the socket during it.
            self._socket = self._tls.wrap_socket(
                self._socket, server_hostname=self._host, do_handshake_on_connect=False
            )
            self._socket.do_handshake()
        connection = http.client.HTTPConnection(self._host, self._port)
        connection.sock = self._socket
        connection.request("POST", self._target, body, headers)
        return connection.getresponse().status

    def _headers(self, alert_id: int, body: bytes) -> dict[str, str]:
        number, now = f"alert_{alert_id}", str(int(time.time()))
        headers = {
            "Host": self._header_host,
            "Content-Type": "application/json",
            "User-Agent": f"evtrack/{__version__}",
            "Connection": "close",
            "webhook-id": number,
            "webhook-timestamp": now,
        }
        if self._secret is not None:
            signed = hmac.digest(self._secret, f"{number}.{now}.".encode() + body, "sha256")
            headers["webhook-signature"] = f"v1,{base64.b64encode(signed).decode()}"
        return headers


def _key(secret: str) -> bytes:
    if not secret:
        raise BadArgument("the webhook's secret is empty")
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise BadArgument("the webhook's secret starts with whsec_, but the rest is not valid base64") from None
