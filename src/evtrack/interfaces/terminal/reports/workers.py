"""Write what became of a worker."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rich.text import Text

from evtrack.domain.text import printable
from evtrack.interfaces.words.formatting import counted, moment

if TYPE_CHECKING:
    from evtrack.storage.reports.worker_reports import LostWorker


def lost_worker_report(lost: LostWorker) -> Text:
    """Write how a worker was lost, whether others do its work, and where to look for the cause.

    Returns:
        A few lines.
    """
    why = f": {printable(lost.why)}" if lost.why else ""
    text = Text.assemble((f"Worker {lost.worker_id} ({printable(lost.name, 100)}) was lost", "bold red"))
    text.append(f" at {moment(lost.lost_at)}{why}. Its last heartbeat was at {moment(lost.seen_at)}.\n")
    if lost.batches is not None:
        held = counted(lost.batches, "batch", "batches")
        text.append(f"It held {held}, which returned to the queue.\n" if lost.batches else "It held no batches.\n")
    offered = ", ".join(printable(handler, 60) for handler in lost.handlers)
    if lost.others:
        text.append(f"{counted(lost.others, 'live worker offers', 'live workers offer')} {offered} now.\n")
    else:
        text.append(f"No live worker offers {offered} now.", style="yellow")
        options = "".join(f" --handler {shlex.quote(printable(handler, 60))}" for handler in lost.handlers[:3])
        text.append(f" Start one: evtrack work --import MODULE{options}\n")
    text.append(
        f"For the cause, look on {printable(lost.host, 60)} at the log of process {lost.pid} and of the kernel"
        " (out of memory, reboot), or at the network to the database."
    )
    return text
