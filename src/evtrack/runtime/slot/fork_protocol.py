"""What a supervisor tells its fork server, and what that answers: one order, one answer, each of a fixed length."""

import struct
from typing import Final, NamedTuple

START: Final = b"S"
"""Start a slot; its channel, its page and its stderr come along as descriptors."""
LOOK: Final = b"L"
"""Tell whether a slot has ended."""

DESCRIPTORS: Final = 3

ORDER: Final = struct.Struct("=ci")
"""The order, and the slot's process where there is one."""
ANSWER: Final = struct.Struct("=iiqd")


class Answer(NamedTuple):
    """What the fork server says.

    Args:
        pid: The slot; to an order to look 0 while it lives; below 0 the error number when none could be started.
        wait_status: How it ended, as waitpid told it.
        peak_rss_bytes: Most memory that it held.
        cpu_s: CPU time that it used.
    """

    pid: int
    wait_status: int = 0
    peak_rss_bytes: int = 0
    cpu_s: float = 0.0
