"""Configure structlog, the only place that does: log lines go to stderr, as JSON unless it is a terminal."""

import errno
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TextIO, cast

import structlog
from structlog.typing import EventDict

from evtrack.domain.log_values import bounded
from evtrack.domain.text import json_text, printable_lines
from evtrack.interfaces.stdout_guard import discard_output

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_GONE: Final = frozenset({errno.EIO, errno.EPIPE, errno.EBADF})
"""A terminal that was closed, or a reader that has exited: nothing written later would arrive."""
_VALUE_CHARACTERS: Final = 500
_requested = {"format": "auto"}

FORMATS: Final = ("auto", "json", "console")
"""The formats of log lines."""


def configure_logs(*, log_format: str = "auto", log_level: str = "info") -> None:
    """Send log lines to stderr; stdout is for data only.

    Args:
        log_format: json, console, or auto: console on a terminal, JSON elsewhere.
        log_level: The lowest level to write: debug, info, warning or error.

    Raises:
        ValueError: The format or the level is unknown.
    """
    if log_format not in FORMATS:
        raise ValueError(f"log_format must be auto, json or console, not {log_format!r}")
    if log_level not in _LEVELS:
        raise ValueError(f"log_level must be one of {', '.join(_LEVELS)}, not {log_level!r}")
    _requested["format"] = log_format
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    render: list[Any] = (
        [structlog.processors.format_exc_info, _safely(structlog.processors.JSONRenderer(serializer=json_text))]
        if as_json
        else [_safely(_make_printable), _safely(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()))]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _order_fields,
            *render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[log_level]),
        logger_factory=_stderr_logger,
        cache_logger_on_first_use=False,
    )


def only_json() -> bool:
    """Return whether stderr is for programs: messages are JSON lines, and nothing is drawn."""
    return requested_format() == "json"


def requested_format() -> str:
    """Return the requested format of log lines: json, console or auto."""
    return _requested["format"]


def _order_fields(_logger: Any, _method: str, line: EventDict) -> EventDict:
    first = {name: line.pop(name) for name in ("timestamp", "level", "event") if name in line}
    return {**first, **line}


def _make_printable(_logger: Any, _method: str, line: EventDict) -> EventDict:
    return {name: printable_lines(value) if isinstance(value, str) else value for name, value in line.items()}


def _safely(render: Callable[[Any, str, EventDict], Any]) -> Callable[[Any, str, EventDict], Any]:
    """Let no value end the process that logs it: a line that cannot be rendered is cut."""

    def rendered(logger: Any, method: str, line: EventDict) -> Any:
        try:
            return render(logger, method, line)
        except Exception as error:  # noqa: BLE001  values come from users
            cut = {name: bounded(value, _VALUE_CHARACTERS) for name, value in line.items()}
            return render(logger, method, {**cut, "render_error": type(error).__qualname__})

    return rendered


class _Stderr:
    """Standard error, which may be gone: a closed terminal or a reader that has exited must not end the process."""

    def write(self, text: str) -> int:
        try:
            # Looked up for each line: a progress bar or a test may have replaced the stream.
            return sys.stderr.write(text)
        except OSError as error:
            if error.errno in _GONE:
                discard_output(sys.stderr)
            return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()


def _stderr_logger(*_: Any) -> structlog.WriteLogger:
    return structlog.WriteLogger(_STDERR)


_STDERR: Final = cast("TextIO", _Stderr())
