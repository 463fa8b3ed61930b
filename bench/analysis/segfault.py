"""One document of many ends its process by a segmentation fault: what becomes of it and of the others.

It lies in the middle of the file that rows/documents.py measures. For `evtrack run` and each way without a queue, this
prints how many documents have a result, whether the output names the one, and how the command ended.

Usage: segfault.py [DOCUMENTS]   (default 200,000)
"""

import sys
import tempfile
from pathlib import Path

from support import database, harness, without_queue
from support.documents import write_documents

_PATIENCE_S = harness.sized(30, smoke=3)


def main(arguments: list[str]) -> None:
    """Run each, and print what became of the documents."""
    documents = int(arguments[0]) if arguments else harness.sized(200_000, smoke=2_000)
    poison = documents // 2
    print(f"{'':<26}{'done':>9}{'not done':>10}  ended")
    with harness.server() as server, tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "documents.jsonl"
        write_documents(path, documents, poison=poison)
        outcomes = {
            name: without_queue.count(way, path, patience_s=_PATIENCE_S) for way, name in without_queue.WAYS.items()
        }
        outcomes["evtrack run"] = own = without_queue.run(database.create(server, "bench_segfault"), path)
    for name, outcome in outcomes.items():
        named = "" if f"doc-{poison}" in outcome.messages.split() else ", and does not name the document"
        print(f"{name:<26}{outcome.done:>9,}{documents - outcome.done:>10,}  {outcome.ended}{named}")
    assert own.done == documents - 1, own
    assert f"doc-{poison}" in own.messages.split(), own


if __name__ == "__main__":
    main(sys.argv[1:])
