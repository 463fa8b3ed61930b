"""Draw the timeline of one batch: its events, its crash reports, and what became of its items."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from evtrack.domain.states import EventType
from evtrack.domain.text import printable
from evtrack.interfaces.terminal.drawing import STYLES, section, table
from evtrack.interfaces.terminal.formatting import bytes_of, count, counted, duration, moment_ms
from evtrack.interfaces.terminal.reports.isolation import isolation_line, isolation_phrase
from evtrack.storage.log.log_row import LogRow
from evtrack.storage.reports.batch_reports import BatchHistory, ItemOutcome
from evtrack.storage.reports.worker_reports import WorkerRow

_LINES: Final = 30
"""The most lines to print of a traceback or of stderr."""

_STYLES: Final = {
    EventType.COMPLETED: "green",
    EventType.FAILED: "red",
    EventType.CRASHED: "bold red",
    EventType.CANCELLED: "yellow",
    EventType.LATE_RESULT: "yellow",
}
_REQUEUE_REASONS: Final = {
    "retry": "for a retry",
    "stopping": "because its worker stopped",
    "reconcile": "because its worker no longer had it after a reconnect",
    "lost": "because its worker was lost",
    "person": "by a user",
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
    facts = [counted(batch.item_count, "item"), counted(batch.attempt, "attempt")]
    if batch.parent_no is not None:
        facts.append(f"derived from batch {batch.parent_no}")
    line.append("".join(f" · {fact}" for fact in facts))
    explained = isolation_line(report)
    why = [Text(explained, style="yellow", overflow="fold")] if explained else []
    parts = [title, line, *why, section("Timeline", Group(*(_event(event, report) for event in report.events)))]
    if report.outcomes:
        parts.append(section("What became of its items", _fates_table(report.outcomes)))
    return Group(*parts)


def _event(event: LogRow, report: BatchHistory) -> RenderableType:
    # A restored event has no transaction in this database, and its worker's number belongs to another worker here.
    workers: Mapping[int, WorkerRow | str] = report.restored if report.restored and not event.xid else report.workers
    row = Table.grid(padding=(0, 2))
    row.add_column(no_wrap=True, style="dim")
    row.add_column(overflow="fold")
    style = _STYLES.get(EventType(event.type), "")
    row.add_row(moment_ms(event.at), Text(event_sentence(event, workers), style=style))
    # Tracebacks take the whole width, because paths need it.
    texts = (Text(f"  {name}:\n{text}", style="dim", overflow="fold") for name, text in _evidence(event.data))
    return Group(row, *texts)


def event_sentence(event: LogRow, workers: Mapping[int, WorkerRow | str]) -> str:
    """Describe an event in one line.

    Args:
        event: An event of a batch.
        workers: The workers of its stream, or their names, by number.

    Returns:
        Printable text.
    """
    data, by = event.data, _worker(event.worker_id, workers)
    match event.type:
        case EventType.ENQUEUED:
            origin = f", derived from batch {data['parent']}" if data.get("parent") else ""
            items = counted(_number(data.get("items")) or 0, "item")
            return f"enqueued with {items}{origin}{isolation_phrase(data)}"
        case EventType.STARTED:
            return f"started by {by}, attempt {event.attempt}"
        case EventType.COMPLETED:
            others = counted(_number(data.get("moved_items")) or 0, "item")
            moved = f"; {others} moved to {_batches(data.get('moved_to'))}" if data.get("moved_items") else ""
            return f"completed{_took(data)}{moved}"
        case EventType.FAILED:
            raised = data.get("error")
            error: dict[str, Any] = raised if isinstance(raised, dict) else {"message": raised}
            what = ": ".join(printable(error[part], 300) for part in ("type", "message") if error.get(part))
            return f"failed{_took(data)}: {what or 'no message'}"
        case EventType.CRASHED:
            return _crash(event)
        case EventType.REQUEUED:
            reason = str(data.get("reason", ""))
            later = f", not before {printable(data['run_at'], 40)}" if data.get("run_at") else ""
            why = _REQUEUE_REASONS.get(reason, printable(reason, 60))
            return f"returned to the queue {why}{isolation_phrase(data)}{later}".rstrip()
        case EventType.SPLIT:
            return _split(data)
        case EventType.CANCELLED:
            return f"cancelled: {printable(data.get('reason', 'no reason given'), 120)}"
        case EventType.LATE_RESULT:
            return f"{by} reported attempt {event.attempt} {printable(data.get('outcome', ''), 20)} too late: rejected"
        case _:
            return printable(event.type)


def _evidence(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    # The name of each traceback or output that an event has, and its last lines.
    error = data.get("error")
    yield from _item_errors(error)
    texts = {
        "native traceback": data.get("native_traceback"),
        "Python traceback": data.get("python_traceback"),
        "traceback": error.get("traceback") if isinstance(error, dict) else None,
        "stderr": data.get("stderr"),
        "unreadable data": data.get("unreadable"),
    }
    for name, text in texts.items():
        if isinstance(text, str) and text.strip():
            lines = text.strip().splitlines()[-_LINES:]
            yield name, "\n".join(f"    {printable(line, 300)}".rstrip() for line in lines)


def _item_errors(error: Any) -> Iterator[tuple[str, str]]:
    items = error.get("items") if isinstance(error, dict) else None
    if not isinstance(items, list) or len(items) < 2:  # noqa: PLR2004  the event's sentence has a single one
        return
    lines: list[str] = []
    for item in (each for each in items[:_LINES] if isinstance(each, dict)):
        what = ": ".join(printable(item[part], 200) for part in ("type", "message") if item.get(part))
        key = printable(item.get("key") or f"#{item.get('ordinal')}", 80)
        lines.append(f"    {key}  {what or 'no message'}")
    more = len(items) - len(lines)
    yield "failed items", "\n".join([*lines, *([f"    and {count(more)} more"] if more else [])])


def _crash(event: LogRow) -> str:
    data = event.data
    if event.version == 2:  # noqa: PLR2004  right after enqueued: no attempt ended
        return f"crashed at once: {printable(data.get('item_key', 'its item'), 200)} had spent its crash budget"
    cause = printable(data.get("cause", "unknown"), 40).replace("_", " ")
    how = {
        "signal": printable(data.get("signal", cause), 40),
        "exit code": f"exit code {data.get('exit_code', '?')}",
    }.get(cause, cause + (f" ({printable(data['signal'], 40)})" if data.get("signal") else ""))
    at = f" at {printable(data['item_key'], 200)}" if data.get("item_key") else ""
    facts = [
        f"process {_number(data['pid'])}" if _number(data.get("pid")) else "",
        f"peak memory {bytes_of(data['peak_rss_bytes'])}" if _number(data.get("peak_rss_bytes")) else "",
        f"CPU {duration(data['cpu_s'])}" if _number(data.get("cpu_s")) is not None else "",
        printable(data["why"], 40) if data.get("why") else "",
        "crash budget spent: poison" if data.get("poison") is True else "",
        "counts against no item" if data.get("blame") == "none" else "",
    ]
    more = "".join(f"; {fact}" for fact in facts if fact)
    return f"crashed{_took(data)} on worker {event.worker_id}: {how}{at}{more}"


def _split(data: dict[str, Any]) -> str:
    if not data.get("moved"):
        return f"split into {_batches(data.get('to'))}"
    return f"{counted(_number(data.get('moved_items')) or 0, 'item')} moved to {_batches(data.get('to'))}"


def _worker(worker_id: int | None, workers: Mapping[int, WorkerRow | str]) -> str:
    if worker_id is None:
        return "no worker"
    worker = workers.get(worker_id)
    if worker is None:
        return f"worker {worker_id}"
    if isinstance(worker, str):
        return f"worker {worker_id} ({printable(worker, 60)})"
    # A worker without a name of its own is named after these two.
    where = f"process {worker.pid} on {printable(worker.host, 60)}"
    named = worker.name != f"{worker.host}:{worker.pid}"
    return f"worker {worker_id} ({f'{printable(worker.name, 60)}, ' if named else ''}{where})"


def _took(data: dict[str, Any]) -> str:
    seconds = _number(data.get("run_s"))
    return "" if seconds is None else f" after {duration(seconds)}"


def _batches(numbers: Any) -> str:
    listed = [str(number) for number in numbers] if isinstance(numbers, list) else []
    return f"batch{'es' if len(listed) != 1 else ''} {', '.join(listed) or 'unknown'}"


def _number(value: Any) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


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
