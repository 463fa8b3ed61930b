"""A handler of whole batches that raises if no document has a text, and crashes at a document that is broken.

`bin/demo --web` runs it, and the dashboard shows how evtrack divides the batches until each broken document is alone.
"""

import ctypes
import time

import evtrack


@evtrack.batch_handler("frail-parser")
def parse(documents: evtrack.Batch) -> list[dict[str, int]]:
    """Count the words of documents.

    Args:
        documents: Texts, each with how many seconds it takes, and whether it is broken.

    Returns:
        The number of words of each.

    Raises:
        ValueError: If there are none.
    """
    counts = []
    for document in documents:
        time.sleep(document.get("takes_s", 0.0))
        if document.get("is_broken"):
            ctypes.string_at(0)  # segfaults, as native code might on such a document
        counts.append({"words": len(document["text"].split())})
    if not any(count["words"] for count in counts):
        raise ValueError("no document has a text")
    return counts
