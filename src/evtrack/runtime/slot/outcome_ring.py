"""The part of a slot's shared page that holds the outcomes of completed batches until they are sent."""

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import mmap

OUTCOME_BYTES: Final = 1 << 16
"""Room for outcomes."""

# Two words before the outcomes: how many bytes are used, and the sequence number of the first batch.
RING_BYTES: Final = 16 + OUTCOME_BYTES
"""Size of the part."""

_USED: Final = 0
_FIRST: Final = 1
_HEAD: Final = struct.Struct("=dqdI")
_HEAD_BYTES: Final = _HEAD.size
_pack = _HEAD.pack_into
_NO_RESULT: Final = 2**32 - 1
_LONGEST_S: Final = 1e9


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
    """Holds the outcomes of batches that follow each other. The slot writes, the supervisor reads when it has ended.

    Args:
        page: The slot's shared page.
        at: Where the part begins, a multiple of 8.
    """

    __slots__ = ("_at", "_page", "_words")

    def __init__(self, page: "mmap.mmap", at: int) -> None:
        self._page = page
        self._words = memoryview(page)[at : at + 16].cast("Q")
        self._at = at + 16

    def add(self, seq: int, run_s: float, result: bytes | None, peak_rss_bytes: int = 0, cpu_s: float = 0.0) -> bool:
        """Record that a batch is completed.

        Args:
            seq: Its sequence number in the slot's life: the next one since `clear`.
            run_s: Its run time.
            result: Its result lines, or None.
            peak_rss_bytes: Peak memory while it ran; 0 when it was not measured.
            cpu_s: CPU time that it used.

        Returns:
            Whether there was room.
        """
        words = self._words
        used = words[_USED]
        body = used + _HEAD_BYTES
        end = body if result is None else body + len(result)
        if end > OUTCOME_BYTES:
            return False
        at = self._at
        if not used:
            words[_FIRST] = seq
        if result is None:
            _pack(self._page, at + used, run_s, peak_rss_bytes, cpu_s, _NO_RESULT)
        else:
            _pack(self._page, at + used, run_s, peak_rss_bytes, cpu_s, len(result))
            self._page[at + body : at + end] = result
        # Last, so that a death in between leaves no partial entry.
        words[_USED] = end
        return True

    def read(self) -> list[BatchOutcome]:
        """Read the batches whose outcomes may not have been sent.

        Returns:
            The batches, in order; empty when they are inconsistent: a dying process may have written anywhere.
        """
        found: list[BatchOutcome] = []
        used, seq = self._words[_USED], self._words[_FIRST]
        if used > OUTCOME_BYTES:
            return []
        at, end = self._at, self._at + used
        while at < end:
            if at + _HEAD_BYTES > end:
                return []
            run_s, peak_rss_bytes, cpu_s, size = _HEAD.unpack_from(self._page, at)
            at += _HEAD_BYTES
            result = None
            if size != _NO_RESULT:
                at += size
                result = self._page[at - size : at]
            if at > end or not 0 <= run_s < _LONGEST_S or peak_rss_bytes < 0 or not 0 <= cpu_s < _LONGEST_S:
                return []
            found.append(BatchOutcome(seq, run_s, result, peak_rss_bytes, cpu_s))
            seq += 1
        return found

    def clear(self) -> None:
        """Remove the outcomes: they have been sent."""
        self._words[_USED] = 0

    def release(self) -> None:
        """Release the memory."""
        self._words.release()
