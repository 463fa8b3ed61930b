"""The command line: a lazy group, so that a command imports only what it needs."""

import signal
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from types import FrameType
from typing import Any

import click

from evtrack.interfaces.cli.shared.exit_codes import endings, exit_code
from evtrack.interfaces.cli.shared.options import connected, json_option, located, log_options, print_json
from evtrack.version import __version__

__all__ = ["cli", "connected", "json_option", "located", "main", "print_json"]

_HERE = "evtrack.interfaces.cli"
_SIGNALLED = 128  # and the signal's number, as shells have it

# name -> module:attribute, in the order that --help lists them
_COMMANDS = {
    "run": "processing.run:run",
    "submit": "processing.submit:submit",
    "work": "processing.work:work",
    "watch": "monitoring.watch:watch",
    "results": "jobs.results:results",
    "status": "jobs.status:status",
    "jobs": "jobs.status:jobs",
    "batches": "jobs.status:batches",
    "crashes": "jobs.crashes:crashes",
    "show": "jobs.crashes:show",
    "alerts": "monitoring.alerts:alerts",
    "events": "jobs.events:events",
    "progress": "jobs.status:progress",
    "history": "jobs.history:history",
    "workers": "jobs.status:workers",
    "top": "monitoring.top:top",
    "health": "monitoring.health:health",
    "doctor": "monitoring.doctor:doctor",
    "verify": "database.verify:verify",
    "suspend": "jobs.control:suspend",
    "resume": "jobs.control:resume",
    "cancel": "jobs.control:cancel",
    "retry": "jobs.control:retry",
    "quarantine": "jobs.control:quarantine",
    "cleanup": "database.retention:cleanup",
    "archive": "database.retention:archive",
    "migrate": "database.migrate:migrate",
    "dsn": "database.server:dsn",
    "psql": "database.server:psql",
    "server": "database.server:server",
}


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

    def invoke(self, ctx: click.Context) -> None:
        with endings():
            super().invoke(ctx)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002  # click's signature
        **extra: Any,
    ) -> Any:
        command = partial(super().main, args, prog_name, complete_var, standalone_mode=False, **extra)
        given = sys.argv[1:] if args is None else args
        return sys.exit(exit_code(command, given)) if standalone_mode else command()


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="evtrack")
@log_options
def cli() -> None:
    """Track batch work in an immutable PostgreSQL event log.

    The server is named by --dsn, EVTRACK_DSN, DATABASE_URL or libpq's PG* variables, in this order; without any, the
    embedded one is used.

    Exit codes: 0 done; 1 error; 2 wrong usage; 3 a run ended with items that failed, crashed or were invalid; 4 the
    database's schema is missing, older or newer; 5 no connection to a server; 74 stdout takes no more; 130 interrupted.
    """


def main() -> None:
    """Run the command line and exit."""
    # A plain SIGTERM would leave the embedded server without its last user's goodbye; commands that stop in another
    # way say so themselves.
    signal.signal(signal.SIGTERM, _terminated)
    cli(prog_name="evtrack")


def _terminated(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(_SIGNALLED + number)
