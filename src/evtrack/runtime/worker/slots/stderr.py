"""Reads what a slot writes to stderr: logs its lines, and keeps its end for the crash report."""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING, Final

from evtrack.runtime.slot.output import TEXT
from evtrack.runtime.worker.slots.handler_output import HandlerOutput, OutputParser, OutputTag

if TYPE_CHECKING:
    from collections.abc import Callable

    from evtrack.domain.claimed_batch import ClaimedBatch
    from evtrack.runtime.slot.shared_page import SharedPage

_TAIL_BYTES: Final = 1 << 16
_LAST_READS: Final = 64
"""Reads of what an ended slot has left: several times what a pipe can hold."""


class SlotStderr:
    """Reads the pipe of one slot, and never waits for it.

    Args:
        fd: The end to read from; `close` closes it.
        pid: The slot.
        page: Holds the current batch and item, for output without marks.
        find_batch: Finds a batch by its sequence number; None when the slot does not hold it.
    """

    def __init__(
        self, *, fd: int, pid: int, page: SharedPage, find_batch: Callable[[int], ClaimedBatch | None]
    ) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.has_ended = False
        """Whether nothing more can arrive: every process that could write has closed its end."""
        self.output = HandlerOutput(pid=pid, find_batch=find_batch)
        self._page = page
        self._parser = OutputParser()
        self._kept = bytearray()

    def read(self) -> bool:
        """Read what has arrived: log its lines and keep its end.

        Returns:
            Whether there was anything. If there was not, more may follow, unless `has_ended`.
        """
        try:
            read = os.read(self.fd, _TAIL_BYTES)
        except BlockingIOError:
            return False
        now = monotonic()
        for tag, piece, is_whole in self._parser.pieces(read):
            self._kept += piece
            self.output.add(tag or OutputTag(self._page.seq, self._page.item, TEXT), piece, now, is_whole=is_whole)
        if not read:
            self.has_ended = True
            self._kept += self._parser.rest()
        if len(self._kept) > 2 * _TAIL_BYTES:
            del self._kept[:-_TAIL_BYTES]
        return bool(read)

    def finish(self) -> None:
        """Read and log what is left: the slot has ended."""
        for _ in range(_LAST_READS):
            if not self.read():
                break
        self.output.close()

    @property
    def tail(self) -> str:
        """The end of what has arrived."""
        return self._kept[-_TAIL_BYTES:].decode("utf-8", "replace")

    def close(self) -> None:
        """Close the pipe."""
        os.close(self.fd)
