"""A database in which everything has happened that a dashboard can show."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from psycopg import Connection
from psycopg.conninfo import make_conninfo

from client import Client
from command_line import evtrack
from evtrack.storage.connection.connect import connect
from evtrack.storage.schema import roles
from old_jobs import days_ago, ended_job, run_cleanup

CHECKOUT = Path(__file__).resolve().parents[3]
SAMPLE = "examples/data/ncbi-disease-sample.jsonl"
BROKEN = (17, 40, 41)
"""The documents that crash the handler of the job with poison items."""

HOSTILE = (
    "</script><script>alert(1)</script>", '" onmouseover="alert(1)', "<img src=x onerror=alert(1)>", "\x1b[31mred",
    "a\r\ndata: forged", "\u202etxt.exe", "{{ 7 * 7 }}", "</td></tr></table>", "../../etc?x=1#y", "long-" + "a" * 900,
)  # fmt: skip
_BEAT_S = 5
_VIEWER = "evtrack_test_viewer"
_PASSWORD = "only in tests"


class World(NamedTuple):
    """The database, and what is where.

    Args:
        dsn: The database, as its owner.
        viewer: The same as a role that may only read.
        dropped: A job that cleanup has dropped.
        done: A job that is done, and verified.
        poison: A job with three poison items and two that failed, by real processes.
        failed: A job of which every batch failed.
        running: A job that is under way, with a hunt in its first batch.
        suspended: A job that somebody has suspended.
        unserved: A job for whose handler there is no worker.
        hostile: A job whose names, keys and reports are made to break pages.
        worker: A live worker.
    """

    dsn: str
    viewer: str
    dropped: int
    done: int
    poison: int
    failed: int
    running: int
    suspended: int
    unserved: int
    hostile: int
    worker: int


NOWHERE = World("", "", *[1] * 9)
"""A world that is not made, for the names of its addresses."""


VARIANTS = frozenset(
    {
        "jobs-abandoned", "job-done", "job-failed", "job-suspended", "job-unserved", "job-then", "batches-failed",
        "crashes-signal", "item-unknown", "workers-all", "proof-job", "doctor",
    }
)  # fmt: skip
"""Names of addresses that show other rows of a page than another name does."""


def addresses(world: World) -> dict[str, str]:
    """Return the addresses of pages, below the prefix, by names that say what they show."""
    running, poison = world.running, world.poison
    return {
        "now": "/",
        "jobs": "/jobs",
        "jobs-abandoned": "/jobs?phase=abandoned",
        "job-done": f"/jobs/{world.done}",
        "job-poison": f"/jobs/{poison}",
        "job-running": f"/jobs/{running}",
        "job-failed": f"/jobs/{world.failed}",
        "job-suspended": f"/jobs/{world.suspended}",
        "job-unserved": f"/jobs/{world.unserved}",
        "job-hostile": f"/jobs/{world.hostile}",
        "job-then": f"/jobs/{poison}?at=2100-01-01T00:00:00Z",
        "job-moment": f"/jobs/{poison}/moment?at=2100-01-01T00:00:00Z",
        "batches": f"/jobs/{running}/batches",
        "batches-failed": f"/jobs/{world.failed}/batches?status=failed",
        "story-split": f"/jobs/{poison}/batches/1",
        "story-hostile": f"/jobs/{world.hostile}/batches/1",
        "hunt-over": f"/jobs/{poison}/hunt/1",
        "hunt-running": f"/jobs/{running}/hunt/1",
        "crashes": "/crashes",
        "crashes-signal": "/crashes?cause=signal",
        "items": "/items",
        "item-poison": f"/items?key=doc:{BROKEN[0]}",
        "item-hostile": f"/items?key={quote(HOSTILE[0])}",
        "item-unknown": "/items?key=nowhere",
        "handlers": "/handlers",
        "handler": "/handlers?name=frail-parser",
        "workers": "/workers",
        "workers-all": "/workers?all=yes",
        "worker": f"/workers/{world.worker}",
        "alerts": "/alerts",
        "proof": "/proof",
        "proof-job": f"/proof?job={world.done}",
        "storage": "/storage",
        "doctor": "/doctor",
        "doctor-run": "/doctor?run=yes",
        "help": "/help",
    }


@contextmanager
def built(dsn: str, directory: Path) -> Iterator[World]:
    """Make it, and keep its worker alive while the block runs.

    Args:
        dsn: A migrated database.
        directory: For files.
    """
    with viewer_of(dsn) as viewer, connect(dsn, purpose="test") as conn:
        dropped = ended_job(Client(conn, "archived"), days_ago(40))
        run_cleanup(Client(conn))
        done = _run(dsn, directory, SAMPLE, "disease-stats", key="sourcedb,sourceid", batch_size=10)
        evtrack("verify", str(done), "--dsn", dsn)
        source = str(documents(directory / "documents.jsonl"))
        poison = _run(dsn, directory, source, "frail-parser", key="id", batch_size=32)
        _draw_out(conn, poison)
        client = Client(conn, "annotate")
        worker = client.worker("annotate", "</td><b>")
        world = World(
            dsn, viewer, dropped, done, poison, _failed(client, worker), _running(client, worker), _suspended(client),
            Client(conn, "nobody-offers-this").job(3, items=4), _hostile(conn, worker), worker,
        )  # fmt: skip
        with _heartbeats(dsn):
            yield world


@contextmanager
def viewer_of(dsn: str) -> Iterator[str]:
    """Make a role that may only read, as a dashboard should have, and remove it when the block ends.

    Args:
        dsn: A migrated database, as a superuser.

    Yields:
        The connection string of that role.
    """
    with connect(dsn, purpose="test") as conn:
        made = [_VIEWER, *roles.create_roles(conn)]
        conn.execute(f"CREATE ROLE {_VIEWER} LOGIN PASSWORD '{_PASSWORD}'")
        conn.execute(f"GRANT evtrack_reader TO {_VIEWER}")
        try:
            yield make_conninfo(dsn, user=_VIEWER, password=_PASSWORD)
        finally:
            for name in made:
                conn.execute(f"DROP OWNED BY {name}")
                conn.execute(f"DROP ROLE {name}")


def documents(file: Path, *, number: int = 64, takes_s: float = 0.0, broken: tuple[int, ...] = BROKEN) -> Path:
    """Write documents for examples/frail_parser.py.

    Args:
        file: Where to.
        number: How many.
        takes_s: How long each takes.
        broken: Those that crash.
    """
    file.write_text(
        "".join(
            json.dumps(
                {
                    "id": f"doc:{each}",
                    "text": "" if each in {5, 60} else "some words " * (each % 7 + 1),
                    "takes_s": takes_s,
                    "is_broken": each in broken,
                }
            )
            + "\n"
            for each in range(1, number + 1)
        )
    )
    return file


def _run(dsn: str, directory: Path, source: str, handler: str, *, key: str, batch_size: int) -> int:
    ended = evtrack(
        "run", source, "--dsn", dsn, "--handler", handler, "--import", f"examples.{handler.replace('-', '_')}",
        "--key", key, "--batch-size", str(batch_size), "--slots", "2", "--backoff", "0",
        env={"EVTRACK_STATE_DIR": str(directory / "state")}, cwd=CHECKOUT,
    )  # fmt: skip
    assert ended.returncode in {0, 3}, ended.stderr
    with connect(dsn, purpose="test") as conn:
        return int(Client(conn).one("SELECT max(job_id) FROM evtrack.job"))


def _draw_out(conn: Connection, job: int) -> None:
    """Let a job have been enqueued half a minute before it ran, so that its timeline has two moments."""
    conn.execute(
        "WITH first AS (SELECT job_id, shard, bucket FROM evtrack.progress WHERE job_id = %s ORDER BY bucket LIMIT 1),"
        " run AS (UPDATE evtrack.progress p SET pending_batches = pending_batches - 2,"
        " pending_items = pending_items - 64"
        " FROM first WHERE (p.job_id, p.shard, p.bucket) = (first.job_id, first.shard, first.bucket))"
        " INSERT INTO evtrack.progress (job_id, shard, bucket, pending_batches, pending_items)"
        " SELECT job_id, shard, bucket - 3, 2, 64 FROM first",
        [job],
    )


def _failed(client: Client, worker: int) -> int:
    job = client.job(4, items=3, max_errors=1)
    error = {"type": "ValueError", "message": "the document has no text", "traceback": "Traceback: ...\nValueError: no"}
    client.fail(worker, client.claim(worker, job), error)
    client.one("SELECT evtrack.finish_due(%s)", job)
    return job


def _running(client: Client, worker: int) -> int:
    job = client.job(60, items=16)
    first, *others = client.claim(worker, job, fresh=31)
    client.complete(worker, others[:25], run_s=1.5)
    client.crash(worker, [first], cause="signal", signal="SIGSEGV", host="host", pid=4711, run_s=0.3)
    half, *_ = client.claim(worker, job, fresh=0)
    client.crash(worker, [half], cause="signal", signal="SIGSEGV", host="host", pid=4712, run_s=0.2)
    return job


def _suspended(client: Client) -> int:
    job = client.job(5, items=10)
    client.one("SELECT evtrack.suspend(%s)", job)
    return job


def _hostile(conn: Connection, worker: int) -> int:
    client = Client(conn, "</td><b>")
    keys = [key for key in HOSTILE if key.isprintable()]
    job = int(
        client.one(
            "SELECT evtrack.enqueue(%s, %s, %s, %s, 0::smallint, '{\"max_crashes\": 1}', 1)",
            client.handler, keys, ["{}"] * len(keys), HOSTILE[0],
        )
    )  # fmt: skip
    for place, claim in enumerate(client.claim(worker, job, fresh=len(keys))):
        text = HOSTILE[place % len(HOSTILE)]
        report = {"cause": "signal", "signal": "SIGSEGV", "item_key": keys[place], "ordinal": place + 1}
        client.crash(worker, [claim], **report, stderr=f"{text}\n" * 40, python_traceback=text, host=text, pid=1)
    client.one("SELECT evtrack.finish_due(%s)", job)
    return job


@contextmanager
def _heartbeats(dsn: str) -> Iterator[None]:
    over = threading.Event()

    def beat() -> None:
        with connect(dsn, purpose="test") as conn:
            while not over.wait(_BEAT_S):
                conn.execute("UPDATE evtrack.worker SET seen_at = clock_timestamp() WHERE gone_at IS NULL")

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
