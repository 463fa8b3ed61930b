"""The protocol between a supervisor and its fork server: one request, one reply, both of fixed length."""

import struct
from typing import Final, NamedTuple

START: Final = b"S"
"""Start a slot; the descriptors of its channel, shared page and stderr come with the request."""
POLL: Final = b"P"
"""Report whether a slot has ended."""
OBSERVE: Final = b"O"
"""Look at what slots have started: one of them is about to be ended."""

DESCRIPTORS: Final = 3

REQUEST: Final = struct.Struct("=ci")
"""The request, and the slot's process for a poll."""
REPLY: Final = struct.Struct("=iiqd")


class ForkReply(NamedTuple):
    """The fork server's reply.

    Args:
        pid: The slot; 0 when a polled slot is alive; negative, an error number, when no slot could be started.
        wait_status: How the slot ended, as waitpid reports it.
        peak_rss_bytes: Peak memory of the slot.
        cpu_s: CPU time that it used.
    """

    pid: int
    wait_status: int = 0
    peak_rss_bytes: int = 0
    cpu_s: float = 0.0
