"""Configure structlog, the only place that does: log lines go to stderr, as JSON unless it is a terminal."""

import atexit
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import structlog
from structlog.typing import EventDict

from evtrack.domain import log_names
from evtrack.domain.log_values import bounded
from evtrack.domain.text import json_text, printable_lines
from evtrack.interfaces.log_writer import WRITER

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_VALUE_CHARACTERS: Final = 500
_requested = {"format": "auto"}

FORMATS: Final = ("auto", "json", "console")
"""The formats of log lines."""

_log = structlog.get_logger()


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
        logger_factory=_StderrLogger,
        cache_logger_on_first_use=False,
    )


def start_log_thread() -> None:
    """Write log lines on a thread of their own until the process exits."""
    WRITER.start(_report_dropped)
    atexit.register(_close)


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


def _report_dropped(lines: int, reason: str) -> None:
    _log.warning(log_names.LOG_LINES_DROPPED, lines=lines, reason=reason)


def _close() -> None:
    with suppress(KeyboardInterrupt, SystemExit):  # another signal while the process exits
        WRITER.close()


class _StderrLogger:
    """Hands rendered lines to the writer."""

    def __init__(self, *_: Any) -> None:
        pass

    def msg(self, message: str) -> None:
        """Write a line."""
        WRITER.write(f"{message}\n")

    log = debug = info = warning = error = critical = exception = msg
