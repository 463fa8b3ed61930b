"""Slack as a sink: a message for each alert, in the form that Slack's incoming webhooks take."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from evtrack.domain.text import printable
from evtrack.runtime.watch.http_post import HttpPost
from evtrack.runtime.watch.sink import label_of
from evtrack.version import __version__

if TYPE_CHECKING:
    from evtrack.domain.alerts.alert import Alert

LIMIT_S: Final = 10.0
"""How long a request may take, from the look-up of the host's name to the answer."""

_TEXT_LIMIT: Final = 2900
"""Slack refuses a block whose text has more than 3,000 characters."""

_VALUE_LIMIT: Final = 300
_URL_LIMIT: Final = 2000
_SYMBOLS: Final = {"error": ":red_circle:", "warning": ":large_yellow_circle:"}
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_SUBJECT: Final = {"job_id": "job", "batch_no": "batch"}
_IN_HEAD: Final = frozenset({"timestamp", "level", "event", "alert_id", "next", "url"})


class SlackSink:
    """Posts each alert to an incoming webhook of Slack, or of another chat that takes the same form.

    Args:
        url: The webhook's URL, which is a secret.
        limit_s: How long a request may take.

    Raises:
        BadArgument: The URL is not valid; the message does not show it.
    """

    name = "slack"

    def __init__(self, url: str, *, limit_s: float = LIMIT_S) -> None:
        self._post = HttpPost(url, option="--slack", limit_s=limit_s)
        self.label = label_of(self.name, self._post.place, url)
        self.limit_s = limit_s

    def send(self, alert: Alert) -> None:
        """Post one alert.

        Raises:
            SinkError: No answer in time, or a status other than 200 to 299.
        """
        body = json.dumps(slack_message(alert)).encode()
        self._post.send(body, {"Content-Type": "application/json", "User-Agent": f"evtrack/{__version__}"})

    def abort(self) -> None:
        """End the request in progress."""
        self._post.abort()


def slack_message(alert: Alert) -> dict[str, Any]:
    """Write an alert as a message of Slack.

    Args:
        alert: The alert. None of its texts links to or mentions anything but its page.

    Returns:
        A text for notifications, and blocks: the kind with its subject, the facts, and the command to run next.
    """
    line = alert.line()
    facts = {name: value for name, value in line.items() if name not in _IN_HEAD}
    subject = " ".join(f"{what} {line[name]}" for name, what in _SUBJECT.items() if line.get(name) is not None)
    about = next((printable(line[name]) for name in ("handler", "worker", "job_name") if line.get(name)), "")
    title = ", ".join(part for part in (line["event"], subject, about) if part)
    head = f"{_SYMBOLS.get(alert.level, '')} *{escaped(line['event'], _VALUE_LIMIT)}*"
    rest = escaped(", ".join(part for part in (subject, about) if part), _VALUE_LIMIT)
    shown = "\n".join(f"{printable(name)}: {_value(value)}" for name, value in facts.items())
    blocks = [_section(f"{head}  {rest}")]
    if shown:
        blocks.append(_section(f"```{escaped(shown, _TEXT_LIMIT)}```"))
    at = f"{alert.timestamp:%Y-%m-%d %H:%M:%S %Z}"
    link = f"<{escaped(line['url'], _URL_LIMIT)}|page>  " if "url" in line else ""
    foot = f"{link}`{escaped(str(line['next']), _VALUE_LIMIT)}`  alert {alert.alert_id}, {at}"
    blocks.append({"type": "context", "elements": [_text(foot)]})
    return {"text": f"[{alert.level}] {escaped(title, _VALUE_LIMIT)}", "blocks": blocks}


def escaped(text: str, limit: int) -> str:
    """Escape a text as Slack asks for, and cut it.

    Args:
        text: The text; a back-quote would end what is shown as it is, so that it becomes an apostrophe.
        limit: How many characters the result may have.
    """
    pieces: list[str] = []
    left = limit - 1
    for character in text.replace("`", "'"):
        piece = _ENTITIES.get(character, character)
        left -= len(piece)
        if left < 0:
            pieces.append("…")
            break
        pieces.append(piece)
    return "".join(pieces)


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _text(text)}


def _text(text: str) -> dict[str, Any]:
    # Verbatim: Slack makes no links of addresses, channels and users in it.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _value(value: object) -> str:
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), _VALUE_LIMIT)
