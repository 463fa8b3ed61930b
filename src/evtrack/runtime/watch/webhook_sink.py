"""A webhook as a sink: a post for each alert, signed as Standard Webhooks defines, within a bounded time."""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from typing import TYPE_CHECKING, Final

from evtrack.domain.errors import BadArgument
from evtrack.runtime.watch.http_post import HttpPost
from evtrack.runtime.watch.sink import label_of
from evtrack.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evtrack.domain.alerts.alert import Alert

LIMIT_S: Final = 10.0
"""How long a request may take, from the look-up of the host's name to the answer."""

_PREFIX: Final = "whsec_"


class WebhookSink:
    """Posts each alert as JSON; a status from 200 to 299 means that it was accepted.

    The headers are those of Standard Webhooks: webhook-id, webhook-timestamp and, with a secret, webhook-signature.
    The id of an alert is the same at each attempt, so that a receiver can tell a repetition.

    Args:
        url: An http or https URL.
        secret: The signing secret; None for no signature. After the prefix `whsec_` it is base64, as in the libraries
            of receivers. While secrets are rotated: several with this prefix, separated by spaces.
        limit_s: How long a request may take.

    Raises:
        BadArgument: The URL or the secret is not valid; the message shows neither.
    """

    name = "webhook"

    def __init__(self, url: str, *, secret: str | None = None, limit_s: float = LIMIT_S) -> None:
        self._post = HttpPost(url, option="--webhook", limit_s=limit_s)
        self._keys = [] if secret is None else _keys(secret)
        self.label = label_of(self.name, self._post.place, url)
        self.limit_s = limit_s

    def send(self, alert: Alert) -> None:
        """Post one alert.

        Raises:
            SinkError: No answer in time, or a status other than 200 to 299.
        """
        body = alert.text().encode()
        number, now = f"alert_{alert.alert_id}", int(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"evtrack/{__version__}",
            "webhook-id": number,
            "webhook-timestamp": str(now),
        }
        if self._keys:
            headers["webhook-signature"] = signatures(number, now, body, self._keys)
        self._post.send(body, headers)

    def abort(self) -> None:
        """End the request in progress."""
        self._post.abort()


def signatures(number: str, timestamp: int, body: bytes, keys: Sequence[bytes]) -> str:
    """Sign a message as Standard Webhooks does.

    Args:
        number: The message's id.
        timestamp: The time of the attempt, in seconds since 1970.
        body: The message.
        keys: The secrets.

    Returns:
        A signature for each key, separated by spaces: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
    """
    signed = f"{number}.{timestamp}.".encode() + body
    return " ".join(f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}" for key in keys)


def _keys(secret: str) -> list[bytes]:
    if not secret.strip():
        raise BadArgument("the webhook's secret is empty")
    if not secret.startswith(_PREFIX):
        return [secret.encode()]
    words = secret.split()
    keys = [_decoded(word.removeprefix(_PREFIX)) for word in words if word.startswith(_PREFIX)]
    if len(keys) < len(words) or None in keys:
        raise BadArgument("the webhook's secret starts with whsec_, but the rest is not valid base64")
    return [key for key in keys if key is not None]


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
