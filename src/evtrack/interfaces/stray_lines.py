"""Turns what Python and libraries would write to stderr into log lines: records, warnings, and unhandled exceptions."""

import logging
import sys
import threading
import traceback
import warnings
from types import TracebackType
from typing import Any

import structlog

from evtrack.domain import log_names
from evtrack.domain.text import printable
from evtrack.interfaces.log_writer import WRITER
from evtrack.interfaces.logs import only_json

_log = structlog.get_logger()


def capture_stray_lines() -> None:
    """Log what would otherwise stand as plain text among the log lines."""
    logging.lastResort = _LastResort(logging.WARNING)
    warnings.showwarning = _on_warning
    sys.excepthook = _on_exception
    sys.unraisablehook = _on_unraisable
    threading.excepthook = _on_thread_exception


class _LastResort(logging.Handler):
    """Logs the records of libraries, as long as nobody has configured the logging module."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record."""
        try:
            write = _log.error if record.levelno >= logging.ERROR else _log.warning
            write(log_names.LIBRARY_LOG, logger=record.name, message=self.format(record))
        except Exception:  # noqa: BLE001  a library's record must not harm what it logs about
            self.handleError(record)


def _on_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any
) -> None:
    where = f"{filename}:{lineno}"
    _log.warning(log_names.PYTHON_WARNING, category=category.__name__, message=f"{message} ({where})")


def _on_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if only_json():
        _log.error(log_names.UNEXPECTED_ERROR, where="main", exc_info=(kind, error, trace))
    else:
        WRITER.write("".join(traceback.format_exception(kind, error, trace)))


def _on_unraisable(failed: "sys.UnraisableHookArgs") -> None:
    where = printable(failed.err_msg or repr(failed.object), 200)
    _log.error(log_names.UNEXPECTED_ERROR, where=where, exc_info=failed.exc_value)


def _on_thread_exception(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_type is not SystemExit:
        where = failed.thread.name if failed.thread else "a thread"
        _log.error(log_names.UNEXPECTED_ERROR, where=where, exc_info=failed.exc_value)
