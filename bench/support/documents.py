"""Small annotated documents as JSON lines, the same in each run."""

import json
import random
from pathlib import Path

_WORDS = (
    "gene",
    "protein",
    "binding",
    "kinase",
    "disease",
    "cell",
    "mutation",
    "pathway",
    "receptor",
    "tumor",
    "patient",
    "study",
    "shows",
    "that",
    "the",
    "of",
    "in",
    "with",
)
_SEED = 1


def write_documents(path: Path, count: int, *, poison: int | None = None) -> int:
    """Write documents of 307 bytes on average.

    Args:
        path: The file.
        count: The number of documents.
        poison: Number of a document, from 1, that kills the process that works on it.

    Returns:
        The number of annotations in all of them, the poison document left out.
    """
    rng = random.Random(_SEED)
    annotations = 0
    with path.open("w") as lines:
        for number in range(1, count + 1):
            begins = range(0, 10 * rng.randrange(1, 5), 10)
            document = {
                "id": f"doc-{number}",
                "text": " ".join(rng.choices(_WORDS, k=25)),
                "annotations": [{"obj": f"D{rng.randrange(10**6):06}", "begin": at, "end": at + 6} for at in begins],
            }
            if number == poison:
                document["poison"] = True
            else:
                annotations += len(begins)
            lines.write(json.dumps(document) + "\n")
    return annotations
