"""Collects evidence of why a worker died: from control groups, the kernel's log, and whoever started it."""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from evtrack.domain.text import storable
from evtrack.runtime.worker.slots.oom_kills import kill_count
from evtrack.runtime.worker.state.description import read_boot_id
from evtrack.runtime.worker.state.kernel_log import find_kill

if TYPE_CHECKING:
    from collections.abc import Collection

    from evtrack.runtime.worker.state.description import WorkerDescription

EXIT_FILES: Final = "exit"
"""Begins the names of the files in the state directory in which a service manager writes how a worker ended."""

_EXIT_BYTES: Final = 1000
_BOUND: Final = 500
_SIGNAL_CODES: Final = 128
_UNKNOWN: Final = "the worker and its slots ended without a report; the killer is unknown"


def evidence(
    worker: WorkerDescription, *, pids: Collection[int], base: Path, previous_exit: str = ""
) -> dict[str, Any]:
    """Collect what is known about a worker's death.

    Args:
        worker: The worker.
        pids: The processes of its slots.
        base: The state directory.
        previous_exit: How it ended, as its parent reports it; empty when it does not.

    Returns:
        Facts for the death report: `why` in words, and each piece of evidence by itself.
    """
    facts: dict[str, Any] = {"host": worker.host, "pid": worker.pid}
    reasons = []
    if not worker.is_of_this_boot:
        facts["boot_id_changed"] = {"from": worker.boot_id, "to": read_boot_id()}
        reasons.append("the host restarted")
    else:
        if kills := _kills(worker):
            facts["oom_kills"] = kills
            reasons += [f"oom_kill rose from {kill['from']} to {kill['to']} in {kill['file']}" for kill in kills]
        if line := find_kill({worker.pid, *pids}, since=worker.started_clock):
            facts["kernel_log"] = storable(line, _BOUND)
            reasons.append(f"the kernel's log: {facts['kernel_log']}")
    if ended := _exit_in_words(previous_exit) or _exit_in_file(base, worker):
        facts["previous_exit"] = storable(ended, _BOUND)
        reasons.append(f"its parent reports: {facts['previous_exit']}")
    return {**facts, "why": "; ".join(reasons) or _UNKNOWN}


def _kills(worker: WorkerDescription) -> list[dict[str, Any]]:
    counts = {file: (before, kill_count(Path(file))) for file, before in worker.oom_kills.items()}
    return [
        {"file": file, "from": before, "to": now}
        for file, (before, now) in counts.items()
        if now is not None and now > before
    ]


def _exit_in_words(text: str) -> str:
    """Explain an exit status as a shell reports it, such as 137 or SIGKILL; keep any other text."""
    text = text.strip()
    if text.isdecimal() and int(text) > _SIGNAL_CODES:
        try:
            return f"exit code {text} ({signal.Signals(int(text) - _SIGNAL_CODES).name})"
        except ValueError:
            pass
    return f"exit code {text}" if text.isdecimal() else text


def _exit_in_file(base: Path, worker: WorkerDescription) -> str:
    """Read what a service manager wrote: lines of NAME=VALUE, or any text."""
    found = ""
    for path in sorted(base.glob(f"{EXIT_FILES}*")):
        with suppress(OSError), os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if os.fstat(file.fileno()).st_mtime < worker.started_at:
                continue
            text = (file.read(_EXIT_BYTES) or b"").decode("utf-8", "replace").strip()
            values = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
            invocation = values.pop("INVOCATION_ID", "")
            text = ", ".join(f"{name}={value}" for name, value in values.items()) or text
            if invocation and invocation == worker.invocation_id:
                return text
            if not (invocation and worker.invocation_id):
                found = text
    return found
