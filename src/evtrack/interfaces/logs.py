"""The one place that configures structlog: to stderr, as JSON where nobody watches."""

import logging
import sys
from typing import Any, Final

import structlog
from structlog.typing import EventDict

from evtrack.domain.text import json_text, printable_lines

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_asked = {"format": "auto"}

FORMATS: Final = ("auto", "json", "console")
"""The forms of log lines."""


def configure_logs(*, log_format: str = "auto", log_level: str = "info") -> None:
    """Send log lines to stderr; stdout carries data only.

    Args:
        log_format: json, console, or auto: console on a terminal, else JSON.
        log_level: The least level that is written: debug, info, warning or error.

    Raises:
        ValueError: If format or level is none of these.
    """
    if log_format not in FORMATS:
        raise ValueError(f"log_format must be auto, json or console, not {log_format!r}")
    if log_level not in _LEVELS:
        raise ValueError(f"log_level must be one of {', '.join(_LEVELS)}, not {log_level!r}")
    _asked["format"] = log_format
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    render: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=json_text)]
        if as_json
        else [_harmless, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _in_order,
            *render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[log_level]),
        logger_factory=_stderr_logger,
        cache_logger_on_first_use=False,
    )


def only_json() -> bool:
    """Tell whether stderr is for programs: then all that is said there is a line of JSON, and nothing is drawn."""
    return asked_format() == "json"


def asked_format() -> str:
    """Return the form of log lines that was asked for: json, console or auto."""
    return _asked["format"]


def _in_order(_logger: Any, _method: str, line: EventDict) -> EventDict:
    first = {name: line.pop(name) for name in ("timestamp", "level", "event") if name in line}
    return {**first, **line}


def _harmless(_logger: Any, _method: str, line: EventDict) -> EventDict:
    return {name: printable_lines(value) if isinstance(value, str) else value for name, value in line.items()}


def _stderr_logger(*_: Any) -> structlog.WriteLogger:
    # Looked up at each use: a progress bar or a test may have put another stream there.
    return structlog.WriteLogger(sys.stderr)
