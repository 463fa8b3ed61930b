"""Imports the modules that define handlers, and says what they offer."""

import importlib
import sys
import traceback
from collections.abc import Iterable, Mapping
from typing import Final

from evtrack.domain.errors import BadArgument, HandlerImportError
from evtrack.runtime.slot.handlers import OFFERED, Registry, command

ENTRY_POINTS: Final = "evtrack.handlers"


def load(imports: Iterable[str], commands: Mapping[str, Iterable[str]], only: Iterable[str] = ()) -> Registry:
    """Import the modules and gather what they offer.

    Args:
        imports: Modules that define handlers.
        commands: Argument lists of programs by handler name.
        only: Offer these names and no others; none for all.

    Returns:
        The handlers.

    Raises:
        HandlerImportError: A module does not import.
        BadArgument: Two handlers have one name.
        UnknownHandler: A name to offer is not there.
    """
    for module in imports:
        _import(module)
    for name, argv in commands.items():
        OFFERED.add(command(name, argv))
    return OFFERED.only(only)


def entry_point_modules() -> list[str]:
    """Name the modules that installed distributions offer handlers in; imports none of them.

    Returns:
        Module names, sorted.
    """
    from importlib import metadata  # noqa: PLC0415  30 ms that only the supervisor should pay, once

    return sorted({point.module for point in metadata.entry_points(group=ENTRY_POINTS)})


def put_on_path(folder: str) -> None:
    """Let modules be imported from a folder, before all others.

    Args:
        folder: The folder; empty does nothing.
    """
    if folder and folder not in sys.path[:1]:
        sys.path.insert(0, folder)


def _import(module: str) -> None:
    try:
        importlib.import_module(module)
    except BadArgument:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001  a module may raise anything while it is imported
        raise HandlerImportError(module, traceback=_own_traceback(error)) from None


def _own_traceback(error: BaseException) -> str:
    # The frames of evtrack and of the import system say nothing about what is wrong in the module.
    step = error.__traceback__
    while step is not None and _is_machinery(step.tb_frame.f_code.co_filename):
        step = step.tb_next
    return "".join(traceback.format_exception(type(error), error, step))


def _is_machinery(filename: str) -> bool:
    return filename == __file__ or filename.startswith("<frozen importlib") or filename == importlib.__file__
