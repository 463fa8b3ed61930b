"""No record of a handler harms it, its item or the worker, whatever it holds."""

import json
import math
from typing import Any

import pytest
from structlog.testing import capture_logs

from evtrack.domain.log_names import HANDLER_LOG, HANDLER_OUTPUT, HANDLER_OUTPUT_UNREADABLE
from evtrack.domain.log_values import bounded, json_record
from evtrack.interfaces.logs import configure_logs
from evtrack.runtime.slot.output import FACTS, RECORD_BYTES
from evtrack.runtime.slot.protocol import BatchesDone, Setup
from evtrack.runtime.worker.slots import handler_output
from evtrack.runtime.worker.slots.handler_output import HandlerOutput, OutputTag
from slot_driver import claimed_batch, slot
from workers import HANDLER_DIRECTORY


def nested(depth: int) -> Any:
    value: Any = "leaf"
    for _ in range(depth):
        value = [value]
    return value


class Broken:
    """A value that cannot be shown."""

    def __repr__(self) -> str:
        """Fail."""
        raise ValueError("no")


VALUES: dict[str, Any] = {
    "deep": nested(980),
    "very deep": nested(100_000),
    "long": list(range(1_000_000)),
    "wide": {f"k{number}": number for number in range(100_000)},
    "huge": 10**5000,
    "nan": math.nan,
    "infinite": -math.inf,
    "surrogate": "a\ud800b",
    "bytes": b"\xff\xfe",
    "broken": Broken(),
    "text": "ü" * 1_000_000,
    "set": {1},
    "odd keys": {None: 1, (1, 2): 2, "\ud800": 3, 1.5: 4},
}


@pytest.mark.parametrize("name", VALUES)
def test_any_value_becomes_a_record_of_bounded_length(name: str) -> None:
    line = json_record({"event": "parsed", "fact": VALUES[name], "last": 1}, RECORD_BYTES)
    assert len(line.encode("utf-8", "backslashreplace")) <= RECORD_BYTES
    read = json.loads(line, parse_constant=pytest.fail)
    assert "parsed" == read["event"]


def test_ordinary_values_stay_as_they_are() -> None:
    value = {"a": [1, 2.5, None, True, "ü"], "b": {"c": -(2**63)}}
    assert value == bounded(value, RECORD_BYTES)
    assert '{"a": [1, 2.5, null, true, "ü"], "b": {"c": -9223372036854775808}}' == json_record(value, RECORD_BYTES)


def test_what_is_cut_says_so() -> None:
    cut = bounded(list(range(200)), 10_000)
    assert isinstance(cut, list)
    assert (101, 0, "… 100 more") == (len(cut), cut[0], cut[-1])
    assert "abcd…" == bounded("abcdef", 8)


def logged(data: bytes) -> list[dict[str, Any]]:
    held = claimed_batch({}, batch_no=3)
    output = HandlerOutput(pid=4711, find_batch=lambda seq: held if seq == 1 else None)
    with capture_logs() as logs:
        output.add(OutputTag(1, 0, FACTS), data + b"\n", 10.0, is_whole=True)
    return [dict(entry) for entry in logs]


@pytest.mark.parametrize(
    ("text", "event"),
    [
        (b'{"event": "parsed", "tree": ' + b"[" * 400 + b"]" * 400 + b"}", HANDLER_LOG),
        (b'{"event": "parsed", "tree": ' + b"[" * 3800 + b"]" * 3800 + b"}", HANDLER_OUTPUT),
        (b'{"event": {"a": ' + b"[" * 400 + b"]" * 400 + b"}}", HANDLER_LOG),
        (b'{"event": "parsed", "n": ' + b"9" * 5000 + b"}", HANDLER_OUTPUT),
        (b'{"event": "parsed", "n": ' + b"9" * 4000 + b"}", HANDLER_LOG),
        (b'{"event": "parsed", "n": NaN, "m": -Infinity, "level": [], "timestamp": {}}', HANDLER_LOG),
        (b'{"event": "\\ud800", "\\udfff": "\\ud800"}', HANDLER_LOG),
        (b'{"event": "parsed", "x": "\xff\xfe"}', HANDLER_LOG),
    ],
)
def test_no_line_of_a_slot_ends_the_worker(text: bytes, event: str, capsys: pytest.CaptureFixture[str]) -> None:
    (entry,) = logged(text)
    assert event == entry["event"]
    configure_logs(log_format="json")
    held = claimed_batch({})
    output = HandlerOutput(pid=1, find_batch=lambda _: held)
    output.add(OutputTag(1, 0, FACTS), text + b"\n", 10.0, is_whole=True)
    (line,) = capsys.readouterr().err.splitlines()
    assert event == json.loads(line, parse_constant=pytest.fail)["event"]


def test_a_line_that_cannot_be_logged_is_counted_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler_output, "_fact", lambda _: 1 // 0)
    (entry,) = logged(b'{"event": "parsed", "n": 1}')
    expected = (HANDLER_OUTPUT_UNREADABLE, '{"event": "parsed", "n": 1}', "ZeroDivisionError", 4711)
    assert expected == (entry["event"], entry["line"], entry["error"], entry["slot_pid"])


@pytest.mark.crash
@pytest.mark.parametrize("name", ["deep", "long", "huge", "nan", "surrogate", "broken", "reserved"])
def test_a_handler_may_log_anything(name: str) -> None:
    with slot(Setup(["log_handlers"], {}, [], HANDLER_DIRECTORY)) as one, capture_logs() as logs:
        one.give(claimed_batch({"name": name}, handler="logs"))
        (frame,) = one.receive(1)
        assert isinstance(frame, BatchesDone), frame
        entries = [entry for entry in logs if entry["event"] == HANDLER_LOG]
        assert ["parsed"] == [entry["message"] for entry in entries]
        assert entries[0]["facts"]
        if name == "reserved":
            assert {"event_": "e", "level_": "l", "timestamp_": "t"}.items() <= entries[0]["facts"].items()
