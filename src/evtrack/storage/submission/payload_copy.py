"""Builds the rows of evtrack.payload in PostgreSQL's binary COPY format."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import chain, count, repeat
from struct import Struct

from evtrack.domain.column_types import INTEGER_MAX

_SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_EPOCH = date(2000, 1, 1)

# All rows of a job begin with the number of fields, then job_day and job_id, each behind its length, and the length of
# the ordinal. After that: the ordinal, then batch_no and line, each behind its length, and the length of the key.
_ROW_START = Struct(">hiiiqi").pack
_ROW = Struct(">26siiiiii").pack
_ROW_WITHOUT_LINE = Struct(">26siiiii").pack
_LENGTH = Struct(">i").pack
_FIELDS = 7
_ROW_BYTES = 54
_BLOCK_BYTES = 128 * 1024

# (line in its file, item key, the item as a line of JSON)
StoredItem = tuple[int | None, str, bytes]


class PayloadRows:
    """Gathers payload rows, without a loop over them in Python: psycopg's write_row() takes four times as long."""

    def __init__(self, *, job_day: date, job_id: int) -> None:
        self._start = _ROW_START(_FIELDS, 4, (job_day - _EPOCH).days, 8, job_id, 4)
        self._blocks: list[bytes] = []
        self._parts = [_SIGNATURE]
        self._begun_at = 0  # the size when the parts of the open block began
        self.size = 0

    def add(self, first_batch_no: int, first_ordinal: int, batches: Sequence[Sequence[StoredItem]]) -> None:
        """Append the items of consecutive batches.

        Args:
            first_batch_no: The number of the first batch.
            first_ordinal: The ordinal of its first item.
        """
        lines, item_keys, payloads = zip(*chain.from_iterable(batches), strict=True)
        keys = list(map(str.encode, item_keys))
        batch_nos = chain.from_iterable(map(repeat, count(first_batch_no), map(len, batches)))
        lengths = map(_LENGTH, map(len, payloads))
        heads = self._heads(count(first_ordinal), batch_nos, lines, map(len, keys))
        self._parts += chain.from_iterable(zip(heads, keys, lengths, payloads, strict=True))
        self.size += len(keys) * _ROW_BYTES + sum(map(len, keys)) + sum(map(len, payloads))
        if self.size - self._begun_at >= _BLOCK_BYTES:
            self._close_block()

    def take(self) -> list[bytes]:
        """Return the rows as a whole COPY stream in blocks, and start over."""
        self._parts.append(_TRAILER)
        self._close_block()
        stream, self._blocks = self._blocks, []
        self._parts = [_SIGNATURE]
        self._begun_at = self.size = 0
        return stream

    def _heads(
        self, ordinals: Iterator[int], batch_nos: Iterator[int], lines: Sequence[int | None], key_sizes: Iterator[int]
    ) -> Iterator[bytes]:
        """Return what comes before the key in each row."""
        start, four = repeat(self._start), repeat(4)
        numbers = [line for line in lines if line is not None and line <= INTEGER_MAX]
        if len(numbers) == len(lines):
            return map(_ROW, start, ordinals, four, batch_nos, four, numbers, key_sizes)
        return (
            _ROW_WITHOUT_LINE(self._start, ordinal, 4, batch_no, -1, key_size)
            if line is None or line > INTEGER_MAX
            else _ROW(self._start, ordinal, 4, batch_no, 4, line, key_size)
            for ordinal, batch_no, line, key_size in zip(ordinals, batch_nos, lines, key_sizes, strict=False)
        )

    def _close_block(self) -> None:
        # A row's four small objects take several times the memory of its bytes, so they do not wait for the chunk.
        self._blocks.append(b"".join(self._parts))
        self._parts = []
        self._begun_at = self.size
