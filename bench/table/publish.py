"""Writes the table and the figures to files, and puts the tables between the markers of the documents."""

import json
import re
import sys
from pathlib import Path
from typing import Any

from support.commands import BENCH
from table import report
from table.results import Results

DOCUMENT = BENCH.parent / "docs/performance.md"
README = BENCH.parent / "README.md"


def write(results: Results, facts: dict[str, Any], out: Path, *, rounds: int, docs: bool) -> None:
    """Write performance.md and performance.json, and print the table and the README's lines.

    Args:
        results: What was measured.
        facts: The machine, versions and settings.
        out: The directory.
        rounds: How many rounds.
        docs: Whether to put the tables into the documents.
    """
    table, lines = report.markdown(results, facts, rounds=rounds, against="against" in facts), report.readme(results)
    out.mkdir(parents=True, exist_ok=True)
    (out / "performance.md").write_text(table, encoding="utf-8")
    content = {"rounds": rounds, "facts": facts, "figures": results.figures, "failures": results.failures}
    (out / "performance.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(table)
    if lines:
        print(lines)
    print(f"written: {out}/performance.md and performance.json", file=sys.stderr)
    if docs:
        put(DOCUMENT, table)
        put(README, lines)


def again(sources: list[Path], out: Path, *, docs: bool) -> int:
    """Make the tables of performance.json files again; where several have a figure, that of the first counts."""
    contents = [json.loads(source.read_text(encoding="utf-8")) for source in sources]
    results = Results()
    for content in reversed(contents):
        results.failures.update(content["failures"])
        for key, found in content["figures"].items():
            results.figures[key] = {int(number): each for number, each in found.items()}
    write(results, contents[0]["facts"], out, rounds=contents[0]["rounds"], docs=docs)
    return 0


def put(document: Path, table: str, command: str = "bin/bench all --docs") -> None:
    """Replace what is between the markers of a document.

    Args:
        document: The document.
        table: What to put there.
        command: What makes it: the first marker names it.

    Raises:
        ValueError: If it has no markers.
    """
    text = document.read_text(encoding="utf-8")
    marked = re.compile(rf"(<!-- {re.escape(command)} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not marked.search(text):
        raise ValueError(f"no markers in {document}")
    document.write_text(marked.sub(lambda found: f"{found[1]}\n{table}\n{found[2]}", text), encoding="utf-8")
