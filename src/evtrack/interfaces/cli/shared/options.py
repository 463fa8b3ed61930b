"""The options that commands share, and the connection that most of them start with."""

import os
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import wraps
from itertools import pairwise
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from evtrack.config import settings_from
from evtrack.domain.column_limits import INTEGER_MAX
from evtrack.domain.text import json_text, quoted
from evtrack.interfaces.logs import FORMATS, configure_logs
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.connection.preconditions import check_schema, read_only_explained, require_owner
from evtrack.storage.embedded.server_choice import running_server

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

_LONGEST_S = 365_000 * 86_400
_MOST_BYTES = 10**15
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LEVELS = click.Choice(["debug", "info", "warning", "error"])


def log_options(function: F) -> F:
    """Give a command --log-format and --log-level, which also stand before commands: the later one counts."""
    level = click.option(
        "--log-level", type=_LEVELS, expose_value=False, callback=_tell_logs, help="Least level of log lines."
    )
    form = click.option(
        "--log-format",
        type=click.Choice(FORMATS),
        expose_value=False,
        callback=_tell_logs,
        help="Form of log lines on stderr.",
    )
    return form(level(function))


def _tell_logs(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    # All contexts of one command line share `meta`.
    told = ctx.meta.setdefault("evtrack.logs", {})
    if value is not None:
        told[str(param.name)] = value
    if value is not None or ctx.parent is None:
        settings = settings_from(**told)
        configure_logs(log_format=settings.log_format, log_level=settings.log_level)


def settle_logs(args: Sequence[str]) -> None:
    """Let --log-format hold for what is wrong with a command line, also where click did not come to read it.

    Args:
        args: The command line.
    """
    given = list(args[: args.index("--")] if "--" in args else args)
    # Both ways to write it; the last counts.
    words = [part for word in given for part in (word.split("=", 1) if word.startswith("--log-format=") else [word])]
    told = [value for option, value in pairwise(words) if option == "--log-format"]
    if told and told[-1] in FORMATS:
        configure_logs(log_format=told[-1])


def dsn_option(function: F) -> F:
    """Give a command --dsn, and the options of its log lines."""
    words = "PostgreSQL connection string; else EVTRACK_DSN, DATABASE_URL, PG*, else embedded."
    return click.option("--dsn", metavar="DSN", help=words)(log_options(function))


class _Memory(click.ParamType[int]):
    name = "MIB"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            count = int(float(value) * (1 << 20))
        except (ValueError, OverflowError):
            self.fail(f"{quoted(value)} is no number of MiB", param, ctx)
        if count < 1:
            self.fail(f"{quoted(value)} MiB is no memory at all", param, ctx)
        # What a job's policy takes.
        if count > _MOST_BYTES:
            self.fail(
                f"{quoted(value)} MiB is more than any machine has; write at most {_MOST_BYTES >> 20}", param, ctx
            )
        return count


MEMORY = _Memory()
"""A number of MiB, which the command gets in bytes."""

BATCH_NO = click.IntRange(1, INTEGER_MAX)
"""The number of a batch."""

LIMIT = click.IntRange(1, INTEGER_MAX)
"""How many rows to show at most."""

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
            self.fail(f"{quoted(value)} is no span of time; write it like 90s, 30m, 24h or 7d.", param, ctx)
        seconds = float(found[1]) * _UNITS[found[2]]
        # Counted back from now, more would lead before the first year of the calendar.
        if seconds > _LONGEST_S:
            self.fail(f"{quoted(value)} is longer than {_LONGEST_S // 86_400}d, the longest span of time.", param, ctx)
        return seconds


class Folder(click.Path):
    """A folder; an empty name, as an unset variable of a shell leaves it, is not the one that the command runs in."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, file_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Turn the text into a path."""
        if not os.fspath(value):
            self.fail("the name of the folder is empty; write . for the one that you are in.", param, ctx)
        return super().convert(value, param, ctx)


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
            with running_server(settings_from(dsn=dsn)) as there, read_only_explained(there):
                if schema:
                    with connect(there, purpose="check") as conn:
                        check_schema(conn)
                return function(there, *args, **kwargs)

        return command

    return decorate


def connected(
    purpose: str, *, schema: bool = True, owner: bool = False
) -> Callable[[Callable[Concatenate[Connection, P], R]], Callable[..., R]]:
    """Give a command the option --dsn, and an open connection as its first argument.

    Args:
        purpose: What the connection is for; most often the command's name.
        schema: Whether to make sure first that the schema is there and fits.
        owner: Whether to make sure first that the user may do what only the schema's owner may.

    Returns:
        A decorator; put it below the command's own options.
    """

    def decorate(function: Callable[Concatenate[Connection, P], R]) -> Callable[..., R]:
        @dsn_option
        @wraps(function)
        def command(*args: Any, dsn: str | None, **kwargs: Any) -> R:
            with (
                running_server(settings_from(dsn=dsn)) as there,
                read_only_explained(there),
                connect(there, purpose=purpose) as conn,
                translated(),
            ):
                if owner:
                    require_owner(conn)
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
    click.echo(json_text(value, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
