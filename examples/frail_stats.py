"""A handler that cannot take every document: it counts mentions, raises where there are few, dies where there are many.

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
        How many there are.

    Raises:
        ValueError: There are fewer than FEW.
    """
    mentions = len(document["denotations"])
    if mentions < FEW:
        raise ValueError(f"only {mentions} mentions")
    if mentions >= MANY:
        ctypes.string_at(0)  # what native code does with a document that it cannot take
    return {"mentions": mentions}
