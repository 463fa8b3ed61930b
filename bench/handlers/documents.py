"""A handler that counts the annotations of a document, as support/document_work.py does without a queue."""

from typing import Any

from support.document_work import count_annotations

import evtrack


@evtrack.handler("documents")
def handle_item(document: dict[str, Any]) -> int:
    """Count the annotations of a document."""
    return count_annotations(document)
