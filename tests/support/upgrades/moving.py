"""Databases that go from one server to another."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import NamedTuple

import psycopg
from psycopg.conninfo import make_conninfo

from evtrack.storage.embedded.data_directory import programs

_numbers = count()


class Servers(NamedTuple):
    """Two servers, of which the first one can be replicated."""

    blue: str
    green: str


@contextmanager
def database(server: str, template: str = "template0") -> Iterator[str]:
    """Make a database on a server.

    Yields:
        Its connection string.
    """
    name = f"moved_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        yield make_conninfo(server, dbname=name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def copied(source: str, target: str, *options: str) -> str:
    """Dump evtrack's schema, or what the options say of it, and restore it.

    Returns:
        What was wrong; empty if nothing was.
    """
    dumped = subprocess.run(
        [str(programs() / "pg_dump"), "--no-owner", "--no-privileges", "--schema=evtrack", *options, source],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    restored = subprocess.run(
        [str(programs() / "psql"), "-Xq", "-v", "ON_ERROR_STOP=1", "-o", os.devnull, target],
        input=dumped.stdout, check=False, capture_output=True, timeout=60,
    )  # fmt: skip
    return restored.stderr.decode()
