"""How the results of a batch's completed items are laid out in memory: one entry after the other, in their order."""

import mmap
import os
import struct
from contextlib import suppress
from typing import Final

_HEAD: Final = struct.Struct("=II")
_pack = _HEAD.pack
_SPILLED_MOST: Final = 64 << 20
"""How much of a batch's results is read that no longer fit on the page."""


def pack_result(index: int, line: bytes) -> bytes:
    """Make the entry of an item.

    Args:
        index: Its index in the batch, from 0.
        line: Its result, a line of JSON; empty when there is none.

    Returns:
        The entry.
    """
    return _pack(index, len(line)) + line


def unpack_results(memory: mmap.mmap | bytearray | bytes, at: int, end: int) -> dict[int, bytes]:
    """Read entries.

    Args:
        memory: What contains them.
        at: Where the first one begins.
        end: Where the last one ends.

    Returns:
        Results by index; empty when they are inconsistent: a dying process may have written anywhere.
    """
    found: dict[int, bytes] = {}
    last = -1
    while at < end:
        if at + _HEAD.size > end:
            return {}
        index, size = _HEAD.unpack_from(memory, at)
        at += _HEAD.size + size
        if at > end or index <= last:
            return {}
        found[index] = bytes(memory[at - size : at])
        last = index
    return found


def spill(fd: int, start: int, used: int, entries: bytes) -> int:
    """Write entries behind a page.

    Args:
        fd: The page's memory or file.
        start: Where the page ends.
        used: How many bytes of entries are there; 0 for those of another batch.
        entries: The entries.

    Returns:
        How many bytes are there now. On a full disk they are no more than before.
    """
    with suppress(OSError):
        if not used:
            os.ftruncate(fd, start)
        if os.pwrite(fd, entries, start + used) == len(entries):
            return used + len(entries)
    return used


def read_spilled(fd: int, start: int, used: int) -> dict[int, bytes]:
    """Read the entries behind a page, like `unpack_results`."""
    data = os.pread(fd, min(used, _SPILLED_MOST), start)
    return unpack_results(data, 0, len(data)) if len(data) == used else {}
