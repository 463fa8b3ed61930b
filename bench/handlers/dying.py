"""A handler that kills its process; see rows/deaths.py."""

import os
import signal
import time
from pathlib import Path

import evtrack


@evtrack.handler("die")
def die(file: str) -> None:
    """Write the monotonic clock, which all processes of a machine share, to a file, then kill this process.

    Args:
        file: The item: the file's path.
    """
    new = Path(f"{file}.new")
    new.write_text(str(time.monotonic()))
    new.rename(file)
    os.kill(os.getpid(), signal.SIGKILL)
