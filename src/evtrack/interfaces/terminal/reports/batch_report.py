"""Tells the story of one batch: what happened when, by whom, with the dossier of each crash."""

from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from evtrack.domain.states import EventType
from evtrack.domain.text import printable
from evtrack.interfaces.terminal.drawing import STYLES, table
from evtrack.interfaces.terminal.reports.job_report import section
from evtrack.interfaces.terminal.text import bytes_of, count, counted, duration
from evtrack.storage.log.reader import LogRow
from evtrack.storage.reports.batch_reports import BatchHistory, ItemOutcome
from evtrack.storage.reports.worker_reports import WorkerRow

_LINES = 30
_STYLES = {
    EventType.COMPLETED: "green",
    EventType.FAILED: "red",
    EventType.CRASHED: "bold red",
    EventType.CANCELLED: "yellow",
    EventType.LATE_RESULT: "yellow",
}
_REASONS = {
    "retry": "to be tried again",
    "stopping": "as its worker stopped",
    "reconcile": "as its worker did not have it after a reconnect",
    "lost": "as its worker was lost",
    "person": "by a person",
}


def story(told: BatchHistory) -> RenderableType:
    """Draw one batch's story.

    Args:
        told: All that is known of it.

    Returns:
        How it stands, what happened, and what became of its items.
    """
    batch = told.batch
    title = Text.assemble((f"Job {batch.job_id}, batch {batch.batch_no}", "bold"), "  ", printable(told.handler, 40))
    line = Text(batch.status, style=STYLES.get(batch.status, ""))
    facts = [counted(batch.item_count, "item"), counted(batch.attempt, "attempt")]
    if batch.parent_no is not None:
        facts.append(f"made of batch {batch.parent_no}")
    line.append("".join(f" · {fact}" for fact in facts))
    parts = [title, line, section("What happened", Group(*(_told(event, told) for event in told.events)))]
    if told.outcomes:
        parts.append(section("What became of its items", _fates(told.outcomes)))
    return Group(*parts)


def _told(event: LogRow, told: BatchHistory) -> RenderableType:
    # A restored event has no transaction of this database, and its worker is not the one that has the number here.
    workers: Mapping[int, WorkerRow | str] = told.restored if told.restored and not event.xid else told.workers
    row = Table.grid(padding=(0, 2))
    row.add_column(no_wrap=True, style="dim")
    row.add_column(overflow="fold")
    at = f"{event.at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3] + "Z"
    row.add_row(at, Text(sentence(event, workers), style=_STYLES.get(EventType(event.type), "")))
    # Tracebacks take the whole width: beside the times there would be too little left for a path.
    left = (Text(f"  {name}:\n{text}", style="dim", overflow="fold") for name, text in evidence(event.data))
    return Group(row, *left)


def sentence(event: LogRow, workers: Mapping[int, WorkerRow | str]) -> str:
    """Say in one line what an event means.

    Args:
        event: A batch's event.
        workers: Those that its stream names, or what they are called.

    Returns:
        Harmless text.
    """
    data, by = event.data, _worker(event.worker_id, workers)
    match event.type:
        case EventType.ENQUEUED:
            made = f", made of batch {data['parent']}" if data.get("parent") else ""
            return f"enqueued with {counted(_number(data.get('items')) or 0, 'item')}{made}"
        case EventType.STARTED:
            return f"started by {by}, attempt {event.attempt}"
        case EventType.COMPLETED:
            moved = f"; {_batches(data.get('moved_to'))} got the other {count(_number(data.get('moved_items')))}"
            return f"completed{_took(data)}{moved if data.get('moved_items') else ''}"
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
            return f"back in the queue {_REASONS.get(reason, printable(reason, 60))}{later}".rstrip()
        case EventType.SPLIT:
            left = (
                f"{counted(_number(data.get('moved_items')) or 0, 'item')} moved to"
                if data.get("moved")
                else "split into"
            )
            return f"{left} {_batches(data.get('to'))}"
        case EventType.CANCELLED:
            return f"cancelled: {printable(data.get('reason', 'no reason given'), 120)}"
        case EventType.LATE_RESULT:
            return f"{by} reported attempt {event.attempt} {printable(data.get('outcome', ''), 20)} too late: refused"
        case _:
            return printable(event.type)


def evidence(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Pick what a crash or an error left behind in print.

    Args:
        data: An event's data.

    Yields:
        What it is, and its last lines, harmless.
    """
    error = data.get("error")
    texts = {
        "native traceback": data.get("native_traceback"),
        "Python traceback": data.get("python_traceback"),
        "traceback": error.get("traceback") if isinstance(error, dict) else None,
        "stderr": data.get("stderr"),
        "data that cannot be read": data.get("unreadable"),
    }
    for name, text in texts.items():
        if isinstance(text, str) and text.strip():
            lines = text.strip().splitlines()[-_LINES:]
            yield name, "\n".join(f"    {printable(line, 300)}".rstrip() for line in lines)


def _crash(event: LogRow) -> str:
    data = event.data
    if event.version == 2:  # noqa: PLR2004  right after enqueued: no attempt ended
        return f"crashed from the start: {printable(data.get('item_key', 'its item'), 200)} had no crash left"
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
        "its last crash: poison" if data.get("poison") is True else "",
    ]
    more = "".join(f"; {fact}" for fact in facts if fact)
    return f"crashed{_took(data)} on worker {event.worker_id}: {how}{at}{more}"


def _worker(worker_id: int | None, workers: Mapping[int, WorkerRow | str]) -> str:
    if worker_id is None:
        return "nobody"
    worker = workers.get(worker_id)
    if worker is None:
        return f"worker {worker_id}"
    if isinstance(worker, str):
        return f"worker {worker_id} ({printable(worker, 60)})"
    # A worker that was given no name is called by just these two.
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


def _fates(fates: list[ItemOutcome]) -> Table:
    drawn = table("ITEMS", "STATUS", "PATH", "WHICH", right="ITEMS", flexible="PATH WHICH")
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
