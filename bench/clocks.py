"""Handlers that tell the time at which they were called."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import evtrack


@evtrack.handler("clock")
def clock(_item: Any) -> float:
    """Return the clock that all processes of the machine share."""
    return time.monotonic()


@evtrack.handler("die")
def die(_item: Any) -> None:
    """Tell the time, and die."""
    Path("/tmp/evtrack-bench-death").write_text(str(time.time()))  # noqa: S108  # a benchmark's own file
    os.kill(os.getpid(), signal.SIGKILL)
