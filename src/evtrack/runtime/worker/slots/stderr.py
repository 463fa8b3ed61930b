"""What a slot writes to stderr: its lines are told, and its end is kept for the dossier."""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING, Final

from evtrack.runtime.slot.output import TEXT
from evtrack.runtime.worker.slots.handler_output import HandlerOutput, OutputParser

if TYPE_CHECKING:
    from collections.abc import Callable

    from evtrack.domain.claimed_batch import ClaimedBatch
    from evtrack.runtime.slot.shared_page import SharedPage

_TAIL_BYTES: Final = 1 << 16


class SlotStderr:
    """Reads the pipe of one slot, and never waits for it.

    Args:
        fd: The end to read from; it is closed with this.
        pid: The slot.
        page: Says what was in hand where the slot does not.
        row_of: Finds a batch by its number in the slot's life; None when it is not held, or no longer.
    """

    def __init__(self, *, fd: int, pid: int, page: SharedPage, row_of: Callable[[int], ClaimedBatch | None]) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.lines = HandlerOutput(pid=pid, row_of=row_of)
        self._page = page
        self._unmarked = OutputParser()
        self._kept = bytearray()

    def read(self) -> bool:
        """Read what has come: keep its tail, and tell its lines.

        Returns:
            Whether there was anything; False also when the pipe has ended.
        """
        try:
            read = os.read(self.fd, _TAIL_BYTES)
        except BlockingIOError:
            return False
        now = monotonic()
        for tag, piece, is_whole in self._unmarked.pieces(read):
            self._kept += piece
            self.lines.take(tag or (self._page.seq, self._page.item, TEXT), piece, now, is_whole=is_whole)
        if not read:
            self._kept += self._unmarked.rest()
        if len(self._kept) > 2 * _TAIL_BYTES:
            del self._kept[:-_TAIL_BYTES]
        return bool(read)

    @property
    def tail(self) -> str:
        """The end of what has come."""
        return self._kept[-_TAIL_BYTES:].decode("utf-8", "replace")

    def close(self) -> None:
        """Close the pipe."""
        os.close(self.fd)
