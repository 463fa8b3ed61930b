"""Reads a .json file: one item, or the elements of an array, in bounded memory."""

from collections.abc import Iterable, Iterator

import msgspec

from evtrack.sources.array import ArrayScan
from evtrack.sources.record import MAX_ITEM_BYTES, Fault, Record, Records, not_utf8, too_large

_BOM = b"\xef\xbb\xbf"


def read_document(
    blocks: Iterable[bytes], *, offset: int = 0, line: int = 0, max_item_bytes: int = MAX_ITEM_BYTES
) -> Records:
    """Read a whole .json file.

    Args:
        blocks: The bytes from `offset` on.
        offset: Where they begin; above 0 it is behind an element of the file's array.
        line: How many elements went before.
        max_item_bytes: A larger item is a fault; it is skipped without being held.

    Yields:
        Groups of records. A document that is an array gives its elements, with their place in it, from 1, for a line;
        any other is one item without a line.
    """
    rest = iter(blocks)
    start = block = b""
    while not offset and not start:
        block = next(rest, b"")
        if not block:
            yield [(None, Fault("an empty file"), 0)]
            return
        start = block.removeprefix(_BOM).lstrip()
    if not offset and not start.startswith(b"["):
        yield [_single(start, rest, max_item_bytes)]
        return
    scan = ArrayScan(offset=offset, line=line, max_item_bytes=max_item_bytes)
    if start:
        scan = ArrayScan(offset=len(block) - len(start) + 1, line=0, max_item_bytes=max_item_bytes)
        yield [_flat(record) for record in scan.feed(start[1:])]
    for block in rest:
        yield [_flat(record) for record in scan.feed(block)]
    yield [_flat(record) for record in scan.finish()]


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
    if isinstance(item, Fault) and "trailing characters" in item.reason:
        item = Fault(f"{item.reason}; if it holds an item a line, name it .jsonl or give --format jsonl")
    return (None, item, size)


def _flat(record: Record) -> Record:
    line, item, end = record
    return record if isinstance(item, Fault) else (line, _one_line(item), end)


def _one_line(text: bytes) -> bytes | Fault:
    """Bring JSON text onto one line; numbers and strings stay as they were written."""
    try:
        text.decode()
        return msgspec.json.format(text, indent=-1) if b"\n" in text or b"\r" in text else text
    except UnicodeDecodeError as error:
        return not_utf8(error)
    except RecursionError:
        return Fault("nested too deeply")
    except msgspec.DecodeError as error:
        return Fault(f"broken JSON: {str(error).removeprefix('JSON is malformed: ').lower()}")
