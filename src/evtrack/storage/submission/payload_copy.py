"""Builds the rows of evtrack.payload in PostgreSQL's binary COPY format."""

from collections.abc import Iterable
from datetime import date
from struct import Struct

from evtrack.domain.column_types import INTEGER_MAX

_SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_EPOCH = date(2000, 1, 1)

# Number of fields, then each field behind its length: job_day, job_id, ordinal, batch_no, line, and the key's length.
_ROW = Struct(">hiiiqiiiiiii").pack
_ROW_WITHOUT_LINE = Struct(">hiiiqiiiiii").pack
_LENGTH = Struct(">i").pack
_FIELDS = 7
_ROW_BYTES = 58
_BLOCK_BYTES = 128 * 1024

# (line in its file, item key, the item as a line of JSON)
StoredItem = tuple[int | None, str, bytes]


class PayloadRows:
    """Gathers payload rows; building them here takes a third of the time that psycopg's write_row() takes."""

    def __init__(self, *, job_day: date, job_id: int) -> None:
        self._day = (job_day - _EPOCH).days
        self._job_id = job_id
        self._blocks: list[bytes] = []
        self._parts = [_SIGNATURE]
        self._begun_at = 0  # the size when the parts of the open block began
        self.size = 0

    def add(self, batch_no: int, first_ordinal: int, items: Iterable[StoredItem]) -> None:
        """Append the items of a batch.

        Args:
            first_ordinal: The ordinal of its first item.
        """
        day, job_id, append, size = self._day, self._job_id, self._parts.append, self.size
        for ordinal, (line, item_key, payload) in enumerate(items, first_ordinal):
            key = item_key.encode()
            if line is None or line > INTEGER_MAX:
                append(_ROW_WITHOUT_LINE(_FIELDS, 4, day, 8, job_id, 4, ordinal, 4, batch_no, -1, len(key)))
            else:
                append(_ROW(_FIELDS, 4, day, 8, job_id, 4, ordinal, 4, batch_no, 4, line, len(key)))
            append(key)
            append(_LENGTH(len(payload)))
            append(payload)
            size += _ROW_BYTES + len(key) + len(payload)
        self.size = size
        if size - self._begun_at >= _BLOCK_BYTES:
            self._close_block()

    def take(self) -> list[bytes]:
        """Return the rows as a whole COPY stream in blocks, and start over."""
        self._parts.append(_TRAILER)
        self._close_block()
        stream, self._blocks = self._blocks, []
        self._parts = [_SIGNATURE]
        self._begun_at = self.size = 0
        return stream

    def _close_block(self) -> None:
        # A row's four small objects take several times the memory of its bytes, so they do not wait for the chunk.
        self._blocks.append(b"".join(self._parts))
        self._parts = []
        self._begun_at = self.size
