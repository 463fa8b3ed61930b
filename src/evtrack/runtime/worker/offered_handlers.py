"""What a worker is told to offer, made into what its slots are told."""

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


def offer(imports: Sequence[str], commands: Sequence[str], only: Sequence[str] = ()) -> Setup:
    """Say what slots are to offer.

    Args:
        imports: Modules that define handlers.
        commands: Programs as ``NAME=PROGRAM ARGUMENTS``.
        only: Offer these handlers and no others; empty for all.

    Returns:
        What to tell the slots. Where neither module nor program is named, it is what installed distributions offer.

    Raises:
        BadArgument: There is nothing to offer, or a program cannot be read or is not there.
    """
    programs: dict[str, list[str]] = {}
    for text in commands:
        name, argv = parse_command(text)
        if name in programs:
            raise BadArgument(f"--exec names {quoted(name)} twice", hint="Give each program a name of its own.")
        if shutil.which(argv[0]) is None:
            raise BadArgument(
                f"--exec {name}: there is no program {quoted(argv[0])} that can be run",
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
    return Setup(modules, programs, list(dict.fromkeys(only)), str(Path.cwd()))
