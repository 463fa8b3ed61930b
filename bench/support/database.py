"""Databases for the programs of rows/ and peers/: it needs psycopg, and evtrack only where its schema is installed."""

import atexit
import os
import subprocess
import sys
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

Connection = psycopg.Connection[tuple[Any, ...]]


def connect(dsn: str) -> Connection:
    """Open a plain connection that commits each statement."""
    return psycopg.connect(dsn, autocommit=True)


def create(server: str, name: str, *, migrate: bool = True) -> str:
    """Create a database, which is dropped at the end of this process, and drop the one that has its name.

    Args:
        server: The server's connection string.
        name: The database's name; programs that run side by side have one each.
        migrate: Whether to install evtrack's schema: that of the checkout whose interpreter runs this.

    Returns:
        Its connection string.
    """
    name = f"{name}_{os.environ.get('EVTRACK_BENCH_LANE', '0')}"
    with connect(server) as conn:
        conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    # Autovacuum would work in it while others are measured.
    atexit.register(_drop, server, name)
    dsn = make_conninfo(server, dbname=name)
    if migrate:
        command = [sys.executable, "-m", "evtrack", "--log-level", "warning", "migrate", "up", "--dsn", dsn]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # our own program
    return dsn


def _drop(server: str, name: str) -> None:
    with suppress(psycopg.OperationalError), connect(server) as conn:  # the server may have gone with all it had
        conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def tidy(conn: Connection) -> None:
    """Vacuum, analyze and checkpoint, so that no run pays for what came before."""
    conn.execute("VACUUM ANALYZE")
    conn.execute("CHECKPOINT")


def value(conn: Connection, query: str, parameters: Any = None) -> Any:
    """Return the first column of the first row."""
    row = conn.execute(query.encode(), parameters).fetchone()
    assert row is not None, query
    return row[0]


def size(conn: Connection) -> int:
    """Return the bytes of all tables and indexes."""
    return int(value(conn, "SELECT coalesce(sum(pg_total_relation_size(relid)), 0) FROM pg_stat_user_tables"))


def wal_position(conn: Connection) -> int:
    """Return how many bytes of WAL were written."""
    return int(value(conn, "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"))
