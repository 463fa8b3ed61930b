"""No slot outlives its supervisor, and no command its slot."""

import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent dies, where the kernel can (Linux).

    Elsewhere a slot notices at its next word to the supervisor.

    Args:
        parent_pid: The parent; when it is gone already, this process ends here.
    """
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415  it costs a few milliseconds, and only here

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before the call.
    if os.getppid() != parent_pid:
        os._exit(1)
