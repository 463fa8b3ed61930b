"""A handler that cannot take every document: it raises on an empty one, and crashes on one that is broken.

`bin/demo --web` runs it, and the dashboard shows how evtrack searches for the documents that crash.
"""

import ctypes
import time
from typing import Any

import evtrack


@evtrack.handler("frail-parser")
def parse(document: dict[str, Any]) -> dict[str, int]:
    """Count the words of a document.

    Args:
        document: A text, whether it is broken, and how many seconds it takes.

    Returns:
        The number of words.

    Raises:
        ValueError: If the document is empty.
    """
    time.sleep(document.get("takes_s", 0.0))
    if document.get("is_broken"):
        ctypes.string_at(0)  # segfaults, as native code might on such a document
    if not document["text"]:
        raise ValueError("the document is empty")
    return {"words": len(document["text"].split())}
