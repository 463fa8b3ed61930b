"""The budget of a batch: where its microseconds go, by process, by statement and by kind of work.

Claims and completes batches of one item, 100 at a time: first with a worker (by process), then with the SQL functions
alone (by statement, from pg_stat_statements; by kind of work, from perf where it is installed). All figures are CPU or
execution times of the server, which hardly depend on what else the machine does. Writes Markdown.

Usage: budget.py [BATCHES]   (default 100,000)
"""

import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from analysis.kinds_of_work import Profile
from rows import functions
from support import commands, database, harness
from support.evtrack_queue import FILL

from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.embedded.shared_server import EmbeddedServer

_GROUP = 100
_SMALLEST_US = 0.02
_SMALLEST_SHARE = 0.005
_SHOWN_TEXT = 70

# A nested statement belongs to the function whose source has its text; its constants are parameters in the statistics.
_STATEMENTS = r"""
WITH body AS (
    SELECT p.proname, regexp_replace(p.prosrc, '\s+', ' ', 'g') AS text
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'evtrack'
), statement AS (
    SELECT s.*, btrim(regexp_replace(s.query, '(\s|/\*, \.\.\. \*/)+', ' ', 'g')) AS text
    FROM public.pg_stat_statements s
    JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database()
)
SELECT CASE WHEN s.toplevel THEN 'client' ELSE coalesce(b.proname || '()', 'nested') END, s.text, sum(s.calls)::bigint,
    sum(s.total_exec_time) * 1e3, sum(s.total_plan_time) * 1e3, sum(s.wal_bytes)::float8
FROM statement s
LEFT JOIN LATERAL (
    SELECT b.proname FROM body b
    WHERE b.text LIKE '%' || regexp_replace(regexp_replace(regexp_replace(
        left(s.text, 150), '^SELECT', ''), '([\\%_])', '\\\1', 'g'), ' ?\$[0-9]+ ?', '%', 'g') || '%'
    ORDER BY length(b.text) LIMIT 1
) b ON NOT s.toplevel
WHERE s.total_exec_time > 0 AND s.text !~ 'pg_stat_statements'
GROUP BY 1, 2
ORDER BY 4 DESC
"""


@contextmanager
def server_with_statistics() -> Iterator[str]:
    """Provide an embedded server that counts the time of each statement, nested ones too.

    Yields:
        Its connection string.
    """
    directory = Path(tempfile.mkdtemp(prefix="evtrack-bench-"))
    embedded = EmbeddedServer(directory)
    try:
        with connect(embedded.acquire(), purpose="bench") as conn:
            conn.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
            conn.execute("ALTER SYSTEM SET pg_stat_statements.track = 'all'")
            conn.execute("ALTER SYSTEM SET pg_stat_statements.track_planning = on")
        embedded.release()
        yield embedded.acquire()
    finally:
        embedded.release()
        shutil.rmtree(directory, ignore_errors=True)


def table(title: str, heads: list[str], rows: list[list[str]]) -> None:
    """Print a table in Markdown; its first column is text, the others are figures."""
    print(f"\n### {title}\n")
    print("| " + " | ".join(heads) + " |")
    print("| --- |" + " ---: |" * (len(heads) - 1))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    sys.stdout.flush()


def by_process(server: str, batches: int) -> None:
    """Drain a job with a worker of one slot, and print the CPU time of each process."""
    dsn = database.create(server, "bench_budget")
    with connect(dsn, purpose="bench") as conn:
        conn.execute(FILL, [batches])
        conn.execute("SELECT evtrack.suspend(job_id) FROM evtrack.job")
        database.tidy(conn)
        postmaster = psutil.Process(conn.info.backend_pid).parent()
        assert postmaster
        worker = commands.worker(dsn, "handlers.unstamped")
        try:
            commands.wait_until(lambda: conn.execute("SELECT count(*) FROM evtrack.worker").fetchone() == (1,))
            time.sleep(0 if harness.SMOKE else 3)  # the slots' start is not a batch's cost
            before = _cpu_by_role(postmaster, psutil.Process(worker.pid), conn.info.backend_pid)
            begun = time.monotonic()
            conn.execute("SELECT evtrack.resume(job_id) FROM evtrack.job")
            conn.execute("SELECT pg_notify('evtrack_work', 'stamped')")
            commands.wait_until(lambda: conn.execute("SELECT phase::text FROM evtrack.job").fetchone() == ("finished",))
            took_s = time.monotonic() - begun
            after = _cpu_by_role(postmaster, psutil.Process(worker.pid), conn.info.backend_pid)
        finally:
            commands.stop(worker)
    used = {role: after[role] - before.get(role, 0.0) for role in after}
    rows = [[role, f"{1e6 * cpu / batches:.2f}", f"{cpu / took_s:.0%}"] for role, cpu in used.items()]
    rows.append(["all processes", f"{1e6 * sum(used.values()) / batches:.2f}", f"{sum(used.values()) / took_s:.0%}"])
    table("By process", ["process", "us of CPU a batch", "of a core"], rows)
    print(f"\nOne worker with one slot: {batches / took_s:,.0f} batches a second.")


def _cpu_by_role(postmaster: psutil.Process, supervisor: psutil.Process, own_backend: int) -> dict[str, float]:
    slots = supervisor.children(recursive=True)
    sessions = [child for child in postmaster.children() if child.pid != own_backend]
    return {
        "server: sessions of the worker": sum(_cpu_s(one) for one in sessions if "postgres: " in _title(one)
                                              and not _is_auxiliary(one)),
        "server: WAL writer, checkpointer and others": sum(_cpu_s(one) for one in sessions if _is_auxiliary(one)),
        "supervisor": _cpu_s(supervisor),
        "slot and fork server": sum(map(_cpu_s, slots)),
    }  # fmt: skip


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def _is_auxiliary(process: psutil.Process) -> bool:
    return (
        re.search(r"postgres: (checkpointer|background|walwriter|autovacuum|logical|io worker)", _title(process))
        is not None
    )


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def by_statement(conn: Connection, batches: int) -> None:
    """Claim and complete with the SQL functions alone, and print the time of each statement."""
    job = database.value(conn, FILL, [batches])
    database.tidy(conn)
    conn.execute("SELECT public.pg_stat_statements_reset()")
    functions.work(conn, job, group=_GROUP)
    statements = conn.execute(_STATEMENTS.encode()).fetchall()
    rows = [
        [f"{caller} `{_shortened(text)}`", f"{calls * _GROUP / batches:.2f}", f"{exec_us / batches:.2f}",
         f"{plan_us / batches:.2f}", f"{wal / batches:,.0f}"]
        for caller, text, calls, exec_us, plan_us, wal in statements
        if exec_us >= _SMALLEST_US * batches
    ]  # fmt: skip
    table(
        f"By statement, with what it calls, groups of {_GROUP}",
        ["statement", "calls a group", "us a batch", "us of planning", "WAL bytes"],
        rows,
    )


def _shortened(statement: str) -> str:
    # The fold's updates differ in what they set.
    update = re.search(r"UPDATE evtrack.batch b SET .*?version = a.version, (\w+ = [^,]*,)", statement)
    return f"UPDATE evtrack.batch ... {update[1]} ..." if update else statement[:_SHOWN_TEXT].rsplit(" ", 1)[0]


def by_kind(conn: Connection, batches: int) -> None:
    """Claim and complete with the SQL functions alone, and print what the server's process does."""
    job = database.value(conn, FILL, [batches])
    database.tidy(conn)
    with tempfile.TemporaryDirectory() as directory:
        profile = Profile(conn.info.backend_pid, Path(directory))
        figures = functions.work(conn, job, group=_GROUP)
        shares = profile.shares()
    cpu_us = figures.get("cpu_us", 1e6 / figures["jobs_s"])
    rows = [
        [kind, f"{share * cpu_us:.2f}", f"{share:.1%}"] for kind, share in shares.items() if share >= _SMALLEST_SHARE
    ]
    table(f"By kind of work, groups of {_GROUP}", ["work", "us of CPU a batch", "share"], rows)


def main(arguments: list[str]) -> None:
    """Measure and print."""
    batches = int(arguments[0]) if arguments else harness.sized(100_000, smoke=1000)
    with server_with_statistics() as server:
        by_process(server, batches)
        with connect(database.create(server, "bench_budget"), purpose="bench") as conn:
            conn.execute("CREATE EXTENSION pg_stat_statements SCHEMA public")
            by_statement(conn, batches)
            if shutil.which("perf"):
                by_kind(conn, batches)


if __name__ == "__main__":
    main(sys.argv[1:])
