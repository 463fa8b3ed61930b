"""Reads CSV with a header row; each row is an item: a JSON object whose values are strings."""

import csv
from collections.abc import Iterable

import msgspec

from evtrack.sources.lines import read_lines
from evtrack.sources.records import MAX_ITEM_BYTES, InvalidItem, Record, Records, too_large

# A quoted field may contain line breaks. A row with more lines than this has an unclosed quote.
_MAX_ROW_LINES = 10_000


def read_csv(
    blocks: Iterable[bytes], *, offset: int = 0, line: int = 0, max_item_bytes: int = MAX_ITEM_BYTES
) -> Records:
    """Read CSV.

    Args:
        blocks: The bytes of the whole file, because a resumed submission needs the header too.
        offset: Skip rows that end here or before.
        line: Ignored, because all lines are read.
        max_item_bytes: A larger row is invalid.

    Yields:
        Groups of records; a row's line is its first one.
    """
    del line
    csv.field_size_limit(max(csv.field_size_limit(), max_item_bytes))
    header: list[str] | None = None
    row = _RowBuilder(max_item_bytes)
    for group in read_lines(blocks, max_item_bytes=max_item_bytes, keep_empty=True):
        records: list[Record] = []
        for number, text, end in group:
            fields = row.add_line(number or 0, text)
            if fields is None or fields == []:
                continue
            if header is None:
                header, invalid = _header(fields)
                if invalid:
                    yield [(number, invalid, end)]
                    return
            elif end > offset:
                records.append((row.first, _item(header, fields, max_item_bytes), end))
        yield records
    if row.is_open:
        yield [(row.first, InvalidItem("a quote is never closed"), offset)]


class _RowBuilder:
    """Collects the lines of one row: a single line, unless a quoted field contains line breaks."""

    def __init__(self, max_bytes: int) -> None:
        self._lines: list[str] = []
        self._size = 0
        self._max_bytes = max_bytes
        self.first = 0

    @property
    def is_open(self) -> bool:
        """Whether a row has started but not ended."""
        return bool(self._lines)

    def add_line(self, number: int, text: bytes | InvalidItem) -> list[str] | InvalidItem | None:
        """Add a line; return the row's fields, or what is wrong with it, or None if it continues on the next line."""
        if not self._lines:
            self.first = number
            self._size = 0
        if isinstance(text, InvalidItem):
            self._lines = []
            return text
        self._size += len(text) + 1
        if len(self._lines) >= _MAX_ROW_LINES or self._size > self._max_bytes:
            self._lines = []
            return InvalidItem("a quote is not closed within the size limit of a row")
        self._lines.append(text.decode())
        if len(self._lines) > 1 and b'"' not in text:
            return None
        try:
            rows = list(csv.reader(["\n".join(self._lines)], strict=True))
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                return None
            self._lines = []
            return InvalidItem(f"broken CSV: {error}")
        self._lines = []
        return rows[0] if rows else []


def _header(fields: list[str] | InvalidItem) -> tuple[list[str], InvalidItem | None]:
    if isinstance(fields, InvalidItem):
        return [], InvalidItem(f"invalid header row: {fields.reason}")
    names = [field.strip() for field in fields]
    if len(names) == 1 and (other := next((separator for separator in "\t;" if separator in names[0]), None)):
        # Each row would silently become an item with a single field.
        return [], InvalidItem(
            f"the header row has one column, {names[0]!r}: use commas, not {other!r}, between fields"
        )
    for place, name in enumerate(names):
        if not name:
            return [], InvalidItem(f"the header row has no name for column {place + 1}")
        if name in names[:place]:
            return [], InvalidItem(f"the header row has two columns named {name!r}")
    return names, None


def _item(header: list[str], fields: list[str] | InvalidItem, max_bytes: int) -> bytes | InvalidItem:
    if isinstance(fields, InvalidItem):
        return fields
    if len(fields) != len(header):
        return InvalidItem(f"the row has {len(fields)} fields, but the header has {len(header)}")
    item = msgspec.json.encode(dict(zip(header, fields, strict=True)))
    return item if len(item) <= max_bytes else too_large(len(item), max_bytes)
