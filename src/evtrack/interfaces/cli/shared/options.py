"""Options that commands share, and the database that most commands begin with."""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import wraps
from itertools import pairwise
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import click

from evtrack.config import settings_from
from evtrack.domain.database_errors import is_worth_waiting
from evtrack.domain.errors import EvtrackError
from evtrack.domain.text import json_text
from evtrack.interfaces.cli.shared.outage_log import OutageLog
from evtrack.interfaces.cli.shared.parameter_types import JOB_ID, POSITIVE_SECONDS, SECONDS, Memory, MemoryPair
from evtrack.interfaces.cli.shared.signals import ReceivedSignals, stop_on_signals
from evtrack.interfaces.logs import FORMATS, configure_logs
from evtrack.runtime.backoff import backoff_s
from evtrack.runtime.maintenance import GRACE_S, LEASE_S
from evtrack.runtime.worker.slots.memory_limits import RECYCLE_SHARE
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.connection.preconditions import check_schema, read_only_explained, require_owner
from evtrack.storage.embedded.server_choice import running_server

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0
_TICK_S: Final = 0.1

_LEVELS = click.Choice(["debug", "info", "warning", "error"])

job_argument = click.argument("job_id", metavar="JOB", type=JOB_ID)
"""A job's number."""

optional_job_argument = click.argument("job_id", metavar="[JOB]", type=JOB_ID, required=False)
"""A job's number, or nothing for all jobs."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
"""Print data for programs."""


def log_options(function: F) -> F:
    """Give a command --log-format and --log-level; the same options before the command's name are overridden."""
    level = click.option(
        "--log-level", type=_LEVELS, expose_value=False, callback=_configure, help="Lowest level of log lines to write."
    )
    form = click.option(
        "--log-format",
        type=click.Choice(FORMATS),
        expose_value=False,
        callback=_configure,
        help="Format of the log lines on stderr.",
    )
    return form(level(function))


def _configure(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    # All contexts of one command line share `meta`.
    given = ctx.meta.setdefault("evtrack.logs", {})
    if value is not None:
        given[str(param.name)] = value
    if value is not None or ctx.parent is None:
        settings = settings_from(**given)
        configure_logs(log_format=settings.log_format, log_level=settings.log_level)


def apply_log_format(args: Sequence[str]) -> None:
    """Apply --log-format to a command line that click could not parse to its end.

    Args:
        args: The command line.
    """
    given = list(args[: args.index("--")] if "--" in args else args)
    # As two words or with =; the last one counts.
    words = [part for word in given for part in (word.split("=", 1) if word.startswith("--log-format=") else [word])]
    formats = [value for option, value in pairwise(words) if option == "--log-format"]
    if formats and formats[-1] in FORMATS:
        configure_logs(log_format=formats[-1])


def dsn_option(function: F) -> F:
    """Give a command --dsn, and the options of its log lines."""
    text = "PostgreSQL connection string.  [default: EVTRACK_DSN, DATABASE_URL, PG* variables, or the embedded server]"
    return click.option("--dsn", metavar="DSN", help=text)(log_options(function))


def job_limit_options(function: F) -> F:
    """Give a command the limits of a job's batches: --timeout, --stall and --max-rss."""
    memory = click.option(
        "--max-rss",
        type=MemoryPair(),
        help="Memory limit of a slot, with the processes that it started: MiB, or with a unit such as 2GiB. A second "
        "size is for batches that run alone because of their memory.  [default: the worker's]",
    )
    return _time_limit_options(memory(function))


def worker_limit_options(function: F) -> F:
    """Give a command the limits of batches whose job sets none: --timeout, --stall and --max-rss."""
    memory = click.option(
        "--max-rss",
        type=MemoryPair(),
        help="Memory limit of a slot, with the processes that it started: MiB, or with a unit such as 2GiB. A second "
        "size is for batches that run alone because of their memory.  [default: a share of the container's memory, "
        "if that is limited; none for no limit]",
    )
    return _time_limit_options(memory(function))


def recycle_option(function: F) -> F:
    """Give a command --recycle-rss."""
    return click.option(
        "--recycle-rss",
        type=Memory(zero=True),
        help="Replace a slot that holds more memory than this after a batch; 0 for never.  "
        f"[default: {RECYCLE_SHARE:.0%} of the memory limit]",
    )(function)


def _time_limit_options(function: F) -> F:
    timeout = click.option("--timeout", type=POSITIVE_SECONDS, help="Longest run time of a batch.  [default: no limit]")
    stall = click.option(
        "--stall",
        type=POSITIVE_SECONDS,
        help="Longest time without a new item, a heartbeat or program output.  [default: no limit]",
    )
    return timeout(stall(function))


def lost_worker_options(function: F) -> F:
    """Give a command --lose-grace and --lease, which decide when a worker is lost."""
    grace = click.option(
        "--lose-grace",
        type=SECONDS,
        default=GRACE_S,
        help=f"Declare a worker lost when its database session has been gone for this long.  [default: {GRACE_S:g}]",
    )
    lease = click.option(
        "--lease",
        type=POSITIVE_SECONDS,
        default=LEASE_S,
        help=f"Declare a worker lost when its last heartbeat is this old.  [default: {LEASE_S:g}]",
    )
    return grace(lease(function))


def checked(dsn: str, check: Callable[[Connection], None], *, waits: bool = False) -> None:
    """Check the database before a command begins.

    Args:
        check: Raises what is wrong.
        waits: Whether to wait while the server answers and takes no connections now, until a signal ends that.
    """
    failures, log = 0, OutageLog("check")
    with stop_on_signals(lambda: None, hint="") if waits else nullcontext(ReceivedSignals()) as received:
        while not received:
            try:
                with connect(dsn, purpose="check", reads=True) as conn:
                    check(conn)
            except EvtrackError as error:
                if not (waits and is_worth_waiting(error)):
                    raise
                failures += 1
                pause_s = backoff_s(failures, first_s=_FIRST_PAUSE_S, longest_s=_LONGEST_PAUSE_S)
                log.failed(error, failures=failures, retry_in_s=pause_s)
                retry_at = time.monotonic() + pause_s
                while not received and time.monotonic() < retry_at:
                    time.sleep(_TICK_S)
            else:
                if failures:
                    log.recovered(failures=failures)
                return
    raise click.exceptions.Exit(received.exit_code if received.interrupted else 0)


def with_dsn(
    *, schema: bool = True, waits: bool = False
) -> Callable[[Callable[Concatenate[str, P], R]], Callable[..., R]]:
    """Give a command the option --dsn, and pass it the resolved connection string as its first argument.

    The embedded server, where it is used, stays up until the command returns.

    Args:
        schema: Whether to check first that the schema exists and fits.
        waits: Whether to wait while the server takes no connections now, except with --once.

    Returns:
        A decorator; put it below the command's own options.
    """

    def decorate(function: Callable[Concatenate[str, P], R]) -> Callable[..., R]:
        @dsn_option
        @wraps(function)
        def command(*args: Any, dsn: str | None, **kwargs: Any) -> R:
            with running_server(settings_from(dsn=dsn)) as resolved, read_only_explained(resolved):
                if schema:
                    checked(resolved, check_schema, waits=waits and not kwargs.get("once"))
                return function(resolved, *args, **kwargs)

        return command

    return decorate


def with_connection(
    purpose: str, *, schema: bool = True, owner: bool = False, writes: bool = False
) -> Callable[[Callable[Concatenate[Connection, P], R]], Callable[..., R]]:
    """Give a command the option --dsn, and pass it an open connection as its first argument.

    Args:
        purpose: What the connection is for, mostly the command's name.
        schema: Whether to check first that the schema exists and fits.
        owner: Whether to check first that the user has the rights of the schema's owner.
        writes: Whether the command writes; as the owner, it may.

    Returns:
        A decorator; put it below the command's own options.
    """

    def decorate(function: Callable[Concatenate[Connection, P], R]) -> Callable[..., R]:
        @dsn_option
        @wraps(function)
        def command(*args: Any, dsn: str | None, **kwargs: Any) -> R:
            with (
                running_server(settings_from(dsn=dsn)) as resolved,
                read_only_explained(resolved),
                connect(resolved, purpose=purpose, reads=not (writes or owner)) as conn,
            ):
                if owner:
                    require_owner(conn)
                if schema:
                    check_schema(conn)
                return function(conn, *args, **kwargs)

        return command

    return decorate


def print_json(value: Any) -> None:
    """Print one JSON document as a line on stdout, times as ISO 8601 in UTC.

    Args:
        value: Anything made of dicts, lists, tuples, strings, numbers, times and None.
    """
    click.echo(json_text(value, default=_json_value))


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
