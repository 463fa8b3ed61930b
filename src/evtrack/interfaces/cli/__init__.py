"""The command line: a lazy group, so that a command imports only what it needs."""

import signal
from importlib import import_module
from types import FrameType
from typing import Any

import click

from evtrack import __version__
from evtrack.domain.errors import EvtrackError
from evtrack.interfaces.cli.options import connected, json_option, located, log_options, print_json

__all__ = ["cli", "connected", "json_option", "located", "main", "print_json"]

_HERE = "evtrack.interfaces.cli"
_INTERRUPTED = 130
_SIGNALLED = 128  # and the signal's number, as shells have it

# name -> module:attribute, in the order that --help lists them
_COMMANDS = {
    "run": "run:run",
    "submit": "submit:submit",
    "work": "work:work",
    "watch": "watch:watch",
    "results": "results:results",
    "status": "looking:status",
    "jobs": "looking:jobs",
    "batches": "looking:batches",
    "crashes": "crashes:crashes",
    "show": "crashes:show",
    "alerts": "alerts:alerts",
    "events": "events:events",
    "progress": "looking:progress",
    "history": "history:history",
    "workers": "looking:workers",
    "top": "top:top",
    "health": "health:health",
    "doctor": "doctor:doctor",
    "verify": "verify:verify",
    "suspend": "control:suspend",
    "resume": "control:resume",
    "cancel": "control:cancel",
    "retry": "control:retry",
    "quarantine": "control:quarantine",
    "cleanup": "retention:cleanup",
    "archive": "retention:archive",
    "migrate": "migrate:migrate",
    "dsn": "server:dsn",
    "psql": "server:psql",
    "server": "server:server",
}


class _Refusal(click.ClickException):
    """Show one of evtrack's errors and leave with its exit code."""

    def __init__(self, error: EvtrackError) -> None:
        super().__init__(str(error))
        self.exit_code = error.exit_code  # type: ignore[misc]  # click declares it for the class, reads it from here


class _LazyGroup(click.Group):
    """Import a command's module when the command is asked for; turn errors into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        if cmd_name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[cmd_name].split(":")
        command = getattr(import_module(f"{_HERE}.{module}"), attribute)
        assert isinstance(command, click.Command), f"{module}:{attribute} is no command"  # noqa: S101  # our own table
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EvtrackError as error:
            # A signal that comes within a statement ends it, and then its rollback may fail: the signal counts.
            ending = _ending(error)
            if ending is None:
                raise _Refusal(error) from error
        except KeyboardInterrupt as interrupt:
            ending = interrupt
        if isinstance(ending, KeyboardInterrupt):
            click.echo("Interrupted.", err=True)
            raise click.exceptions.Exit(_INTERRUPTED)
        raise ending


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="evtrack")
@log_options
def cli() -> None:
    """Track batch work in an immutable PostgreSQL event log.

    The server is named by --dsn, EVTRACK_DSN, DATABASE_URL or libpq's PG* variables, in this order; without any, the
    embedded one is used.

    Exit codes: 0 done; 1 error; 2 wrong usage; 3 a run ended with items that failed, crashed or were invalid; 4 the
    database's schema is missing, older or newer; 5 no connection to a server; 130 interrupted.
    """


def main() -> None:
    """Run the command line and exit."""
    # A plain SIGTERM would leave the embedded server without its last user's goodbye; commands that stop in another
    # way say so themselves.
    signal.signal(signal.SIGTERM, _terminated)
    cli(prog_name="evtrack")


def _ending(error: BaseException) -> SystemExit | KeyboardInterrupt | None:
    context: BaseException | None = error
    while context is not None and not isinstance(context, SystemExit | KeyboardInterrupt):
        context = context.__context__
    return context


def _terminated(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(_SIGNALLED + number)
