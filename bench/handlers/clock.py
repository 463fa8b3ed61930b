"""Handlers that report the time at which they were called."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import evtrack


@evtrack.handler("clock")
def clock(_item: Any) -> float:
    """Return the monotonic clock, which all processes of a machine share."""
    return time.monotonic()


@evtrack.handler("die")
def die(file: str) -> None:
    """Write the wall-clock time to a file, then kill this process.

    Args:
        file: The item: the file's path.
    """
    Path(file).write_text(str(time.time()))
    os.kill(os.getpid(), signal.SIGKILL)
