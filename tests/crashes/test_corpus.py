"""Real documents with three deadly ones among them, as people run them: the three end crashed, all others are done.

EVTRACK_TEST_CORPUS names a larger file of documents, in batches of 50; the sample that is at hand is cut into tens.
"""

import json
import os
import shlex
import sys
from collections import Counter
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from client import Client
from command_line import evtrack
from evtrack.storage.connection.connect import Connection
from workers import HANDLER_DIRECTORY

pytestmark = [pytest.mark.integration, pytest.mark.crash]

SAMPLE = Path(__file__).parents[2] / "examples/data/ncbi-disease-sample.jsonl"
CORPUS = Path(os.environ.get("EVTRACK_TEST_CORPUS", SAMPLE))
BATCH = 10 if CORPUS == SAMPLE else 50
KEYS = [
    f"{document['sourcedb']}:{document['sourceid']}"
    for document in map(json.loads, CORPUS.read_text(encoding="utf-8").splitlines())
]
DEADLY = {KEYS[0], KEYS[BATCH + 3], KEYS[BATCH + 4]}
"""The very first, and two neighbours in a later batch."""
HALVINGS = (BATCH - 1).bit_length()


PROGRAM = """
import json, os, signal, sys
for line in sys.stdin:
    document = json.loads(line)
    key = document["sourcedb"] + ":" + document["sourceid"]
    with open(os.environ["TRACE"], "a") as file:
        print(key, file=file)
    if key in os.environ["DEADLY"].splitlines():
        os.kill(os.getpid(), signal.SIGSEGV)
    print(len(document.get("denotations") or []))
"""


def run(dsn: str, trace: Path, handler: str, deadly: set[str]) -> dict[str, Any]:
    """Run the corpus, and return what the command says of it."""
    environment = {"PYTHONPATH": HANDLER_DIRECTORY, "TRACE": str(trace), "DEADLY": "\n".join(deadly)}
    words = ["--key", "sourcedb,sourceid", "--batch-size", str(BATCH), "--handler", handler, "--slots", "2", "--json"]
    program = shlex.join([sys.executable, "-I", "-S", "-c", PROGRAM])
    words += ["--exec", f"exec={program}"] if handler == "exec" else ["--import", "annotation_handlers"]
    ran = evtrack("run", str(CORPUS), *words, "--dsn", dsn, env=environment)
    assert (3 if deadly else 0) == ran.returncode, ran.stderr
    return dict(json.loads(ran.stdout))


# Two crashes are the budget. Of a known item the first one counts; of an unknown one none before it is halved out.
@pytest.mark.parametrize(("handler", "most"), [("item", 2), ("batch", HALVINGS + 2), ("exec", HALVINGS + 2)])
def test_only_the_deadly_documents_crash(conn: Connection, dsn: str, tmp_path: Path, handler: str, most: int) -> None:
    told = run(dsn, tmp_path / "trace", handler, DEADLY)
    queue, job = Client(conn), told["job_id"]
    assert (len(KEYS), len(KEYS) - 3, 3, 0) == tuple(told[name] for name in ("total", "done", "crashed", "failed"))
    fates = queue.rows("SELECT item_key, status::text, path FROM evtrack.item_status WHERE job_id = %s", job)
    assert dict.fromkeys(KEYS, "completed") | dict.fromkeys(DEADLY, "crashed") == {
        row["item_key"]: row["status"] for row in fates
    }
    poison = queue.rows("SELECT item_key, signal, item_count FROM evtrack.crash WHERE job_id = %s AND poison", job)
    assert {(key, "SIGSEGV", 1) for key in DEADLY} == {tuple(row.values()) for row in poison}
    assert 3 == len(poison)
    assert len(KEYS) - 3 == queue.one("SELECT count(*) FROM evtrack.item_result WHERE job_id = %s", job)
    queue.check(job)
    runs = Counter((tmp_path / "trace").read_text(encoding="utf-8").splitlines())
    assert set(KEYS) == set(runs)
    assert most >= max(runs.values())
    took = f"{told['seconds']:.2f} s"
    if CORPUS != SAMPLE:
        took += f", without them {run(dsn, tmp_path / 'other', handler, set())['seconds']:.2f} s"
    print(f"{handler}: runs an item max {max(runs.values())}, mean {mean(runs.values()):.3f}; {took}")  # noqa: T201
