"""The region of a shared page that holds the outcomes of completed batches, those last sent included."""

import mmap
import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

OUTCOME_BYTES: Final = 1 << 16
"""Room for outcomes: for some thousands without results."""

_WORDS: Final = 16
_USED: Final = 0
_SENT: Final = 1
_HEAD: Final = struct.Struct("=QdqdI")
_HEAD_BYTES: Final = _HEAD.size
_pack = _HEAD.pack_into
_NO_RESULT: Final = 2**32 - 1
_LONGEST_S: Final = 1e9

RING_BYTES: Final = _WORDS + OUTCOME_BYTES


class BatchOutcome(NamedTuple):
    """A completed batch.

    Args:
        seq: Its sequence number in the slot's life.
        run_s: Its run time.
        result: Its result lines, or None.
        peak_rss_bytes: Peak memory while it ran; 0 when it was not measured.
        cpu_s: CPU time that it used.
    """

    seq: int
    run_s: float
    result: bytes | None
    peak_rss_bytes: int = 0
    cpu_s: float = 0.0


class OutcomeRing:
    """Holds the outcomes that have not been sent, and before them those that were sent last.

    The supervisor of a dead slot needs the former; the successor of a dead worker needs both, because what was sent
    need not have reached the database.

    Args:
        memory: The page.
        start: Where the region begins in it.
    """

    __slots__ = ("_map", "_start", "_words")

    def __init__(self, memory: mmap.mmap | bytearray, start: int) -> None:
        self._map = memory
        self._words = memoryview(memory)[start : start + _WORDS].cast("Q")
        self._start = start + _WORDS

    def add(self, seq: int, run_s: float, result: bytes | None, peak_rss_bytes: int = 0, cpu_s: float = 0.0) -> bool:
        """Record that a batch is completed.

        Args:
            seq: Its sequence number in the slot's life.
            run_s: Its run time.
            result: Its result lines, or None.
            peak_rss_bytes: Peak memory while it ran; 0 when it was not measured.
            cpu_s: CPU time that it used.

        Returns:
            Whether there was room. There is again after `clear`, unless the result is too large.
        """
        words = self._words
        used = words[_USED]
        size = _HEAD_BYTES if result is None else _HEAD_BYTES + len(result)
        if used + size > OUTCOME_BYTES:
            if used != words[_SENT] or size > OUTCOME_BYTES:
                return False
            words[_USED] = words[_SENT] = used = 0
        at = self._start + used
        if result is None:
            _pack(self._map, at, seq, run_s, peak_rss_bytes, cpu_s, _NO_RESULT)
        else:
            _pack(self._map, at, seq, run_s, peak_rss_bytes, cpu_s, len(result))
            self._map[at + _HEAD_BYTES : at + size] = result
        # Last, so that a death in between leaves no partial entry.
        words[_USED] = used + size
        return True

    def clear(self) -> None:
        """Record that all outcomes have been sent; their room may be used again."""
        self._words[_SENT] = self._words[_USED]

    def read(self) -> list[BatchOutcome]:
        """Read the outcomes that may not have been sent.

        Returns:
            The batches, in order; empty when they are inconsistent: a dying process may have written anywhere.
        """
        found = self._read(self._words[_SENT])
        # A failed batch comes between two completed ones only after the first is sent.
        return found if all(after.seq == before.seq + 1 for before, after in pairwise(found)) else []

    def latest(self) -> list[BatchOutcome]:
        """Read all outcomes that are still recorded, sent or not.

        Returns:
            The batches, in order; empty when they are inconsistent.
        """
        return self._read(0)

    def release(self) -> None:
        """Let go of the page, which can be closed then."""
        self._words.release()

    def _read(self, start: int) -> list[BatchOutcome]:
        try:
            return list(self._entries(self._start + start, self._start + self._words[_USED]))
        except ValueError:
            return []

    def _entries(self, at: int, end: int) -> Iterator[BatchOutcome]:
        if end > self._start + OUTCOME_BYTES:
            raise ValueError
        while at < end:
            if at + _HEAD_BYTES > end:
                raise ValueError
            seq, run_s, peak_rss_bytes, cpu_s, size = _HEAD.unpack_from(self._map, at)
            at += _HEAD_BYTES
            result = None
            if size != _NO_RESULT:
                at += size
                result = bytes(self._map[at - size : at])
            if at > end or not 0 <= run_s < _LONGEST_S or peak_rss_bytes < 0 or not 0 <= cpu_s < _LONGEST_S:
                raise ValueError
            yield BatchOutcome(seq, run_s, result, peak_rss_bytes, cpu_s)
