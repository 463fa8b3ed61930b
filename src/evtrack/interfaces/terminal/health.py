"""Draws how the whole is doing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from evtrack.interfaces.terminal.drawing import table
from evtrack.interfaces.terminal.text import count, counted, duration, percentage, span

if TYPE_CHECKING:
    from evtrack.storage.report_rows import Health


def health_report(health: Health, *, span_s: float, max_crash_rate: float) -> RenderableType:
    """Draw how the whole is doing.

    Args:
        health: Its figures.
        span_s: Over how long.
        max_crash_rate: Crashed attempts in a hundred that are still healthy.

    Returns:
        A verdict, the attempts, and a line each about queue and workers.
    """
    healthy = health.crash_rate_pct <= max_crash_rate
    relation = "at most" if healthy else "above"
    verdict = Text("healthy" if healthy else "unhealthy", style="bold green" if healthy else "bold red")
    verdict.append(
        f": {percentage(health.crash_rate_pct)} of the attempts of the last {span(span_s)} crashed,"
        f" {relation} {max_crash_rate:g} %",
        style="none",
    )
    return Group(verdict, _attempts(health), Text(_queue(health)), _workers(health))


def _attempts(health: Health) -> RenderableType:
    drawn = table("", "ATTEMPTS", "SHARE", right="ATTEMPTS SHARE")
    rows = (
        ("completed", health.completed, "green"),
        ("failed", health.failed, "red"),
        ("crashed", health.crashed, "bold red"),
        ("  of lost workers", health.workers_lost, "dim"),
        ("ended", health.attempts, "bold"),
    )
    for name, number, style in rows:
        if number or name in {"completed", "failed", "crashed", "ended"}:
            share = 100.0 * number / health.attempts if health.attempts else None
            drawn.add_row(name, count(number), percentage(share), style=style)
    return drawn


def _queue(health: Health) -> str:
    words = f"{counted(health.running, 'batch', 'batches')} running, {count(health.pending)} pending"
    if health.pending:
        words += f" ({counted(health.pending_items, 'item')})"
    if health.oldest_s is not None and health.oldest_s > 0:
        words += f", the oldest for {duration(health.oldest_s)}"
    if health.no_worker:
        words += f"; {counted(health.no_worker, 'job')} without a worker: evtrack doctor"
    if health.never_started:
        words += f"; {counted(health.never_started, 'job')} never started: evtrack doctor"
    return words


def _workers(health: Health) -> Text:
    if not health.workers:
        words = Text("no live worker", style="yellow" if health.pending else "none")
    else:
        words = Text(f"{counted(health.workers, 'worker')}, {health.busy} of {counted(health.slots, 'slot')} busy")
    if health.silent and health.longest_silent_s is not None:
        words.append(
            f"; {count(health.silent)} silent, the longest for {duration(health.longest_silent_s)},"
            f" with {counted(health.silent_busy, 'slot')} at work when last heard",
            style="bold yellow",
        )
    return words
