"""The dashboard beside a million batches and 10,000 jobs: the cost of each page, and of a hundred viewers.

Each page is asked for in this process, over a real connection, as often as needed for a percentile. The budget is 8
statements, 50 ms for 95 of 100 answers, and 60 kB. Then a worker drains jobs while `evtrack web` runs, in turns with a
hundred viewers of ten topics and with none.

Usage: web.py [BATCHES] [JOBS] [TURNS]   (default 1,000,000, 10,000 and 4)
"""

import logging
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import anyio
import drain
import httpx
import structlog
from psycopg.types.json import Jsonb
from support import harness

from evtrack.interfaces.web.app import Door, dashboard, site_of
from evtrack.interfaces.web.security.host_login import NoLogin
from evtrack.storage.connection.connect import Connection, connect

CHUNK = harness.sized(500, smoke=100)
"""Batches per claim, and jobs per transaction."""
REPEAT = harness.sized(60, smoke=2)
"""How often each page is asked for."""
VIEWERS = harness.sized(100, smoke=5)
TOPICS = (
    *("/", "/jobs", "/jobs/1", "/jobs/2", "/jobs/3"),
    *("/jobs/1/batches", "/crashes", "/handlers", "/workers", "/alerts"),
)
DRAINED = harness.sized(40_000, smoke=500)
"""Batches that are drained in each turn."""

STATEMENTS, P95_MS, KILOBYTES = 8, 50.0, 60.0
"""The budget of a page."""

_HANDLERS = [f"handler-{number}" for number in range(4)]
_CASTS = {"fail": "%s::float8[], %s::jsonb[]", "crash": "%s::jsonb[]", "complete": "%s::float8[]"}


def load(conn: Connection, batches: int, jobs: int) -> None:
    """Submit a large job and many small ones, and finish half of the large one: 1 in 100 fails, 1 in 200 crashes."""
    conn.execute(
        "SELECT evtrack.enqueue('handler-0', array_agg('key:' || i), array_agg('{}'::text), batch_size => 1,"
        ' policy => \'{"max_errors": 1, "max_crashes": 1}\') FROM generate_series(1, %s) AS i',
        [batches],
    )
    for first in range(0, jobs, CHUNK):
        conn.execute(
            "SELECT count(evtrack.enqueue('handler-' || i %% 4, ARRAY['doc:' || i], ARRAY['{}']))"
            " FROM generate_series(%s::int, %s::int) AS i",
            [first + 1, min(jobs, first + CHUNK)],
        )
    row = conn.execute("SELECT evtrack.register_worker('bench', 'host', 1, 2, %s, '0')", [_HANDLERS]).fetchone()
    assert row
    for _ in range(batches // CHUNK // 2):
        finish_some(conn, row[0])


def finish_some(conn: Connection, worker: int) -> None:
    """Claim a chunk of the large job, and report its outcomes."""
    rows = conn.execute(
        "SELECT job_id, batch_no, attempt FROM evtrack.claim(%s, '{1}', '{0}', %s, %s)", [worker, CHUNK, _HANDLERS]
    ).fetchall()
    assert rows
    bad = len(rows) // 100
    parts = {"fail": rows[:bad], "crash": rows[bad : bad + bad // 2], "complete": rows[bad + bad // 2 :]}
    for function, part in parts.items():
        run_s = [0.001 * (row[1] % 997) for row in part]
        more = {
            "fail": [run_s, [Jsonb({"type": "ValueError", "message": f"no {row[1] % 7}"}) for row in part]],
            "crash": [[Jsonb({"cause": "signal", "signal": "SIGSEGV"})] * len(part)],
            "complete": [run_s],
        }[function]
        query = f"SELECT count(*) FROM evtrack.{function}(%s, %s::bigint[], %s::int[], %s::int[], {_CASTS[function]})"  # noqa: S608  words of this file
        conn.execute(query.encode(), [worker, *([row[place] for row in part] for place in range(3)), *more])


def addresses(conn: Connection) -> dict[str, str]:
    """Return an address of each page, by its name."""
    crashed = conn.execute(
        "SELECT batch_no FROM evtrack.batch WHERE job_id = 1 AND status = 'crashed' ORDER BY batch_no LIMIT 1"
    ).fetchone()
    worker = conn.execute("SELECT worker_id FROM evtrack.worker LIMIT 1").fetchone()
    assert worker
    number = crashed[0] if crashed else 1
    return {
        "overview": "/",
        "jobs": "/jobs",
        "jobs of a handler, failed": "/jobs?handler=handler-1&phase=finished",
        "the large job": "/jobs/1",
        "the large job, a moment": f"/jobs/1?at={quote(datetime.now(UTC).isoformat())}",
        "a small job": "/jobs/2",
        "batches": "/jobs/1/batches",
        "batches, running": "/jobs/1/batches?status=running",
        "batches, failed": "/jobs/1/batches?status=failed",
        "story of a crash": f"/jobs/1/batches/{number}",
        "hunt": f"/jobs/1/hunt/{number}",
        "crashes": "/crashes",
        "an item": f"/items?key={quote('key:77')}",
        "handlers": "/handlers",
        "a handler": "/handlers?name=handler-0",
        "workers": "/workers",
        "a worker": f"/workers/{worker[0]}",
        "alerts": "/alerts",
        "proof": "/proof",
        "storage": "/storage",
        "help": "/help",
    }


class Cost(NamedTuple):
    """What an answer has cost."""

    took_ms: float
    statements: int
    kilobytes: float


async def costs(asking: httpx.AsyncClient, address: str) -> list[Cost] | None:
    """Ask for a page several times; None if there is no such page."""
    found = []
    # The first ones open connections, and plan.
    for number in range(REPEAT + 2):
        begun = time.perf_counter()
        answer = await asking.get(address)
        took_ms = 1000 * (time.perf_counter() - begun)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        answer.raise_for_status()
        if number >= 2:  # noqa: PLR2004
            timing = answer.headers.get("server-timing", "")
            statements = int(timing.partition('desc="')[2].partition('"')[0] or 0)
            found.append(Cost(took_ms, statements, len(answer.content) / 1000))
    return found


def show_pages(dsn: str, pages: dict[str, str]) -> None:
    """Print what each page costs, and what is above the budget."""
    # Without a line for each request.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    site = site_of(dsn)
    app = dashboard(site, Door(NoLogin(), hosts=frozenset({"127.0.0.1"})))

    async def ask() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as asking:
            for name, address in pages.items():
                found = await costs(asking, address)
                if found is None:
                    print(f"{name:<28} no such page: {address}", flush=True)
                    continue
                p50, p95 = (harness.percentile([each.took_ms for each in found], share) for share in (0.5, 0.95))
                statements, kilobytes = max(each.statements for each in found), max(each.kilobytes for each in found)
                above = p95 > P95_MS or statements > STATEMENTS or kilobytes > KILOBYTES
                print(
                    f"{name:<28} p50 {p50:>7.1f} ms   p95 {p95:>7.1f} ms   {statements:>2} statements  "
                    f"{kilobytes:>6.1f} kB{'   above the budget' if above else ''}",
                    flush=True,
                )

    try:
        anyio.run(ask)
    finally:
        site.close()


class Viewers:
    """Streams that are read and dropped in a thread."""

    def __init__(self, port: int, count: int) -> None:
        self.received = 0
        self._is_over = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._sockets = [self._open(port, TOPICS[number % len(TOPICS)]) for number in range(count)]
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def close(self) -> None:
        """Close them."""
        self._is_over.set()
        self._thread.join()
        for each in self._sockets:
            each.close()
        self._selector.close()

    def _open(self, port: int, address: str) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", port), timeout=30)
        made.sendall(
            f"GET /live?page={quote(address, safe='')} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            "Accept: text/event-stream\r\n\r\n".encode()
        )
        self._selector.register(made, selectors.EVENT_READ)
        return made

    def _read(self) -> None:
        while not self._is_over.is_set():
            for key, _ in self._selector.select(0.2):
                data = key.fileobj.recv(262_144)  # type: ignore[union-attr]
                assert data, "the server has ended a stream"
                self.received += len(data)


@contextmanager
def served(dsn: str) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """Run the dashboard, and yield its process and its port."""
    process = harness.evtrack(
        "--log-level", "warning", "web", "--dsn", dsn, "--port", "0", "--auth", "none", stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        port = urlsplit(process.stdout.readline().decode().strip()).port
        assert port
        yield process, port
    finally:
        harness.stop(process)


def drained(dsn: str, viewers: int) -> float:
    """Return the batches per second of one worker beside so many viewers."""
    with ExitStack() as stack:
        conn = stack.enter_context(connect(dsn, purpose="bench"))
        _, port = stack.enter_context(served(dsn))
        watching = Viewers(port, viewers) if viewers else None
        if watching is not None:
            stack.callback(watching.close)
            harness.wait_until(lambda: watching.received > 1000 * viewers)
        row = conn.execute(
            "SELECT evtrack.enqueue('noop', array_agg('K:' || i), array_agg('{\"i\": 1}'::text), batch_size => 1)"
            " FROM generate_series(1, %s) i",
            [DRAINED],
        ).fetchone()
        assert row
        harness.vacuum_and_checkpoint(conn)
        stack.callback(harness.stop, drain.start_worker(dsn))
        phase = "SELECT phase::text FROM evtrack.job WHERE job_id = %s"
        harness.wait_until(lambda: conn.execute(phase, row).fetchone() == ("finished",))
        ended = conn.execute(
            "SELECT count(*) / extract(epoch FROM max(finished_at) - min(started_at))::float8 FROM evtrack.batch"
            " WHERE job_id = %s",
            row,
        ).fetchone()
    assert ended
    return float(ended[0])


def main(arguments: list[str]) -> None:
    """Measure and print."""
    defaults = (harness.sized(1_000_000, smoke=2_000), harness.sized(10_000, smoke=200), harness.sized(4, smoke=1))
    batches, jobs, turns = (*(int(word) for word in arguments), *defaults[len(arguments) :])
    with harness.server() as server:
        dsn = harness.database(server, "bench_web")
        with connect(dsn, purpose="bench") as conn:
            load(conn, batches, jobs)
            harness.vacuum_and_checkpoint(conn)
            pages = addresses(conn)
        show_pages(dsn, pages)
        without: list[float] = []
        beside: list[float] = []
        for turn in range(turns):
            for viewers in (0, VIEWERS) if turn % 2 else (VIEWERS, 0):
                (beside if viewers else without).append(drained(dsn, viewers))
        harness.show("drain, nobody watches", harness.percentile(without, 0.5), "batches/s")
        name = f"drain, {VIEWERS} viewers of {len(TOPICS)} topics"
        harness.show(name, harness.percentile(beside, 0.5), "batches/s", "without", harness.percentile(without, 0.5))


if __name__ == "__main__":
    main(sys.argv[1:])
