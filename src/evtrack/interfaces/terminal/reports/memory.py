"""Draw what the batches of a job took, and what would fit."""

from rich.console import Group, RenderableType
from rich.text import Text

from evtrack.domain.text import printable
from evtrack.interfaces.terminal.drawing import section, table
from evtrack.interfaces.words.formatting import bytes_of, counted
from evtrack.runtime.worker.slots.container_memory import RESERVE_BYTES, Fit
from evtrack.storage.reports.memory_reports import JobMemory


def memory_report(found: JobMemory, fit: Fit | None) -> RenderableType:
    """Draw what the batches of a job took.

    Args:
        found: What was measured.
        fit: What would fit on this machine.

    Returns:
        A table, and the advice that follows from it.
    """
    title = Text.assemble((f"Job {found.job_id}", "bold"), "  ", printable(found.handler, 40))
    rows = table("", "")
    if found.batches:
        rows.add_row("Measured", counted(found.batches, "batch", "batches"))
        for name, size in (
            ("Least peak memory", found.min_bytes),
            ("Median", found.p50_bytes),
            ("99 % at most", found.p99_bytes),
            ("Largest", found.max_bytes),
        ):
            rows.add_row(name, bytes_of(size or 0))
        rows.add_row("CPU time", f"{found.cpu_s or 0:.1f} s, {(found.cpu_s or 0) / found.batches:.3f} s a batch")
    if found.killed:
        killed = f"{counted(found.killed, 'attempt')}, at up to {bytes_of(found.killed_max_bytes or 0)}"
        rows.add_row("Ended for lack of memory", killed)
    parts: list[RenderableType] = [title, rows]
    if fit is not None:
        parts.append(section("What would fit", Text("\n".join(_advice(found, fit)))))
    return Group(*parts)


def _advice(found: JobMemory, fit: Fit) -> list[str]:
    size = f"{fit.max_rss_bytes >> 20}MiB"
    lines = [
        f"--max-rss {size}: the largest peak and a quarter.",
        f"Up to --slots {fit.slots}: {fit.source} has {bytes_of(fit.memory_bytes)}, and the worker itself needs "
        f"{bytes_of(RESERVE_BYTES)}."
        if fit.slots
        else f"Not one such slot fits: {fit.source} has {bytes_of(fit.memory_bytes)}.",
    ]
    if found.killed:
        lines.append("Items that ended for lack of memory may need more: see evtrack crashes.")
    return lines
