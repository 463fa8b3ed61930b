"""The statements that a release's code sends, with the columns that it expects: recorded, and sent again.

`python tests/support/upgrades/release_calls.py | gzip -9n` in a checkout of a release makes its record.
"""

import gzip
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.pq import ExecStatus
from psycopg.rows import dict_row

from evtrack.storage.connection import sql_files

_PARAMETER = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True, slots=True)
class Call:
    """One statement of a release.

    Args:
        sql: The statement, with %(name)s for its parameters.
        columns: The names and types of its columns.
    """

    sql: str
    columns: str


def read(path: Path) -> dict[str, Call]:
    """Read what was recorded of a release, by the statement's name."""
    lines = map(json.loads, gzip.decompress(path.read_bytes()).splitlines())
    return {line["name"]: Call(line["sql"], line["columns"]) for line in lines}


def described(conn: Connection[Any], sql: str) -> str:
    """Return the names and types of the columns that a statement has in a database, without running it.

    Raises:
        psycopg.Error: The database has not what the statement names, or cannot tell which of several it means.
    """
    names: list[str] = []

    def place(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    text = _PARAMETER.sub(place, sql).replace("%%", "%")
    for result in (conn.pgconn.prepare(b"", text.encode()), conn.pgconn.describe_prepared(b"")):
        if result.status != ExecStatus.COMMAND_OK:
            raise psycopg.errors.lookup(result.error_field(psycopg.pq.DiagnosticField.SQLSTATE).decode())(
                result.get_error_message()
            )
    columns = [(result.fname(n).decode(), result.ftype(n)) for n in range(result.nfields)]
    kinds = dict(conn.execute("SELECT oid::int8, format_type(oid, NULL) FROM pg_type").fetchall())
    return ", ".join(f"{name} {kinds[kind]}" for name, kind in columns)


class OldClient:
    """A session that speaks as a release did.

    Args:
        conn: The session, in autocommit mode.
        calls: What was recorded of the release.
    """

    def __init__(self, conn: Connection[Any], calls: dict[str, Call]) -> None:
        self._conn = conn
        self._calls = calls

    def rows(self, name: str, /, **parameters: Any) -> list[dict[str, Any]]:
        """Run one of the release's statements."""
        with self._conn.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(self._calls[name].sql.encode(), parameters).fetchall()

    def one(self, name: str, /, **parameters: Any) -> Any:
        """Run one of the release's statements, and return the first column of its only row."""
        (row,) = self.rows(name, **parameters)
        return next(iter(row.values()))


def main() -> None:
    """Print the record of this checkout."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    import servers  # noqa: PLC0415  # beside this directory, on the path only in pytest

    with servers.one_of_its_own() as (dsn, _), psycopg.connect(dsn, autocommit=True) as conn:
        for path in sorted((sql_files.root() / "queries").rglob("*.sql"), key=lambda path: path.stem):
            sql = sql_files.statement(path.stem)
            # COPY cannot be described; the other takes its types from what psycopg sends, and names no part of evtrack.
            if path.stem not in {"copy_payload", "configure_session"}:
                call = {"name": path.stem, "sql": sql, "columns": described(conn, sql)}
                sys.stdout.write(json.dumps(call) + "\n")


if __name__ == "__main__":
    main()
