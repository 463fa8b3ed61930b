"""What readers of hostile bytes must keep, whatever the bytes: shared by short tests and the coverage-guided fuzzer.

Each target takes bytes. The first one says how the rest is cut into pieces, as a pipe or a file might deliver it.
"""

import json
import struct
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import groupby, pairwise
from typing import Any

import msgspec
from structlog.testing import capture_logs

from evtrack.domain.claimed_batch import ClaimedBatch
from evtrack.domain.log_names import HANDLER_LOG, HANDLER_OUTPUT, HANDLER_OUTPUT_SUPPRESSED
from evtrack.runtime.slot.framing import FrameReader
from evtrack.runtime.slot.output import FACTS, KEY_BYTES, TEXT
from evtrack.runtime.slot.page.assigned_batches import ASSIGNED_BYTES
from evtrack.runtime.slot.protocol import FromSlot
from evtrack.runtime.slot.shared_page import PAGE_BYTES, RESULT_BYTES, SharedPage
from evtrack.runtime.worker.slots.handler_output import HandlerOutput, OutputParser, OutputTag
from evtrack.runtime.worker.state.batches_at_death import batches_at_death, batches_on_page
from evtrack.sources.json_array import JsonArrayScanner
from evtrack.sources.lines import read_lines, read_text_lines
from evtrack.sources.records import Record

KEY = b"0123456789abcdef"
assert len(KEY) == KEY_BYTES
LIMIT = 40
"""Most bytes of an item, so that short inputs reach it."""

_HELD = ClaimedBatch(7, 3, 1, b"h", b"{[1,3)}", b"k1\nk2", b"{}\n{}", None, None)


def pieces(data: bytes) -> tuple[bytes, list[bytes]]:
    """Return the bytes behind the first, whole and cut."""
    size, whole = (data[0] % 16) + 1 if data else 1, data[1:]
    cuts = [*range(0, len(whole), size), len(whole)]
    return whole, [whole[begin:end] for begin, end in pairwise(cuts)]


def frames(data: bytes) -> None:
    """Frames of a slot: read whatever the cuts, or refused by a ValueError and nothing else."""

    def read(blocks: list[bytes]) -> tuple[list[bytes], bool]:
        reader, found = FrameReader(FromSlot), []
        for block in blocks:
            reader.feed(block)
            try:
                found.extend(msgspec.msgpack.encode(frame) for frame in reader.frames())
            except ValueError:
                return found, True
        return found, False

    whole, cut = pieces(data)
    # The second is a frame in any case.
    assert read([whole]) == read(cut)
    read([len(whole).to_bytes(4, "big") + whole])


def marks(data: bytes) -> None:
    """Output of a slot: its pieces are the same whatever the cuts, and nothing but the marks is lost."""

    def read(blocks: list[bytes]) -> list[tuple[OutputTag | None, bytes]]:
        parser = OutputParser()
        found = [piece for block in blocks for piece in parser.pieces(block)]
        found.append((found[-1][0] if found else None, parser.rest(), False))
        runs = groupby(((tag, text) for tag, text, _ in found if text), key=lambda each: each[0])
        return [(tag, b"".join(text for _, text in run)) for tag, run in runs]

    whole, cut = pieces(data)
    found = read([KEY + whole])
    assert found == read([KEY, *cut])
    if b"\x1eevtrack:" + KEY not in whole:
        assert [(None, whole)] == found or not whole
    _log_lines(found)


def _log_lines(found: list[tuple[OutputTag | None, bytes]]) -> None:
    output = HandlerOutput(pid=4711, find_batch=lambda seq: _HELD if seq == 1 else None)
    with capture_logs() as logs:
        for tag, text in found:
            output.add(tag or OutputTag(1, None, TEXT), text, 1.0, is_whole=tag is not None and tag.kind != TEXT)
        output.add(OutputTag(1, 0, FACTS), found[-1][1] if found else b"", 1.0, is_whole=True)
        output.close()
    assert {entry["event"] for entry in logs} <= {HANDLER_OUTPUT, HANDLER_LOG, HANDLER_OUTPUT_SUPPRESSED}
    for entry in logs:
        assert entry.get("job_id", 7) == 7, "no line names another job than the slot holds"
        assert json.dumps(entry.get("facts", ""), allow_nan=False)
        assert all(isinstance(text, int) or "\n" not in text for text in entry.values() if not isinstance(text, dict))


def array(data: bytes) -> None:
    """A JSON array: the same elements whatever the cuts, and those of a parser where it is valid."""

    def read(blocks: list[bytes]) -> Iterator[Record]:
        scanner = JsonArrayScanner(offset=0, line=0, max_item_bytes=LIMIT)
        for block in blocks:
            yield from scanner.feed(block)
        yield from scanner.finish()

    whole, cut = pieces(data)
    found = list(read([whole]))
    # Text after the end is reported with its block.
    assert [record[:2] for record in found] == [record[:2] for record in read(cut)]
    with suppress(ValueError, RecursionError):
        values = json.loads(b"[" + whole)
        assert values == [_value(text) for _, text, _ in found] or any(not isinstance(r[1], bytes) for r in found)


def _value(text: Any) -> Any:
    return json.loads(text) if isinstance(text, bytes) else None


def lines(data: bytes) -> None:
    """Lines: the same whatever the cuts, with ascending numbers and offsets."""
    whole, cut = pieces(data)
    for read in (read_lines, read_text_lines, partial(read_lines, keep_empty=True)):
        found = [record for group in read([whole], max_item_bytes=LIMIT) for record in group]
        assert found == [record for group in read(cut, max_item_bytes=LIMIT) for record in group]
        for (first, _, end), (second, _, later) in pairwise(found):
            assert (first or 0) < (second or 0)
            assert end < later
        assert not found or found[-1][2] <= len(whole)


def page(data: bytes) -> None:
    """The page that a slot shares with its supervisor: user code may have written anywhere on it."""
    content = bytearray(PAGE_BYTES)
    for place, text in zip((0, 256, 256 + RESULT_BYTES, PAGE_BYTES - ASSIGNED_BYTES), data.split(b"||"), strict=False):
        content[place : place + len(text)] = text
    shared = SharedPage(-1, content=content[:PAGE_BYTES])
    shared.postpone(1.5)
    outcomes = shared.outcomes.read() + shared.outcomes.latest()
    assert all(0 <= each.run_s < 1e9 and each.peak_rss_bytes >= 0 for each in outcomes)
    assert list(shared.results()) == sorted(shared.results())
    key, ordinal = _HELD.item(shared.item)
    assert (key, ordinal) in {("k1", 1), ("k2", 2), (None, None)}
    batches_at_death(batches_on_page(shared), {(7, 3, 1): [1, 2]})


TARGETS = {"page": page, "frames": frames, "marks": marks, "array": array, "lines": lines}

_WORDS = struct.pack("=3Qd2Q", 1, 1, 0, 1.0, 9, 12)

SEEDS = {
    "page": [
        _WORDS + b"||" + struct.pack("=II", 0, 1) + b"1||" + struct.pack("=QQQdqdI", 32, 0, 1, 0.5, 0, 0.0, 0),
        _WORDS + b"||||||" + struct.pack("=QqiiQqii", 0, 0, 0, 0, 1, 7, 3, 1),
        b"\xff" * 120 + b"||" + b"\xff" * 40 + b"||" + b"\xff" * 60 + b"||" + b"\xff" * 48,
    ],
    "frames": [
        b"\x03\x94\xa6failed\x01\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00\xa1x",
        b"\x05\x95\xa4done\x01\x91\xcb\x3f\xe0\x00\x00\x00\x00\x00\x00\x91\xc4\x011\x90",
        b"\x07\x93\xa5ready\x81\xa1a\xa4item\x00",
        b"\x09\x96\xa4done\x01\x90\xc0\x90" + b"\x91" * 3000 + b"\xc0",
    ],
    "marks": [
        b"\x03\x1eevtrack:" + KEY + b':1:2:j\x1f{"event": "a", "n": NaN}\n\x1eevtrack:' + KEY + b":\x1fplain\r\n",
        b"\x05\x1eevtrack:\x1f\x1eevtrack:1:2:j\x1f{}\x1eevtrack:\x1f",
    ],
    "array": [b'\x03{"a": "\\"]"}, [1, [2]], "x,y" ,]', b"\x02 1,,2] x", b'\x01"\\u005d", {}]'],
    "lines": [
        b"\x03\xef\xbb\xbfa\r\n\n\xff\n" + b"x" * 50 + b"\nlast",
        # At the limit, with a carriage return; above it, but white space; above it with a mark of the byte order.
        b"\x03" + b"x" * LIMIT + b"\r\n" + b" " * 60 + b"\nlast\r",
        b"\x03\xef\xbb\xbf" + b"x" * LIMIT + b"\r\n" + b"y" * (LIMIT + 1) + b"\r",
        b"\x03\xef\xbb\xbf" + b"x" * (LIMIT + 1) + b"\r\n",
    ],
}
