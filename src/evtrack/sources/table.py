"""Reads CSV with a header row: each row is an item, a JSON object of strings."""

import csv
from collections.abc import Iterable

import msgspec

from evtrack.sources.lines import read_lines
from evtrack.sources.record import MAX_ITEM_BYTES, Fault, Record, Records, too_large

# A field may hold line breaks. More than this in one row is a quote that nobody closed.
_MAX_ROW_LINES = 10_000


def read_table(
    blocks: Iterable[bytes], *, offset: int = 0, line: int = 0, max_item_bytes: int = MAX_ITEM_BYTES
) -> Records:
    """Read CSV.

    Args:
        blocks: The bytes of the whole file: the header is needed also when a submission goes on.
        offset: Rows that end here or before are left out.
        line: Not needed here, since all lines are read.
        max_item_bytes: A larger row is a fault.

    Yields:
        Groups of records; a row's line is the one that it begins on.
    """
    del line
    csv.field_size_limit(max(csv.field_size_limit(), max_item_bytes))
    header: list[str] | None = None
    row = _Row(max_item_bytes)
    for group in read_lines(blocks, max_item_bytes=max_item_bytes, keep_empty=True):
        records: list[Record] = []
        for number, text, end in group:
            fields = row.add(number or 0, text)
            if fields is None or fields == []:
                continue
            if header is None:
                header, fault = _header(fields)
                if fault:
                    yield [(number, fault, end)]
                    return
            elif end > offset:
                records.append((row.first, _item(header, fields, max_item_bytes), end))
        yield records
    if row.is_open:
        yield [(row.first, Fault("a quote is opened and never closed"), offset)]


class _Row:
    """Gather the lines of one row: one, unless a quoted field goes on over the line's end."""

    def __init__(self, max_bytes: int) -> None:
        self._lines: list[str] = []
        self._size = 0
        self._max_bytes = max_bytes
        self.first = 0

    @property
    def is_open(self) -> bool:
        """Whether a row has begun and not ended."""
        return bool(self._lines)

    def add(self, number: int, text: bytes | Fault) -> list[str] | Fault | None:
        """Take a line; return the row that it ends, what is wrong with that row, or None when it goes on."""
        if not self._lines:
            self.first = number
            self._size = 0
        if isinstance(text, Fault):
            self._lines = []
            return text
        self._size += len(text) + 1
        if len(self._lines) >= _MAX_ROW_LINES or self._size > self._max_bytes:
            self._lines = []
            return Fault("a quote is opened and not closed for too long")
        self._lines.append(text.decode())
        if len(self._lines) > 1 and b'"' not in text:
            return None
        try:
            rows = list(csv.reader(["\n".join(self._lines)], strict=True))
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                return None
            self._lines = []
            return Fault(f"broken CSV: {error}")
        self._lines = []
        return rows[0] if rows else []


def _header(fields: list[str] | Fault) -> tuple[list[str], Fault | None]:
    if isinstance(fields, Fault):
        return [], Fault(f"the header row: {fields.reason}")
    names = [field.strip() for field in fields]
    if len(names) == 1 and (other := next((sign for sign in "\t;" if sign in names[0]), None)):
        # Each row would be an item of one field, and nobody would be told.
        return [], Fault(f"the header row has one column, {names[0]!r}: part fields with commas, not {other!r}")
    for place, name in enumerate(names):
        if not name:
            return [], Fault(f"the header row has no name for column {place + 1}")
        if name in names[:place]:
            return [], Fault(f"the header row has two columns named {name!r}")
    return names, None


def _item(header: list[str], fields: list[str] | Fault, max_bytes: int) -> bytes | Fault:
    if isinstance(fields, Fault):
        return fields
    if len(fields) != len(header):
        return Fault(f"the row has {len(fields)} fields, the header {len(header)}")
    item = msgspec.json.encode(dict(zip(header, fields, strict=True)))
    return item if len(item) <= max_bytes else too_large(len(item), max_bytes)
