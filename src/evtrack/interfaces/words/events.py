"""Describe the events of a batch: a sentence each, and the tracebacks and outputs that they carry."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from evtrack.domain.states import EventType
from evtrack.domain.text import printable
from evtrack.interfaces.words.formatting import bytes_of, count, counted, duration, moment_ms
from evtrack.interfaces.words.isolation import isolation_phrase
from evtrack.storage.log.log_row import LogRow
from evtrack.storage.reports.worker_reports import WorkerRow

_ITEMS: Final = 30
"""The most failed items to list."""

_REQUEUE_REASONS: Final = {
    "retry": "for a retry",
    "stopping": "because its worker stopped",
    "reconcile": "because its worker no longer had it after a reconnect",
    "lost": "because its worker was lost",
    "person": "by a user",
}


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
            origin = f", derived from batch {printable(data['parent'], 20)}" if data.get("parent") else ""
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
            later = f", not before {_time(data['run_at'])}" if data.get("run_at") else ""
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


def evidence(data: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Read the tracebacks and outputs that an event has.

    Args:
        data: The event's data.

    Yields:
        The name of each, and its printable lines; those of failed items are cut.
    """
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
            yield name, [printable(line, 300).rstrip() for line in text.strip().splitlines()]


def _item_errors(error: Any) -> Iterator[tuple[str, list[str]]]:
    items = error.get("items") if isinstance(error, dict) else None
    if not isinstance(items, list) or len(items) < 2:  # noqa: PLR2004  the event's sentence has a single one
        return
    lines: list[str] = []
    for item in (each for each in items[:_ITEMS] if isinstance(each, dict)):
        what = ": ".join(printable(item[part], 200) for part in ("type", "message") if item.get(part))
        key = printable(item.get("key") or f"#{item.get('ordinal')}", 80)
        lines.append(f"{key}  {what or 'no message'}")
    more = len(items) - len(lines)
    yield "failed items", [*lines, *([f"and {count(more)} more"] if more else [])]


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
    listed = [printable(number, 20) for number in numbers] if isinstance(numbers, list) else []
    return f"batch{'es' if len(listed) != 1 else ''} {', '.join(listed) or 'unknown'}"


def _number(value: Any) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


def _time(value: object) -> str:
    try:
        return moment_ms(datetime.fromisoformat(str(value)))
    except (OverflowError, ValueError):
        # Another client may have written it.
        return printable(value, 40)
