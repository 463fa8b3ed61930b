"""Configure structlog, the only place that does: log lines go to stderr, as JSON unless it is a terminal."""

import logging
import sys
from typing import Any, Final

import structlog
from structlog.typing import EventDict

from evtrack.domain.text import json_text, printable_lines

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
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
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=json_text)]
        if as_json
        else [_make_printable, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
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


def _stderr_logger(*_: Any) -> structlog.WriteLogger:
    # Looked up for each line: a progress bar or a test may have replaced the stream.
    return structlog.WriteLogger(sys.stderr)
