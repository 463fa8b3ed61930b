"""On what it was measured: machine, server, versions and settings."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
from support import database
from support.commands import BENCH
from table.programs import PEERS

_VERSIONS = """
import json, platform, sys
from importlib.metadata import PackageNotFoundError, version
found = {"Python": platform.python_version()}
for name in sys.argv[1:]:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps(found))
"""
_SETTINGS = """SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s) ORDER BY name"""
_NAMED = [
    "shared_buffers", "max_wal_size", "checkpoint_timeout", "fsync", "synchronous_commit", "full_page_writes",
    "max_connections", "wal_level", "autovacuum", "random_page_cost", "wal_compression",
]  # fmt: skip


def facts(server: str, against: Path | None, peers: list[str]) -> dict[str, Any]:
    """Return what somebody needs to know who measures this again.

    Args:
        server: The server's connection string.
        against: The other checkout.
        peers: The peers that are measured.
    """
    with database.connect(server) as conn:
        settings = dict(conn.execute(_SETTINGS, [_NAMED]).fetchall())
        postgres = database.value(conn, "SHOW server_version")
    known: dict[str, Any] = {
        "machine": {
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / (1 << 30)),
            "kernel": f"{platform.system()} {platform.release()}",
        },
        "PostgreSQL": postgres,
        "settings": settings,
        "evtrack": checkout(BENCH.parent),
    }
    if against:
        known["against"] = checkout(against)
    if peers:
        known["peers"] = _versions(PEERS, "psycopg", "asyncpg", "uvloop", "pgqueuer", "awa-pg", "procrastinate")
    return known


def checkout(directory: Path) -> dict[str, Any]:
    """Return the commit and the versions of a checkout of evtrack."""
    python = directory / ".venv/bin/python"
    return {
        "commit": _git(directory, "rev-parse", "--short", "HEAD"),
        "changed": bool(_git(directory, "status", "--porcelain", "--untracked-files=no", "--", "src", "sql")),
        **_versions(python if directory != BENCH.parent else Path(sys.executable), "evtrack", "psycopg"),
    }


def _versions(python: Path, *names: str) -> dict[str, str]:
    found = subprocess.run(  # noqa: S603  # an interpreter of ours
        [str(python), "-c", _VERSIONS, *names], check=True, capture_output=True, text=True
    )
    return dict(json.loads(found.stdout))


def _git(directory: Path, *words: str) -> str:
    command = ["git", "-C", str(directory), *words]
    found = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603  # fixed words
    return found.stdout.strip()


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
