"""Write messages to the user on stderr: as text, or as JSON log lines where those were asked for."""

from typing import Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.text import printable_lines
from evtrack.interfaces.log_writer import NOTICE_WAIT_S, WRITER
from evtrack.interfaces.logs import only_json

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
    if only_json():
        _log.error(log_names.COMMAND_FAILED, message=printable_lines(message, _LINE_LIMIT), exit_code=exit_code)
    else:
        _write(printable_lines(text or f"Error: {message}", _LINE_LIMIT))


def _write(text: str) -> None:
    WRITER.write(f"{text}\n", wait_s=NOTICE_WAIT_S)
