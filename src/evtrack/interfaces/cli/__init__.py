"""The command line: a lazy group, so that a command imports only what it needs."""

import signal
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from types import FrameType
from typing import Any, Final

import click

from evtrack.interfaces.cli.shared.exit_codes import interruptible, run_command
from evtrack.interfaces.cli.shared.options import log_options
from evtrack.interfaces.logs import start_log_thread
from evtrack.interfaces.stray_lines import capture_stray_lines
from evtrack.version import __version__

__all__ = ["cli", "main"]

_HERE: Final = "evtrack.interfaces.cli"
_SIGNALLED: Final = 128  # plus the signal's number, as in shells

# A thread that has waited for the database then waits for the interpreter, 5 ms by default while another one computes:
# as long as a submitter needs to write a hundred kilobytes, or a worker to pick up a batch and run it.
_SWITCH_S: Final = 0.0005

# The module and attribute of each command, in the order of --help.
_COMMANDS: Final = {
    "run": "processing.run:run",
    "submit": "processing.submit:submit",
    "work": "processing.work:work",
    "watch": "monitoring.watch:watch",
    "results": "jobs.results:results",
    "status": "jobs.status:status",
    "jobs": "jobs.listings:jobs",
    "batches": "jobs.listings:batches",
    "items": "jobs.listings:items",
    "errors": "jobs.listings:errors",
    "crashes": "jobs.crashes:crashes",
    "show": "jobs.crashes:show",
    "memory": "jobs.memory:memory",
    "alerts": "monitoring.alerts:alerts",
    "events": "jobs.events:events",
    "progress": "jobs.progress:progress",
    "history": "jobs.history:history",
    "workers": "jobs.listings:workers",
    "top": "monitoring.top:top",
    "web": "monitoring.web:web",
    "health": "monitoring.health:health",
    "doctor": "monitoring.doctor:doctor",
    "verify": "database.verify:verify",
    "suspend": "jobs.control:suspend",
    "resume": "jobs.control:resume",
    "cancel": "jobs.control:cancel",
    "retry": "jobs.control:retry",
    "quarantine": "jobs.control:quarantine",
    "cleanup": "database.cleanup:cleanup",
    "archive": "database.archive:archive",
    "migrate": "database.migrate:migrate",
    "dsn": "database.server:dsn",
    "psql": "database.server:psql",
    "server": "database.server:server",
}

_WITH_SLOTS: Final = ("run", "work")


class _LazyGroup(click.Group):
    """Import a command's module only when the command is used; turn errors into exit codes."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        runs_nothing = ctx.resilient_parsing or not {*args}.isdisjoint(ctx.help_option_names)
        if args[0] not in _WITH_SLOTS or runs_nothing:
            return super().resolve_command(ctx, args)
        # It imports for as long as the command's own modules take.
        slots = import_module("evtrack.runtime.worker.slots.fork_server_client")
        slots.start_ahead()
        ctx.call_on_close(slots.close_ahead)
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        if cmd_name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[cmd_name].split(":")
        command = getattr(import_module(f"{_HERE}.{module}"), attribute)
        assert isinstance(command, click.Command), f"{module}:{attribute} is not a command"  # noqa: S101  # our own table
        return command

    def invoke(self, ctx: click.Context) -> None:
        with interruptible():
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
        return sys.exit(run_command(command, given)) if standalone_mode else command()


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="evtrack")
@log_options
def cli() -> None:
    """Track batch work in an immutable PostgreSQL event log.

    The database is set by --dsn, EVTRACK_DSN, DATABASE_URL or libpq's PG* variables; the first one that is set is used.
    If none is set, evtrack uses the embedded server.

    Exit codes: 0 done; 1 error; 2 wrong usage; 3 some items of a run failed, crashed or were invalid; 4 the schema is
    missing, or older or newer than this evtrack; 5 no connection to the database; 6 the database lost events
    that were read before; 74 writing to stdout failed; 130 interrupted.
    """


def main() -> None:
    """Run the command line and exit."""
    sys.setswitchinterval(_SWITCH_S)
    start_log_thread()
    capture_stray_lines()
    # By default, SIGTERM and SIGHUP would end the process before the embedded server learns that its last user is gone.
    # Commands that stop in another way install their own handler.
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
        signal.signal(signal.SIGHUP, _terminate)
    cli(prog_name="evtrack")


def _terminate(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(_SIGNALLED + number)
