"""Handlers of annotated documents that die of the documents listed in DEADLY, one per line."""

import ctypes
import os
from pathlib import Path
from typing import Any

import evtrack


def _annotate(document: dict[str, Any]) -> int:
    """Record that a document is processed, and count its mentions; or crash."""
    key = f"{document['sourcedb']}:{document['sourceid']}"
    with Path(os.environ["TRACE"]).open("a", encoding="utf-8") as file:
        file.write(f"{key}\n")
    if key in os.environ["DEADLY"].splitlines():
        ctypes.string_at(0)
    return len(document.get("denotations") or [])


@evtrack.handler("item")
def by_item(document: dict[str, Any]) -> int:
    """Annotate one document."""
    return _annotate(document)


@evtrack.batch_handler("batch")
def by_batch(batch: Any) -> list[int]:
    """Annotate a batch, without saying which document is in hand."""
    return [_annotate(document) for document in batch.items]
