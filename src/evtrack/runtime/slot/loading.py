"""Imports the modules that define handlers, and collects the handlers."""

import importlib
import sys
import traceback
from collections.abc import Iterable, Mapping
from typing import Final

from evtrack.domain.errors import BadArgument, HandlerImportError
from evtrack.runtime.slot.handlers import OFFERED, Registry, command

ENTRY_POINTS: Final = "evtrack.handlers"


def load_handlers(imports: Iterable[str], commands: Mapping[str, Iterable[str]], only: Iterable[str] = ()) -> Registry:
    """Import modules and collect the handlers that they define.

    Args:
        imports: Modules that define handlers.
        commands: Argument lists of programs, by handler name.
        only: Offer these handlers and no others; empty for all.

    Returns:
        The handlers.

    Raises:
        HandlerImportError: A module does not import.
        BadArgument: Two handlers have the same name.
        UnknownHandler: No handler has one of the names in `only`.
    """
    for module in imports:
        _import(module)
    for name, argv in commands.items():
        OFFERED.add(command(name, argv))
    return OFFERED.only(only)


def entry_point_modules() -> list[str]:
    """List the modules in which installed distributions define handlers, without importing them.

    Returns:
        Module names, sorted.
    """
    from importlib import metadata  # noqa: PLC0415  30 ms that only the supervisor should pay, once

    return sorted({point.module for point in metadata.entry_points(group=ENTRY_POINTS)})


def put_on_path(directory: str) -> None:
    """Import modules from a directory before any other.

    Args:
        directory: The directory; empty does nothing.
    """
    if directory and directory not in sys.path[:1]:
        sys.path.insert(0, directory)


def _import(module: str) -> None:
    try:
        importlib.import_module(module)
    except BadArgument:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001  a module may raise anything while it is imported
        raise HandlerImportError(module, traceback=_own_traceback(error)) from None


def _own_traceback(error: BaseException) -> str:
    # The frames of evtrack and of the import system do not help to find the fault in the module.
    step = error.__traceback__
    while step is not None and _is_machinery(step.tb_frame.f_code.co_filename):
        step = step.tb_next
    return "".join(traceback.format_exception(type(error), error, step))


def _is_machinery(filename: str) -> bool:
    return filename == __file__ or filename.startswith("<frozen importlib") or filename == importlib.__file__
