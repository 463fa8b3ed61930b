"""End a command: turn an error, a signal or a failing stdout into a message and an exit code."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import click

from evtrack.domain.errors import EvtrackError
from evtrack.interfaces.cli.shared.options import apply_log_format
from evtrack.interfaces.notices import report_error, report_interruption
from evtrack.interfaces.stdout_guard import guarded_stdout

INTERRUPTED: Final = 130
"""The exit code after Ctrl-C."""


@contextmanager
def interruptible(message: str = "Interrupted.") -> Iterator[None]:
    """Report Ctrl-C as such, and not as the error that it causes.

    Args:
        message: What to report after Ctrl-C.

    Yields:
        Nothing; wrap a command with it.

    Raises:
        click.exceptions.Exit: Ctrl-C was pressed.
    """
    try:
        yield
    except EvtrackError as error:
        # A signal during a statement ends the statement, and its rollback may then fail: the signal is the cause.
        cause = _signal_behind(error)
        if cause is None:
            raise
    except KeyboardInterrupt as interrupt:
        cause = interrupt
    else:
        return
    if isinstance(cause, KeyboardInterrupt):
        report_interruption(message)
        raise click.exceptions.Exit(INTERRUPTED)
    raise cause


def run_command(command: Callable[[], Any], args: Sequence[str]) -> int:
    """Run a command, and report its error on stderr.

    Args:
        command: The command; it returns an exit code, or None.
        args: Its command line.

    Returns:
        The exit code.
    """
    code: int = 0
    try:
        with guarded_stdout():
            code = command() or 0
    except EvtrackError as error:
        report_error(str(error), exit_code=error.exit_code)
        return error.exit_code
    except click.ClickException as error:
        if isinstance(error, click.UsageError):
            apply_log_format(args)
        text = io.StringIO()
        error.show(file=text)
        report_error(error.format_message(), exit_code=error.exit_code, text=text.getvalue().rstrip("\n"))
        return error.exit_code
    return code


def _signal_behind(error: BaseException) -> SystemExit | KeyboardInterrupt | None:
    context: BaseException | None = error
    while context is not None and not isinstance(context, SystemExit | KeyboardInterrupt):
        context = context.__context__
    return context
