"""A handler that counts mentions, but raises if a document has few of them and crashes if it has many.

evtrack run sample.jsonl --key sourcedb,sourceid --import examples.frail_stats --handler frail-stats
"""

import ctypes
from typing import Any

import evtrack

FEW = 4
MANY = 25


@evtrack.handler("frail-stats")
def frail_stats(document: dict[str, Any]) -> dict[str, Any]:
    """Count the mentions in a document in the PubAnnotation format.

    Args:
        document: A text with denotations.

    Returns:
        The number of mentions.

    Raises:
        ValueError: If there are fewer than FEW.
    """
    mentions = len(document["denotations"])
    if mentions < FEW:
        raise ValueError(f"only {mentions} mentions")
    if mentions >= MANY:
        ctypes.string_at(0)  # segfaults, as native code might on such a document
    return {"mentions": mentions}
