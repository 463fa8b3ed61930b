"""Turns a worker's options into the handlers that its slots offer."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from evtrack.domain.errors import BadArgument
from evtrack.domain.text import quoted
from evtrack.runtime.slot.handlers import parse_command
from evtrack.runtime.slot.loading import ENTRY_POINTS, entry_point_modules
from evtrack.runtime.slot.protocol import Setup

if TYPE_CHECKING:
    from collections.abc import Sequence


def slot_setup(
    imports: Sequence[str],
    commands: Sequence[str],
    only: Sequence[str] = (),
    *,
    dsn: str = "",
    kept_variables: Sequence[str] = (),
) -> Setup:
    """Decide which handlers slots offer.

    Args:
        imports: Modules that define handlers.
        commands: Programs as ``NAME=PROGRAM ARGUMENTS``.
        only: Offer these handlers and no others; empty for all.
        dsn: The worker's database.
        kept_variables: Names of variables that slots get although they may hold secrets of evtrack.

    Returns:
        The slots' setup. Without any module or program it holds the modules of installed distributions.

    Raises:
        BadArgument: There is no handler to offer, or a program is invalid or missing.
    """
    programs: dict[str, list[str]] = {}
    for text in commands:
        name, argv = parse_command(text)
        if name in programs:
            raise BadArgument(f"--exec names {quoted(name)} twice", hint="Give each program a name of its own.")
        if shutil.which(argv[0]) is None:
            raise BadArgument(
                f"--exec {name}: no executable program {quoted(argv[0])}",
                hint="Name one on the PATH, or the path of an executable file.",
            )
        programs[name] = argv
    modules = list(dict.fromkeys(imports))
    if not modules and not programs:
        modules = entry_point_modules()
    if not modules and not programs:
        raise BadArgument(
            f"no handler to offer: none is named, and no installed package has entry points {ENTRY_POINTS!r}",
            hint="Name a module with --import MODULE, or a program with --exec NAME='PROGRAM ARGUMENTS'.",
        )
    return Setup(modules, programs, list(dict.fromkeys(only)), str(Path.cwd()), dsn, list(kept_variables))
