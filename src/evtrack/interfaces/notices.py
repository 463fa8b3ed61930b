"""What commands say to people on stderr: words, or lines of JSON where stderr is for programs."""

import sys
from typing import Final

import click
import structlog

from evtrack.domain import log_names
from evtrack.domain.text import printable_lines
from evtrack.interfaces.logs import only_json
from evtrack.interfaces.output import to_nowhere

# Of a line: a value that was refused may be as long as a command line can be.
_LINE_LIMIT: Final = 1000

_log = structlog.get_logger()


def notice(text: str) -> None:
    """Say something beside the data.

    Args:
        text: Our own words.
    """
    if only_json():
        _log.info(log_names.NOTICE, message=text)
    else:
        _say(text)


def interrupted(text: str) -> None:
    """Say that Ctrl-C ended a command.

    Args:
        text: That, and how to go on.
    """
    if only_json():
        _log.warning(log_names.INTERRUPTED, message=text)
    else:
        _say(text)


def refused(message: str, *, exit_code: int, words: str = "") -> None:
    """Say why a command ends with an error.

    Args:
        message: What is wrong and what to do next; values of others in it are made harmless.
        exit_code: Which code it ends with.
        words: How people are told, if in other words than `Error:` and the message.
    """
    try:
        if only_json():
            _log.error(log_names.COMMAND_FAILED, message=printable_lines(message, _LINE_LIMIT), exit_code=exit_code)
        else:
            _say(printable_lines(words or f"Error: {message}", _LINE_LIMIT))
    except OSError:
        to_nowhere(sys.stderr)  # the exit code must do


def _say(text: str) -> None:
    # By name: what draws a bar puts itself between here and the terminal, and err=True would go around it.
    click.echo(text, file=sys.stderr)
