"""Splits blocks of bytes into lines in bounded memory, however long a line is."""

from collections.abc import Iterable
from itertools import accumulate, count
from operator import add

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
    open_line = _OpenLine(max_item_bytes, may_have_bom=not line and not offset)
    for block in blocks:
        first_end = block.find(b"\n")
        if first_end < 0:
            open_line.add(block)
            yield []
            continue
        group: list[Record] = []
        held = open_line.held
        if held:
            open_line.add(block[:first_end])
        if open_line.is_too_long:
            line += 1
            offset += open_line.held + 1
            group += open_line.record(line, offset, keep_empty=keep_empty)
            whole = block[first_end + 1 :]
        else:
            whole = open_line.text + block[first_end:] if held else block
        lines = whole.split(b"\n")
        rest = lines.pop()
        valid = whole.isascii() or _is_utf8(whole, len(rest))
        if valid and _are_items(whole, lines, limit=max_item_bytes, keep_empty=keep_empty, first=not line):
            group += zip(count(line + 1), lines, map(add, accumulate(map(len, lines)), count(offset + 1)), strict=False)
        else:
            _append(group, lines, line, offset, valid=valid, limit=max_item_bytes, keep_empty=keep_empty)
        line += len(lines)
        offset += len(whole) - len(rest)
        open_line = _OpenLine(max_item_bytes, may_have_bom=False)
        if rest:
            open_line.add(rest)
        yield group
    if open_line.is_too_long:
        yield open_line.record(line + 1, offset + open_line.held, keep_empty=keep_empty)
    elif open_line.held:
        # The last line has no line break.
        group = []
        _append(group, [open_line.text], line, offset, valid=False, limit=max_item_bytes, keep_empty=keep_empty)
        yield [(number, item, end - 1) for number, item, end in group]


class _OpenLine:
    """The line whose end has not arrived. Beyond the limit only what is reported about it is kept.

    Args:
        limit: The most bytes of an item.
        may_have_bom: Whether it is the first line of its file.
    """

    def __init__(self, limit: int, *, may_have_bom: bool) -> None:
        # Neither a byte order mark nor a carriage return counts.
        self._most = limit + len(_BOM) + 1
        self._limit = limit
        self._may_have_bom = may_have_bom
        self._pieces: list[bytes] = []
        self._size = 0
        self._is_blank = False
        self._last = b""
        self.held = 0
        """Its length so far."""
        self.is_too_long = False

    @property
    def text(self) -> bytes:
        """The line so far."""
        return b"".join(self._pieces)

    def add(self, piece: bytes) -> None:
        """Add what has arrived of it."""
        self.held += len(piece)
        if not self.is_too_long:
            self._pieces.append(piece)
            if self.held <= self._most:
                return
            self.is_too_long = True
            piece = self.text.removeprefix(_BOM) if self._may_have_bom else self.text
            self._is_blank = True
            self._pieces.clear()
        self._size += len(piece)
        self._is_blank = self._is_blank and (not piece or piece.isspace())
        self._last = piece[-1:] or self._last

    def record(self, line: int, end: int, *, keep_empty: bool) -> list[Record]:
        """Return the record of a line that is too long, or none if it is only white space."""
        if self._is_blank and not keep_empty:
            return []
        return [(line, too_large(self._size - (self._last == b"\r"), self._limit), end)]


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


def _are_items(whole: bytes, lines: list[bytes], *, limit: int, keep_empty: bool, first: bool) -> bool:
    """Return whether each line as it stands is an item; looking at all of them at once is far cheaper."""
    if (
        b"\r" in whole
        or (first and whole.startswith(_BOM))
        or (len(whole) > limit and max(map(len, lines), default=0) > limit)
    ):
        return False
    return keep_empty or (all(lines) and not any(map(bytes.isspace, lines)))


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
