"""A handler for annotated documents: counts the mentions and distinct concepts in each.

evtrack run sample.jsonl --key sourcedb,sourceid --import examples.disease_stats --handler disease-stats
"""

from collections import Counter
from typing import Any

import evtrack


@evtrack.handler("disease-stats")
def disease_stats(document: dict[str, Any]) -> dict[str, Any]:
    """Count the annotations of a document in the PubAnnotation format.

    Args:
        document: A text with denotations and attributes that link them to concepts.

    Returns:
        Its identifier, the numbers of mentions and distinct concepts, and the mentions by kind.
    """
    mentions = document.get("denotations") or []
    kinds = Counter(mention["obj"] for mention in mentions)
    concepts = {
        attribute["obj"] for attribute in document.get("attributes") or [] if attribute.get("pred") == "concept"
    }
    return {
        "doc": f"{document.get('sourcedb', '')}:{document.get('sourceid', '')}",
        "characters": len(document.get("text") or ""),
        "mentions": len(mentions),
        "concepts": len(concepts),
        "by_obj": dict(kinds.most_common(5)),
    }
