"""Write messages to the user on stderr: as text, or as JSON log lines where those were asked for."""

import sys
from typing import Final

import click
import structlog

from evtrack.domain import log_names
from evtrack.domain.text import printable_lines
from evtrack.interfaces.logs import only_json
from evtrack.interfaces.stdout_guard import discard_output

_LINE_LIMIT: Final = 1000
"""A rejected value may be as long as a command line can be."""

_log = structlog.get_logger()


def notice(text: str) -> None:
    """Write a message beside the data on stdout.

    Args:
        text: The message.
    """
    if only_json():
        _log.info(log_names.NOTICE, message=text)
    else:
        _write(text)


def report_interruption(text: str) -> None:
    """Report that Ctrl-C ended a command.

    Args:
        text: The message, with how to continue.
    """
    if only_json():
        _log.warning(log_names.INTERRUPTED, message=text)
    else:
        _write(text)


def report_error(message: str, *, exit_code: int, text: str = "") -> None:
    """Report the error that ends a command.

    Args:
        message: What is wrong and what to do next; values in it are made printable.
        exit_code: The exit code that follows.
        text: What to write as text, if not `Error:` and the message.
    """
    try:
        if only_json():
            _log.error(log_names.COMMAND_FAILED, message=printable_lines(message, _LINE_LIMIT), exit_code=exit_code)
        else:
            _write(printable_lines(text or f"Error: {message}", _LINE_LIMIT))
    except OSError:
        discard_output(sys.stderr)  # the exit code has to be enough


def _write(text: str) -> None:
    # To sys.stderr by name: a progress bar replaces it to write above itself, and click's err=True would bypass it.
    click.echo(text, file=sys.stderr)
