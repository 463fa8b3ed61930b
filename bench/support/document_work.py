"""The work on one document: parse it, and count its annotations.

As a program for GNU parallel, it reads documents from standard input and prints one number for each.
BENCH_WORK_US is how many microseconds of CPU each document takes beyond that.
"""

import json
import os
import sys
import time
from typing import Any

_WORK_NS = 1000 * int(os.environ.get("BENCH_WORK_US", "0"))


def count_annotations(document: dict[str, Any]) -> int:
    """Count the annotations of a document; the poison document ends the process by a segmentation fault."""
    if "poison" in document:
        import ctypes  # noqa: PLC0415  only here, and each process would pay for it

        ctypes.string_at(0)
    if _WORK_NS:
        until = time.process_time_ns() + _WORK_NS
        while time.process_time_ns() < until:
            pass
    return len(document["annotations"])


def count_in_line(line: str) -> int:
    """Parse a document, and count its annotations."""
    return count_annotations(json.loads(line))


if __name__ == "__main__":
    sys.stdout.writelines(f"{count_in_line(line)}\n" for line in sys.stdin)
