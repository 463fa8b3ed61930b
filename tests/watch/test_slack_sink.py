"""Slack as a sink: the form of its messages, within Slack's limits, and how they are posted."""

import json
import socket
from typing import Any

import pytest

from evtrack.domain.alerts.models import alert_from
from evtrack.domain.errors import BadArgument
from evtrack.runtime.watch.sink import SinkError
from evtrack.runtime.watch.slack_sink import SlackSink, escaped, slack_message
from webhook_server import ALERT, answering, request


def texts(message: Any) -> list[str]:
    """Return all texts of a message that Slack formats."""
    if isinstance(message, dict):
        return [text for name, value in message.items() for text in ([value] if name == "text" else []) + texts(value)]
    return [text for value in message for text in texts(value)] if isinstance(message, list) else []


def test_a_message_has_a_text_and_blocks() -> None:
    message = slack_message(ALERT)
    assert {"text", "blocks"} == set(message)
    assert "[error] batch_failed, job 3 batch 7" == message["text"]
    head, facts, foot = message["blocks"]
    assert ("section", "section", "context") == (head["type"], facts["type"], foot["type"])
    assert "*batch_failed*  job 3 batch 7" in head["text"]["text"]
    assert "```job_id: 3\nbatch_no: 7\nerror: ü```" == facts["text"]["text"]
    assert "`evtrack show 3 7`  alert 12, 2026-11-25 00:00:00 UTC" == foot["elements"][0]["text"]


def test_texts_are_escaped_and_within_slacks_limits() -> None:
    error = "<!channel> & ``` <https://example.com|here> " + "<&>" * 2000
    line = {**ALERT.line(), "error": error, "handler": "<@U1>&" * 500}
    more = {f"fact_{number}": error for number in range(40)}
    for alert in (alert_from(line), alert_from({**line, **more, "event": "of_tomorrow"})):
        message = slack_message(alert)
        for text in texts(message):
            if isinstance(text, str):
                assert len(text) <= 3000
                assert not {"<", ">"} & set(text)
                assert "&" not in text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
        assert 2 == message["blocks"][1]["text"]["text"].count("```"), "no value ends the block"
        assert len(json.dumps(message)) < 13_000


def test_the_only_link_is_that_to_its_page() -> None:
    alert = alert_from({**ALERT.line(), "error": "<https://example.com|here>"}).linked("https://ops.example.com")
    *others, foot = (text for text in texts(slack_message(alert)) if isinstance(text, str))
    assert foot.startswith("<https://ops.example.com/jobs/3/batches/7|page>  `evtrack show 3 7`")
    assert not any("<" in text or "ops.example.com" in text for text in others)


def test_a_cut_never_leaves_half_an_entity() -> None:
    assert "&lt;&lt;…" == escaped("<<<", 10)
    assert "abc" == escaped("abc", 4)


def test_a_message_is_posted_as_json() -> None:
    seen: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        seen.append(request(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with answering(answer) as url:
        SlackSink(url).send(ALERT)
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert b"Content-Type: application/json" in head
    assert slack_message(ALERT) == json.loads(body)


def test_slacks_error_codes_are_reported() -> None:
    def answer(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(b"HTTP/1.1 403 X\r\nContent-Length: 13\r\n\r\ninvalid_token")

    with answering(answer) as url, pytest.raises(SinkError, match=r"127\.0\.0\.1 answered 403 invalid_token"):
        SlackSink(url).send(ALERT)
    with pytest.raises(BadArgument, match="--slack must be"):
        SlackSink("hooks.slack.com/services/secret")
