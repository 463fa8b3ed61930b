"""The region of a shared page in which the supervisor names the batches that it assigns to the slot."""

import mmap
import struct
from collections.abc import Iterable
from typing import Any, Final

ENTRIES: Final = 2048
"""How many batches are named: more than a slot ever holds."""

_ENTRY: Final = struct.Struct("=Qqii")
_pack = _ENTRY.pack

ASSIGNED_BYTES: Final = ENTRIES * _ENTRY.size


class AssignedBatches:
    """Names the batches that were assigned last, by their sequence numbers in the slot's life.

    Args:
        memory: The page.
        start: Where the region begins in it.
    """

    __slots__ = ("_map", "_start")

    def __init__(self, memory: mmap.mmap | bytearray, start: int) -> None:
        self._map = memory
        self._start = start

    def record(self, first: int, batches: Iterable[tuple[Any, ...]]) -> None:
        """Record assigned batches.

        Args:
            first: Sequence number of the first one.
            batches: The batches; each begins with its job, number and attempt.
        """
        entries = [_pack(seq, batch[0], batch[1], batch[2]) for seq, batch in enumerate(batches, first)]
        first += len(entries[:-ENTRIES])
        data = b"".join(entries[-ENTRIES:])
        place = first % ENTRIES * _ENTRY.size
        head = data[: ASSIGNED_BYTES - place]
        start = self._start
        self._map[start + place : start + place + len(head)] = head
        # Around the end, to the beginning.
        self._map[start : start + len(data) - len(head)] = data[len(head) :]

    def find(self, seq: int) -> tuple[int, int, int] | None:
        """Find an assigned batch.

        Args:
            seq: Its sequence number.

        Returns:
            Job, batch number and attempt; None when the page does not name it, or no longer.
        """
        found, job_id, batch_no, attempt = _ENTRY.unpack_from(self._map, self._start + seq % ENTRIES * _ENTRY.size)
        return (job_id, batch_no, attempt) if found == seq else None
