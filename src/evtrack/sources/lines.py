"""Splits blocks of bytes into lines in bounded memory, however long a line is."""

from collections.abc import Iterable

import msgspec

from evtrack.sources.records import MAX_ITEM_BYTES, InvalidItem, Record, Records, not_utf8, too_large

_BOM = b"\xef\xbb\xbf"


def read_lines(
    blocks: Iterable[bytes],
    *,
    offset: int = 0,
    line: int = 0,
    max_item_bytes: int = MAX_ITEM_BYTES,
    keep_empty: bool = False,
) -> Records:
    """Read lines, each of which is an item in JSON.

    Args:
        blocks: The bytes from `offset` on, in blocks of any size; an empty one means that nothing has arrived yet.
        offset: Where they begin in their file.
        line: How many lines came before.
        max_item_bytes: A longer line is invalid; it is skipped without being held in memory.
        keep_empty: Whether lines of white space are records too.

    Yields:
        A group of records for each block.
    """
    pieces: list[bytes] = []  # of a line whose end has not arrived
    held = 0  # its length; beyond the limit only the length is kept
    for block in blocks:
        first_end = block.find(b"\n")
        if first_end < 0:
            held += len(block)
            if held <= max_item_bytes:
                pieces.append(block)
            else:
                pieces.clear()
            yield []
            continue
        group: list[Record] = []
        if held + first_end > max_item_bytes:
            line += 1
            offset += held + first_end + 1
            group.append((line, too_large(held + first_end, max_item_bytes), offset))
            whole = block[first_end + 1 :]
        else:
            pieces.append(block)
            whole = b"".join(pieces) if len(pieces) > 1 else block
        lines = whole.split(b"\n")
        rest = lines.pop()
        pieces = [rest] if rest and len(rest) <= max_item_bytes else []
        held = len(rest)
        valid = whole.isascii() or _is_utf8(whole, len(rest))
        _append(group, lines, line, offset, valid=valid, limit=max_item_bytes, keep_empty=keep_empty)
        line += len(lines)
        offset += len(whole) - len(rest)
        yield group
    if held:
        group = []
        if held > max_item_bytes:
            group.append((line + 1, too_large(held, max_item_bytes), offset + held))
        else:
            # The last line has no line break.
            _append(group, [b"".join(pieces)], line, offset, valid=False, limit=max_item_bytes, keep_empty=keep_empty)
            group = [(number, item, end - 1) for number, item, end in group]
        yield group


def read_text_lines(
    blocks: Iterable[bytes], *, offset: int = 0, line: int = 0, max_item_bytes: int = MAX_ITEM_BYTES
) -> Records:
    """Read lines of plain text, each of which is an item: a JSON string. Skip empty lines.

    Args:
        blocks: The bytes from `offset` on.
        offset: Where they begin in their file.
        line: How many lines came before.
        max_item_bytes: A longer line is invalid.

    Yields:
        Groups of records.
    """
    for group in read_lines(blocks, offset=offset, line=line, max_item_bytes=max_item_bytes):
        yield [
            (number, text if isinstance(text, InvalidItem) else msgspec.json.encode(text.decode()), end)
            for number, text, end in group
        ]


def _append(
    group: list[Record], lines: list[bytes], line: int, end: int, *, valid: bool, limit: int, keep_empty: bool
) -> None:
    """Append the records of complete lines; `end` is the offset of the first one."""
    if line == 0 and end == 0 and lines and lines[0].startswith(_BOM):
        end += len(_BOM)
        lines[0] = lines[0][len(_BOM) :]
    for raw in lines:
        line += 1
        end += len(raw) + 1
        text = raw[:-1] if raw.endswith(b"\r") else raw
        item: bytes | InvalidItem = text
        if (not text or text.isspace()) and not keep_empty:
            continue
        if len(text) > limit:
            item = too_large(len(text), limit)
        elif not valid:
            try:
                text.decode()
            except UnicodeDecodeError as error:
                item = not_utf8(error)
        group.append((line, item, end))


def _is_utf8(whole: bytes, rest: int) -> bool:
    # Checking a block is far cheaper than checking each line. The last line may end inside a character.
    try:
        str(memoryview(whole)[: len(whole) - rest], "utf-8")
    except UnicodeDecodeError:
        return False
    return True
