"""Output of handlers becomes log lines with their batch and item, escaped and limited."""

import json
from itertools import groupby
from operator import itemgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from evtrack.domain.log_names import HANDLER_LOG, HANDLER_OUTPUT, HANDLER_OUTPUT_SUPPRESSED
from evtrack.runtime.slot.output import FACTS, TEXT
from evtrack.runtime.worker.slots import handler_output
from evtrack.runtime.worker.slots.handler_output import LINE_CHARACTERS, HandlerOutput, OutputParser, OutputTag
from slot_driver import SlotDriver, claimed_batch, run_times, slot, slot_setup

NOW = 10.0


KEY = b"0123456789abcdef"


def mark(seq: int, place: int, kind: str = TEXT, key: bytes = KEY) -> bytes:
    return b"\x1eevtrack:%s:%d:%d:%s\x1f" % (key, seq, place, kind.encode())


END = b"\x1eevtrack:%s:\x1f" % KEY


class Output:
    """The output of a slot that holds one batch of two items, number 1 in its life."""

    def __init__(self) -> None:
        held = claimed_batch({}, {}, batch_no=3)
        self.output = HandlerOutput(pid=4711, find_batch=lambda seq: held if seq == 1 else None)

    def told(self, data: bytes, *, place: int | None = 0, kind: str = TEXT, now: float = NOW) -> list[dict[str, Any]]:
        with capture_logs() as logs:
            self.output.add(OutputTag(1, place, kind), data, now, is_whole=kind != TEXT)
        return [dict(entry) for entry in logs]


@pytest.fixture
def out() -> Output:
    return Output()


def test_an_output_line_names_its_batch_and_item(out: Output) -> None:
    assert [] == out.told(b"hel")
    (entry,) = out.told(b"lo\nrest")
    expected = {
        "event": HANDLER_OUTPUT,
        "log_level": "info",
        "line": "hello",
        "job_id": 7,
        "batch_no": 3,
        "attempt": 1,
        "handler": "scripted",
        "item_key": "k1",
        "slot_pid": 4711,
    }
    assert expected == entry


def test_a_line_without_an_item_names_its_batch_and_without_a_batch_its_slot(out: Output) -> None:
    (of_batch,) = out.told(b"a\n", place=None)
    assert 3 == of_batch["batch_no"]
    assert "item_key" not in of_batch
    with capture_logs() as logs:
        out.output.add(OutputTag(2, 0, TEXT), b"b\n", NOW)
    assert [{"event": HANDLER_OUTPUT, "log_level": "info", "line": "b", "slot_pid": 4711}] == logs


def test_a_partial_line_ends_with_its_item(out: Output) -> None:
    out.told(b"of k1", place=0)
    first, second = out.told(b"of k2\n", place=1)
    assert [("of k1", "k1"), ("of k2", "k2")] == [(e["line"], e["item_key"]) for e in (first, second)]


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (b"a\r\nb\rc\n", ["a", "b", "c"]),
        (b"\n \r\n", []),
        (b"\x1b[31mred\x1b[0m\a\n", ["\\x1b[31mred\\x1b[0m\\x07"]),
        ("\x9b2J \u202e\u2028 ü\n".encode(), ["\\x9b2J \\u202e\\u2028 ü"]),
        (b"\xff\xfe\0\n", ["��\\x00"]),
    ],
)
def test_line_breaks_end_lines_and_escape_sequences_are_neutralised(
    out: Output, printed: bytes, shown: list[str]
) -> None:
    assert shown == [entry["line"] for entry in out.told(printed)]


def test_a_long_line_is_cut_and_its_rest_is_dropped(out: Output) -> None:
    lines = [entry["line"] for _ in range(100) for entry in out.told(b"x" * 1000)]
    assert [LINE_CHARACTERS] == [len(line) for line in lines]
    assert lines[0].endswith("x…")
    assert ["after"] == [entry["line"] for entry in out.told(b"xx\nafter\n")]


def test_lines_above_the_rate_limit_are_only_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler_output, "LINES_A_SECOND", 2)
    out = Output()
    assert ["1", "2"] == [entry["line"] for entry in out.told(b"1\n2\n3\n4\n")]
    assert [] == out.told(b"5\n", now=NOW + 0.9)
    with capture_logs() as logs:
        out.output.tick(NOW + 1)
    assert [(HANDLER_OUTPUT_SUPPRESSED, 3)] == [(entry["event"], entry["lines"]) for entry in logs]
    assert ["6"] == [entry["line"] for entry in out.told(b"6\n", now=NOW + 1)]
    with capture_logs() as logs:
        out.output.add(OutputTag(1, 0, TEXT), b"7\n8\n9", NOW + 1)
        out.output.close()
    assert ["7", None] == [entry.get("line") for entry in logs]
    assert 2 == logs[-1]["lines"]


def test_a_record_keeps_its_level_and_is_one_line(out: Output) -> None:
    (entry,) = out.told(b"my.module: bad\nTraceback: deep\n", kind="e")
    assert (HANDLER_LOG, "error", "my.module: bad\\nTraceback: deep") == (
        entry["event"],
        entry["log_level"],
        entry["message"],
    )


def test_keys_of_a_record_cannot_replace_those_of_the_worker(out: Output) -> None:
    said = {"event": "parsed", "level": "warning", "job_id": 99, "worker_id": 1, "n": 5, "deep": {"a": [1]}}
    (entry,) = out.told(json.dumps(said).encode() + b"\n", kind=FACTS)
    assert ("parsed", "warning", 7) == (entry["message"], entry["log_level"], entry["job_id"])
    assert {"worker_id": 1, "n": 5, "deep": '{"a": [1]}'} == entry["facts"]
    assert [HANDLER_OUTPUT] == [entry["event"] for entry in out.told(b"{no json\n", kind=FACTS)]


@given(st.data())
def test_markers_are_found_wherever_the_pipe_cuts_them(data: st.DataObject) -> None:
    parts = [
        (None, b"native\n"),
        ((12, 0, "t"), b"first"),
        ((12, 4, "w"), b"second\n"),
        (None, b"\x1e no mark \x1f"),
        ((13, None, "j"), b"{}\n"),
    ]
    stream = b"".join(
        text if tag is None else mark(tag[0], 0 if tag[1] is None else tag[1] + 1, tag[2]) + text + END
        for tag, text in parts
    )
    stream = KEY + stream
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    unmarked, found = OutputParser(), []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += list(unmarked.pieces(stream[begin:end]))
    whole = [(tag, b"".join(piece for _, piece, _ in run)) for tag, run in groupby(found, key=itemgetter(0))]
    assert parts == whole
    assert [tag for tag, _ in parts if tag] == [tag for tag, _, is_end in found if tag and is_end]
    assert b"" == unmarked.rest()


def test_text_that_only_starts_like_a_marker_is_kept() -> None:
    unmarked = OutputParser()
    assert [(None, b"a", False)] == list(unmarked.pieces(KEY + b"a\x1eevtr"))
    assert b"\x1eevtr" == unmarked.rest()


@pytest.mark.parametrize(
    "forged", [b"\x1eevtrack:1:2:j\x1f", mark(1, 2, "j", b"fedcba9876543210"), b"\x1eevtrack:\x1f"]
)
def test_what_is_printed_cannot_pass_for_a_mark(forged: bytes) -> None:
    parser = OutputParser()
    assert [(None, b"a" + forged + b"b", False)] == list(parser.pieces(KEY + b"a" + forged + b"b"))


FORGED = '\x1eevtrack:\x1f\x1eevtrack:1:2:j\x1f{"event": "password rejected", "level": "error"}\x1eevtrack:\x1f'


@pytest.mark.parametrize("how", ["print", "print natively", "print by a child", "print the marks of another line"])
def test_a_document_that_holds_marks_forges_no_line(how: str) -> None:
    with slot() as one:
        entries = lines_of(one, {"how": how, "text": FORGED}, handler="printer")
    assert {(HANDLER_OUTPUT, "info", "k1")} == {(e["event"], e["log_level"], e["item_key"]) for e in entries}
    assert "password rejected" in "".join(entry["line"] for entry in entries)


def lines_of(one: SlotDriver, *items: Any, handler: str = "scripted") -> list[dict[str, Any]]:
    with capture_logs() as logs:
        one.give(claimed_batch(*items, handler=handler))
        one.receive(1)
    return [dict(entry) for entry in logs]


@pytest.mark.parametrize(
    ("do", "expected"),
    [
        ("print", (HANDLER_OUTPUT, "info", "hello from k2")),
        ("print to stderr", (HANDLER_OUTPUT, "info", "trouble at k2")),
        ("print natively", (HANDLER_OUTPUT, "info", "native at k2")),
        ("log by logging", (HANDLER_LOG, "warning", "misbehaving_handlers: odd k2")),
        ("log", (HANDLER_LOG, "info", "said")),
    ],
)
def test_every_kind_of_output_names_the_current_item(do: str, expected: tuple[str, str, str]) -> None:
    with slot() as one:
        (entry,) = lines_of(one, {}, {"do": do})
        found = (entry["event"], entry["log_level"], entry.get("line", entry.get("message")))
        assert expected == found
        assert (7, 1, 1, "k2") == tuple(entry[name] for name in ("job_id", "batch_no", "attempt", "item_key"))
        text = str(expected[2]) if do != "log" else '"event": "said"'
        assert text in one.process.stderr.tail
        assert "\x1e" not in one.process.stderr.tail


def test_lines_of_quick_batches_are_not_mixed_up() -> None:
    with slot() as one, capture_logs() as logs:
        rows = [claimed_batch({"do": "print"}, batch_no=number, first=number) for number in range(1, 41)]
        one.give(*rows)
        while len(run_times(one.frames)) < 40:
            one.receive(len(one.frames) + 1)
        found = [(entry["batch_no"], entry["item_key"], entry["line"]) for entry in logs]
    assert [(n, f"k{n}", f"hello from k{n}") for n in range(1, 41)] == found


def test_the_stderr_of_a_program_is_logged() -> None:
    with slot(slot_setup(talker=["sh", "-c", "cat >&2; echo done >&2"])) as one:
        entries = lines_of(one, {"a": 1}, handler="talker")
    assert ['{"a":1}', "done"] == [entry["line"] for entry in entries]
    assert {("talker", 1, "k1")} == {(e["handler"], e["batch_no"], e["item_key"]) for e in entries}


def test_printing_frames_on_stdout_does_not_break_the_protocol() -> None:
    with slot() as one:
        entries = lines_of(one, {"do": "print frames"})
        assert 1 == len(one.frames)
        assert entries
        assert all("\x00" not in entry["line"] for entry in entries)


def test_a_silent_handler_writes_nothing() -> None:
    with slot() as one:
        entries = lines_of(one, {}, {})
        assert ([], "") == (entries, one.process.stderr.tail)
