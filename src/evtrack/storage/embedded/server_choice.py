"""Chooses the PostgreSQL server: the configured one, or the embedded one for as long as it is used."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from evtrack.config import Settings
from evtrack.storage.connection import worker_database


def configured_dsn(settings: Settings) -> str | None:
    """Return the configured server: --dsn or EVTRACK_DSN, else DATABASE_URL, else libpq's PG* variables.

    In a slot, that of its worker comes after EVTRACK_DSN.

    Args:
        settings: The process's settings.

    Returns:
        The connection string, or None for the embedded server; nothing is started or connected.
    """
    if configured := settings.dsn or worker_database.dsn or settings.database_url:
        return configured
    return _dsn_of_libpq() if settings.pg_variables else None


def dsn_with_password(dsn: str) -> str:
    """Return a connection string that needs no variable: with the password of PGPASSWORD if it has none.

    Args:
        dsn: The connection string.
    """
    password = os.environ.get("PGPASSWORD")
    if not password or conninfo_to_dict(dsn).get("password"):
        return dsn
    return make_conninfo(dsn, password=password)


def _dsn_of_libpq() -> str:
    """Return what libpq takes from PG*, without the password, which libpq finds again by itself."""
    known = ("service", "host", "hostaddr", "port", "dbname", "user")
    values = {option.keyword.decode(): option.val for option in psycopg.pq.Conninfo.get_defaults()}
    return make_conninfo(**{name: value.decode() for name in known if (value := values.get(name))})


@contextmanager
def running_server(settings: Settings) -> Iterator[str]:
    """Provide a running PostgreSQL server.

    Args:
        settings: They choose it.

    Yields:
        The connection string; the embedded server keeps running until the block ends.

    Raises:
        NoServer: None is configured, and the embedded one is not installed.
    """
    dsn = configured_dsn(settings)
    if dsn is not None:
        yield dsn
        return
    # Imported here only: a configured server needs neither the wheel nor what these modules import.
    from evtrack.storage.embedded.data_directory import default_data_dir  # noqa: PLC0415
    from evtrack.storage.embedded.shared_server import EmbeddedServer  # noqa: PLC0415

    server = EmbeddedServer(settings.data_dir or default_data_dir())
    try:
        yield server.acquire()
    finally:
        server.release()
