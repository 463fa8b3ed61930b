"""The handler of the fault tests: it takes its time while a file exists, and fails as told."""

import ctypes
import os
import time
from pathlib import Path
from typing import Any

import evtrack

_FOLDER = Path(os.environ["FAULTS_DIR"])
_SLOW = _FOLDER / "slow"


@evtrack.handler("steady")
def steady(item: dict[str, Any]) -> int:
    """Take 20 ms while `slow` exists, and return the item's number.

    Args:
        item: Its number `n`, and `do`: "once" raises the first time, "raise" always, "wait" takes ten minutes, "segv"
            kills the process.
    """
    number = int(item["n"])
    with (_FOLDER / f"ran.{os.environ['FAULTS_WORKER']}.{os.getpid()}").open("a") as file:
        file.write(f"{item.get('of', 0)} {number} {time.monotonic():.3f}\n")
    if _SLOW.exists():
        time.sleep(0.02)
    do = item.get("do")
    if do == "raise" or (do == "once" and _is_new(f"{item.get('of', 0)}.{number}")):
        raise ValueError(f"item {number} is not to be had")
    if do == "wait":
        time.sleep(600)
    if do == "segv":
        ctypes.string_at(0)
    return number


def _is_new(name: str) -> bool:
    """Return whether an item runs for the first time."""
    try:
        (_FOLDER / f"once.{name}").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
