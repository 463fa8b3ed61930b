"""What each page of the dashboard costs beside a job of a million batches and 10,000 others, and beside small ones.

Each page is asked for in this process, over a real connection, as HTML and as JSON, as often as needed for a
percentile. The budget is 8 statements, 50 ms for 95 of 100 answers, and 60 kB of HTML. The first answer is that to
somebody who comes after a while: what is dear is remembered for some seconds, and then it is read.

Usage: web.py [BATCHES] [JOBS]   (default 1,000,000 and 10,000)
"""

import logging
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

import anyio
import httpx
import structlog
from dashboard import large_world
from support import database, harness, measures

from evtrack.interfaces.web.app import Door, dashboard, site_of
from evtrack.interfaces.web.endpoints import json_path
from evtrack.interfaces.web.pages.crashes import CRASH_MAP
from evtrack.interfaces.web.pages.handlers import SUMS
from evtrack.interfaces.web.pages.job import TROUBLES
from evtrack.interfaces.web.pages.now import HEALTH
from evtrack.interfaces.web.pages.storage import SIZES
from evtrack.interfaces.web.security.host_login import NoLogin
from evtrack.storage.connection.connect import Connection, connect

WARM_UP = harness.sized(2, smoke=0)
REPEAT = harness.sized(60, smoke=0)
"""How often each page is asked for, after the first answer."""
SMALL = (100, 10)
"""The batches and jobs of the database that is compared with."""
WORKERS = harness.sized(60, smoke=2)
"""So many are at work, as far as anybody knows."""
STATEMENTS, P95_MS, KILOBYTES = 8, 50.0, 60.0
"""The budget of a page."""


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


class Answer(NamedTuple):
    """What an answer has cost."""

    took_ms: float
    statements: int
    kilobytes: float


class Cost(NamedTuple):
    """What a page costs."""

    first_ms: float
    p50_ms: float
    p95_ms: float
    statements: int
    kilobytes: float

    @property
    def is_above(self) -> bool:
        """Whether it is above the budget."""
        return self.p95_ms > P95_MS or self.statements > STATEMENTS or self.kilobytes > KILOBYTES


async def answer(asking: httpx.AsyncClient, address: str) -> Answer:
    """Ask for a page."""
    begun = time.perf_counter()
    found = await asking.get(address)
    took_ms = 1000 * (time.perf_counter() - begun)
    found.raise_for_status()
    statements = int(found.headers["server-timing"].partition('desc="')[2].partition('"')[0])
    return Answer(took_ms, statements, len(found.content) / 1000)


async def cost(asking: httpx.AsyncClient, address: str) -> Cost:
    """Ask for a page several times."""
    # The first ones open a connection, and plan; all that they have read is forgotten.
    for _ in range(WARM_UP):
        await answer(asking, address)
    for remembered in (CRASH_MAP, HEALTH, SIZES, SUMS, TROUBLES):
        remembered.forget()
    first = await answer(asking, address)
    found = [first, *[await answer(asking, address) for _ in range(REPEAT)]]
    times_ms = [each.took_ms for each in found]
    return Cost(
        first.took_ms,
        measures.percentile(times_ms, 0.5),
        measures.percentile(times_ms, 0.95),
        max(each.statements for each in found),
        max(each.kilobytes for each in found),
    )


def costs(dsn: str, pages: dict[str, str]) -> dict[str, Cost]:
    """Return what each page costs."""
    # Without a line for each request.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    site = site_of(dsn)
    app = dashboard(site, Door(NoLogin(), hosts=frozenset({"127.0.0.1"})))

    async def ask() -> dict[str, Cost]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as asking:
            return {name: await cost(asking, address) for name, address in pages.items()}

    try:
        return anyio.run(ask)
    finally:
        site.close()


def show(name: str, large: Cost, small: Cost) -> None:
    """Print what a page costs."""
    print(
        f"{name:<28} first {large.first_ms:>6.1f}   p50 {large.p50_ms:>6.1f}   p95 {large.p95_ms:>6.1f} ms   "
        f"{large.p50_ms / small.p50_ms:>5.2f} x small ({small.p50_ms:.1f})   {large.statements} statements  "
        f"{large.kilobytes:>5.1f} kB{'   above the budget' if large.is_above else ''}",
        flush=True,
    )


def read_pages(server: str, name: str, batches: int, jobs: int) -> dict[str, Cost]:
    """Make a database, and return what each page costs there, as HTML and as JSON."""
    dsn = database.create(server, name)
    with connect(dsn, purpose="bench") as conn:
        large_world.load(conn, batches, jobs)
        for _ in range(WORKERS):
            large_world.register(conn, large_world.HANDLERS)
        pages = addresses(conn)
    return costs(dsn, dict(both(pages)))


def both(pages: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Return each page, and the same as JSON."""
    for name, address in pages.items():
        path, mark, query = address.partition("?")
        yield name, address
        yield f"{name}, JSON", json_path(path) + mark + query


def main(arguments: list[str]) -> None:
    """Measure and print."""
    defaults = (harness.sized(1_000_000, smoke=1_000), harness.sized(10_000, smoke=100))
    batches, jobs = (*(int(word) for word in arguments), *defaults[len(arguments) :])
    with harness.server() as server:
        small = read_pages(server, "bench_web_small", *SMALL)
        for name, large in read_pages(server, "bench_web", batches, jobs).items():
            show(name, large, small[name])


if __name__ == "__main__":
    main(sys.argv[1:])
