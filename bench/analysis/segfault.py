"""One document of many ends its process by a segmentation fault: what becomes of it and of the others.

It lies in the middle of the file that rows/documents.py measures. For `evtrack run` and each way without a queue, this
prints how many documents have a result, whether the output names the one, and how the command ended.

Usage: segfault.py [DOCUMENTS] [--docs]   (default 200,000; --docs puts the table into docs/performance.md)
"""

import sys
import tempfile
from pathlib import Path

from support import database, harness, without_queue
from support.documents import write_documents
from table import publish

_PATIENCE_S = harness.sized(30, smoke=3)


def main(arguments: list[str]) -> None:
    """Run each, and print what became of the documents."""
    numbers = [int(word) for word in arguments if word.isdecimal()]
    documents = numbers[0] if numbers else harness.sized(200_000, smoke=2_000)
    poison = documents // 2
    lines = ["|  | done | not done | names the document | ended |", "| --- | ---: | ---: | --- | --- |"]
    with harness.server() as server, tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "documents.jsonl"
        write_documents(path, documents, poison=poison)
        outcomes = {
            name: without_queue.count(way, path, patience_s=_PATIENCE_S) for way, name in without_queue.WAYS.items()
        }
        outcomes["evtrack run"] = own = without_queue.run(database.create(server, "bench_segfault"), path)
    for name, outcome in outcomes.items():
        named = "yes" if f"doc-{poison}" in outcome.messages.split() else "no"
        lines.append(f"| {name} | {outcome.done:,} | {documents - outcome.done:,} | {named} | {outcome.ended} |")
    table = "\n".join(lines) + "\n"
    print(table)
    if "--docs" in arguments:
        publish.put(publish.DOCUMENT, table, "bin/bench segfault --docs")
    assert own.done == documents - 1, own
    assert f"doc-{poison}" in own.messages.split(), own


if __name__ == "__main__":
    main(sys.argv[1:])
