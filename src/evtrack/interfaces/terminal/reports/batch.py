"""Draw the timeline of one batch: its events, its crash reports, and what became of its items."""

from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from evtrack.domain.states import EventType
from evtrack.domain.text import printable
from evtrack.interfaces.terminal.drawing import STYLES, section, table
from evtrack.interfaces.words.events import event_sentence, evidence
from evtrack.interfaces.words.formatting import count, moment_ms
from evtrack.interfaces.words.isolation import isolation_line
from evtrack.interfaces.words.stories import SHOWN_LINES, batch_facts, workers_of
from evtrack.storage.log.log_row import LogRow
from evtrack.storage.reports.batch_reports import BatchHistory, ItemOutcome

_STYLES: Final = {
    EventType.COMPLETED: "green",
    EventType.FAILED: "red",
    EventType.CRASHED: "bold red",
    EventType.CANCELLED: "yellow",
    EventType.LATE_RESULT: "yellow",
}


def batch_timeline(report: BatchHistory) -> RenderableType:
    """Draw the timeline of one batch.

    Args:
        report: The batch, its events, and what became of its items.

    Returns:
        Its state, its events, and where its items ended.
    """
    batch = report.batch
    title = Text.assemble((f"Job {batch.job_id}, batch {batch.batch_no}", "bold"), "  ", printable(report.handler, 40))
    line = Text(batch.status, style=STYLES.get(batch.status, ""))
    line.append("".join(f" · {fact}" for fact in batch_facts(report)))
    explained = isolation_line(report)
    why = [Text(explained, style="yellow", overflow="fold")] if explained else []
    parts = [title, line, *why, section("Timeline", Group(*(_event(event, report) for event in report.events)))]
    if report.outcomes:
        parts.append(section("What became of its items", _fates_table(report.outcomes)))
    return Group(*parts)


def _event(event: LogRow, report: BatchHistory) -> RenderableType:
    row = Table.grid(padding=(0, 2))
    row.add_column(no_wrap=True, style="dim")
    row.add_column(overflow="fold")
    style = _STYLES.get(EventType(event.type), "")
    row.add_row(moment_ms(event.at), Text(event_sentence(event, workers_of(event, report)), style=style))
    # Tracebacks take the whole width, because paths need it.
    texts = (Text(_indented(name, lines), style="dim", overflow="fold") for name, lines in evidence(event.data))
    return Group(row, *texts)


def _indented(name: str, lines: list[str]) -> str:
    return "\n".join([f"  {name}:", *(f"    {line}".rstrip() for line in lines[-SHOWN_LINES:])])


def _fates_table(fates: list[ItemOutcome]) -> Table:
    drawn = table("ITEMS", "STATUS", "BATCHES", "KEYS", right="ITEMS", flexible="BATCHES KEYS")
    for fate in fates:
        keys = ", ".join(printable(key, 60) for key in fate.first_keys)
        more = fate.items - len(fate.first_keys)
        drawn.add_row(
            count(fate.items),
            Text(fate.status, style=STYLES.get(fate.status, "")),
            Text(" > ".join(str(number) for number in fate.path), no_wrap=True, overflow="ellipsis"),
            Text(f"{keys}... ({more} more)" if more else keys, no_wrap=True, overflow="ellipsis"),
        )
    return drawn
