"""Draw the health of the whole system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from evtrack.interfaces.terminal.drawing import section, table
from evtrack.interfaces.words.formatting import count, counted, duration, percentage, window

if TYPE_CHECKING:
    from evtrack.interfaces.words.verdict import Verdict
    from evtrack.storage.reports.system_health import Health, RecentSums


def health_report(health: Health, sums: RecentSums, verdict: Verdict, *, span_s: float) -> RenderableType:
    """Draw the health of the whole system.

    Args:
        health: The attempts in the window, the queue and the workers.
        sums: The items and batches of jobs created in the window.
        verdict: Whether that is healthy, and why.
        span_s: The length of the window.

    Returns:
        The verdict, the attempts, the items and batches, and a line each about the queue and the workers.
    """
    word, *facts = str(verdict).split(":", 1)
    # What makes the system unhealthy comes first: monitoring systems often show only the first line.
    line = Text(word, style="bold green" if verdict.healthy else "bold red").append(f":{facts[0]}", style="none")
    created = section(f"{counted(sums.jobs, 'job')} created in the last {window(span_s)}", _sums(sums))
    return Group(line, _attempts(health), created, "", Text(_queue(health)), _workers(health))


def _attempts(health: Health) -> RenderableType:
    drawn = table("", "ATTEMPTS", "SHARE", right="ATTEMPTS SHARE")
    rows = (
        ("completed", health.completed, "green"),
        ("failed", health.failed, "red"),
        ("crashed", health.crashed, "bold red"),
        ("ended", health.attempts, "bold"),
        ("with lost workers", health.workers_lost, "dim"),
    )
    for name, number, style in rows:
        if number or name in {"completed", "failed", "crashed", "ended"}:
            counted_in = health.attempts if name != "with lost workers" else 0
            share = 100.0 * number / counted_in if counted_in else None
            drawn.add_row(name, count(number), percentage(share), style=style)
    return drawn


def _sums(sums: RecentSums) -> RenderableType:
    drawn = table("", "ITEMS", "SHARE", "BATCHES", right="ITEMS SHARE BATCHES")
    rows: tuple[tuple[str, int, int | None, str], ...] = (
        ("done", sums.done, sums.batches_done, "green"),
        ("failed", sums.failed, sums.batches_failed, "red"),
        ("crashed", sums.crashed, sums.batches_crashed, "bold red"),
        ("cancelled", sums.cancelled, sums.batches_cancelled, "yellow"),
        ("invalid", sums.invalid, None, "red"),
        ("pending", sums.pending, sums.batches_pending, ""),
        ("running", sums.running, sums.batches_running, "cyan"),
        ("split", 0, sums.batches_split, "dim"),
        ("total", sums.total, sums.batches_total, "bold"),
    )
    for name, items, batches, style in rows:
        if items or batches or name in {"done", "failed", "crashed", "total"}:
            share = percentage(100.0 * items / sums.total if sums.total else None)
            shown = ("", "") if name == "split" else (count(items), share)
            drawn.add_row(name, *shown, "" if batches is None else count(batches), style=style)
    return drawn


def _queue(health: Health) -> str:
    text = f"{counted(health.running, 'batch', 'batches')} running, {count(health.pending)} pending"
    if health.pending:
        text += f" ({counted(health.pending_items, 'item')})"
    if health.oldest_s is not None and health.oldest_s > 0:
        text += f", the oldest for {duration(health.oldest_s)}"
    if health.no_worker:
        text += f"; {counted(health.no_worker, 'job')} without a worker: see evtrack doctor"
    if health.never_started:
        text += f"; {counted(health.never_started, 'job')} never started: see evtrack doctor"
    return text


def _workers(health: Health) -> Text:
    if not health.workers:
        text = Text("no live workers", style="yellow" if health.pending else "none")
    else:
        text = Text(f"{counted(health.workers, 'worker')}, {health.busy} of {counted(health.slots, 'slot')} busy")
    if health.silent and health.longest_silent_s is not None:
        text.append(
            f"; {count(health.silent)} silent, the longest for {duration(health.longest_silent_s)},"
            f" with {counted(health.silent_busy, 'slot')} busy at the last heartbeat",
            style="bold yellow",
        )
    return text
