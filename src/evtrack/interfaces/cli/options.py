"""The options that commands share, and the connection that most of them start with."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from evtrack.config import settings_from
from evtrack.storage.database import Connection, check_schema, connect, translated
from evtrack.storage.server import serving

P = ParamSpec("P")
R = TypeVar("R")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
dsn_option = click.option(
    "--dsn", metavar="DSN", help="PostgreSQL connection string; else EVTRACK_DSN, DATABASE_URL, PG*, else embedded."
)


class _Memory(click.ParamType[int]):
    name = "MIB"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            count = int(float(value) * (1 << 20))
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no number of MiB", param, ctx)
        if count < 1:
            self.fail(f"{value!r} MiB is no memory at all", param, ctx)
        return count


MEMORY = _Memory()
"""A number of MiB, which the command gets in bytes."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


class Span(click.ParamType[float]):
    """A span of time: 90s, 30m, 24h, 7d."""

    name = "span"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Turn the text into seconds."""
        if isinstance(value, int | float):
            return value
        found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([smhd])", value.strip())
        if not found:
            self.fail(f"{value!r} is no span of time; write it like 90s, 30m, 24h or 7d.", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


def located(*, schema: bool = True) -> Callable[[Callable[Concatenate[str, P], R]], Callable[..., R]]:
    """Give a command the option --dsn, and the connection string it leads to as its first argument.

    The embedded server, if that is the one, stays up until the command returns.

    Args:
        schema: Whether to make sure first that the schema is there and fits.

    Returns:
        A decorator; put it below the command's own options.
    """

    def decorate(function: Callable[Concatenate[str, P], R]) -> Callable[..., R]:
        @dsn_option
        @wraps(function)
        def command(*args: Any, dsn: str | None, **kwargs: Any) -> R:
            with serving(settings_from(dsn=dsn)) as there:
                if schema:
                    with connect(there, purpose="check") as conn:
                        check_schema(conn)
                return function(there, *args, **kwargs)

        return command

    return decorate


def connected(
    purpose: str, *, schema: bool = True
) -> Callable[[Callable[Concatenate[Connection, P], R]], Callable[..., R]]:
    """Give a command the option --dsn, and an open connection as its first argument.

    Args:
        purpose: What the connection is for; most often the command's name.
        schema: Whether to make sure first that the schema is there and fits.

    Returns:
        A decorator; put it below the command's own options.
    """

    def decorate(function: Callable[Concatenate[Connection, P], R]) -> Callable[..., R]:
        @dsn_option
        @wraps(function)
        def command(*args: Any, dsn: str | None, **kwargs: Any) -> R:
            with serving(settings_from(dsn=dsn)) as there, connect(there, purpose=purpose) as conn, translated():
                if schema:
                    check_schema(conn)
                return function(conn, *args, **kwargs)

        return command

    return decorate


def print_json(value: Any) -> None:
    """Print one JSON document on a line of stdout, times as ISO 8601 in UTC.

    Args:
        value: Anything made of dicts, lists, tuples, strings, numbers, times and None.
    """
    click.echo(json.dumps(value, default=_plain, ensure_ascii=False))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
