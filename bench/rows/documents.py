"""Documents from a file through two slots, beside what people use without a queue, with two processes.

All read the same file of 307-byte documents, parse each and count its annotations, with no other work or with 100 us of
CPU a document, and are measured from the start of their command to its end.
"""

import tempfile
from pathlib import Path

from support import database, without_queue
from support.documents import write_documents
from support.row import Beside, Line, Row, Run, report
from support.without_queue import LOOP, WAYS

_DOCUMENTS = {0: 200_000, 100: 60_000}
_SMOKE = {"documents": 1000}
_TARGETS = {("imap_unordered", 0): 0.8}
_SLOW = "N500"  # a process for every 500 documents


def _runs(work_us: int) -> tuple[Run, ...]:
    def run(way: str, *, seconds: float, by: str) -> Run:
        given = {"way": way, "documents": _DOCUMENTS[work_us], "work_us": work_us}
        smoke = None if work_us else _SMOKE
        return Run(f"{way} {work_us}", given, smoke, seconds=seconds, by=by, slow=way == _SLOW or work_us > 0)  # type: ignore[arg-type]

    ways = tuple(run(way, seconds=13 if way == _SLOW else 2 + work_us / 25, by="once") for way in WAYS)
    return (run("run", seconds=6 + work_us / 25, by="evtrack"), *ways)


def _line(work_us: int) -> Line:
    return Line(
        f"Documents end to end, 2 slots, batches of 500, {work_us} us of work each",
        run=f"run {work_us}",
        figure="documents_s",
        unit="documents/s",
        beside=tuple(
            Beside(name, f"{way} {work_us}", target=_TARGETS.get((way, work_us))) for way, name in WAYS.items()
        ),
        readme=None if work_us else (WAYS["imap_unordered"],),
    )


ROW = Row(
    runs=(
        *_runs(0),
        *_runs(100),
        Run("apart", {"way": "apart", "documents": _DOCUMENTS[0]}, _SMOKE, seconds=10),
    ),
    lines=(
        _line(0),
        _line(100),
        *(
            Line(
                f"Documents, {title}",
                run="apart",
                figure=f"{figure}_s",
                unit="documents/s",
                beside=(Beside(WAYS[LOOP], f"{LOOP} 0", "documents_s", target=target),),
            )
            for title, figure, target in (("submitted", "submitted", 0.7), ("processed by `work`", "processed", 0.9))
        ),
    ),
)


def measure(server: str, *, way: str, documents: int, work_us: int = 0) -> dict[str, float]:
    """Count the annotations of so many documents.

    Args:
        server: The server's connection string.
        way: "run", one of WAYS, or "apart" for `submit` and then `work`.
        documents: How many.
        work_us: Microseconds of CPU that each document takes besides.
    """
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "documents.jsonl"
        annotations = write_documents(path, documents)
        if way in WAYS:
            outcome = without_queue.count(way, path, work_us=work_us)
            figures = {"documents_s": documents / outcome.seconds}
        elif way == "run":
            outcome = without_queue.run(database.create(server, "bench_documents"), path, work_us=work_us)
            figures = {"documents_s": documents / outcome.seconds}
        else:
            dsn = database.create(server, "bench_documents")
            submit_s = without_queue.submit(dsn, path)
            outcome = without_queue.drain(dsn)
            figures = {"submitted_s": documents / submit_s, "processed_s": documents / outcome.seconds}
    assert (outcome.done, outcome.annotations, outcome.ended) == (documents, annotations, "exit code 0"), outcome
    return figures


if __name__ == "__main__":
    report(measure)
