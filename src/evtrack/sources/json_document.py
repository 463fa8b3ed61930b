"""Reads a .json file, which is one item or an array of items, in bounded memory."""

from collections.abc import Iterable, Iterator

import msgspec

from evtrack.sources.json_array import JsonArrayScanner
from evtrack.sources.records import MAX_ITEM_BYTES, InvalidItem, Record, Records, not_utf8, too_large

_BOM = b"\xef\xbb\xbf"


def read_json(
    blocks: Iterable[bytes], *, offset: int = 0, line: int = 0, max_item_bytes: int = MAX_ITEM_BYTES
) -> Records:
    """Read a .json file.

    Args:
        blocks: The bytes from `offset` on.
        offset: Where they begin; if above 0, just after an element of the file's array.
        line: How many elements came before.
        max_item_bytes: A larger item is invalid; it is skipped without being held in memory.

    Yields:
        Groups of records. The elements of an array have their position in it, from 1, as their line; any other document
        is one item without a line.
    """
    rest = iter(blocks)
    start = block = b""
    while not offset and not start:
        block = next(rest, b"")
        if not block:
            yield [(None, InvalidItem("the file is empty"), 0)]
            return
        start = block.removeprefix(_BOM).lstrip()
    if not offset and not start.startswith(b"["):
        yield [_single(start, rest, max_item_bytes)]
        return
    scan = JsonArrayScanner(offset=offset, line=line, max_item_bytes=max_item_bytes)
    if start:
        scan = JsonArrayScanner(offset=len(block) - len(start) + 1, line=0, max_item_bytes=max_item_bytes)
        yield [_one_line_record(record) for record in scan.feed(start[1:])]
    for block in rest:
        yield [_one_line_record(record) for record in scan.feed(block)]
    yield [_one_line_record(record) for record in scan.finish()]


def _single(start: bytes, rest: Iterator[bytes], max_item_bytes: int) -> Record:
    held, size = [start], len(start)
    for block in rest:
        size += len(block)
        if size <= max_item_bytes:
            held.append(block)
        else:
            held.clear()
    if size > max_item_bytes:
        return (None, too_large(size, max_item_bytes), size)
    item = _one_line(b"".join(held).strip())
    if isinstance(item, InvalidItem) and "trailing characters" in item.reason:
        item = InvalidItem(f"{item.reason}; if each line is an item, name the file .jsonl or use --format jsonl")
    return (None, item, size)


def _one_line_record(record: Record) -> Record:
    line, item, end = record
    return record if isinstance(item, InvalidItem) else (line, _one_line(item), end)


def _one_line(text: bytes) -> bytes | InvalidItem:
    """Put JSON text on one line; numbers and strings stay as they were written."""
    try:
        text.decode()
        return msgspec.json.format(text, indent=-1) if b"\n" in text or b"\r" in text else text
    except UnicodeDecodeError as error:
        return not_utf8(error)
    except RecursionError:
        return InvalidItem("nested too deeply")
    except msgspec.DecodeError as error:
        return InvalidItem(f"broken JSON: {str(error).removeprefix('JSON is malformed: ').lower()}")
