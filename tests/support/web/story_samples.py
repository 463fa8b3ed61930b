"""A batch whose texts from outside are all the same, with its events, and a hunt that names items so."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from evtrack.interfaces.web.hunt_batches import HuntBatch
from evtrack.interfaces.web.pages.hunt import HuntPage, Moment
from evtrack.interfaces.web.pages.story import Story
from evtrack.interfaces.words.isolation import isolation_line
from evtrack.interfaces.words.stories import story_events
from evtrack.storage.log.log_row import LogRow
from evtrack.storage.reports.batch_reports import BatchHistory, BatchRow, ItemOutcome
from evtrack.storage.reports.worker_reports import WorkerRow

if TYPE_CHECKING:
    from collections.abc import Sequence

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
WORKER = 371883213885


def event(version: int, kind: str, *, worker: int | None = None, xid: int = 700, **data: Any) -> LogRow:
    """Make an event of batch 7 of job 12, a second after the one before."""
    at = NOON + timedelta(seconds=version)
    return LogRow(date(2026, 11, 24), 12, 7, version, kind, int(version > 1), worker, at, version, xid, data)


def history(text: str, *, events: Sequence[LogRow] | None = None, **change: Any) -> BatchHistory:
    """Make everything about a batch that crashed, failed and was returned to the queue."""
    row: dict[str, Any] = {
        "job_id": 12, "batch_no": 7, "status": "pending", "item_count": 3, "weight": 3, "attempt": 2, "worker": text,
        "enqueued_at": NOON, "started_at": NOON, "finished_at": None, "run_s": 0.5, "error": text,
        "item_summary": text, "root_no": 1, "parent_no": 3, "errors": 1, "crashes": 1, "losses": 1,
        "exclusive_losses": 1, "isolation": "exclusive", "run_at": NOON,
    }  # fmt: skip
    worker = WorkerRow(
        worker_id=WORKER, name=text, state="live", host=text, pid=9, handlers=[text], slots=2, busy=1, version=text,
        started_at=NOON, seen_at=NOON, silent_s=0.5,
    )  # fmt: skip
    outcomes = [ItemOutcome("crashed", 9, [1, 3, 7, 9], 1, [text]), ItemOutcome("pending", 7, [1, 3, 7], 5, [text])]
    return BatchHistory(
        handler=text,
        batch=BatchRow(**(row | change)),
        events=_events(text) if events is None else list(events),
        workers={WORKER: worker},
        restored={},
        outcomes=outcomes,
        lost_worker_id=WORKER,
    )


def _events(text: str) -> list[LogRow]:
    error = {
        "type": text, "message": text, "traceback": f"at {text}\n{text}",
        "items": [{"key": text, "type": text, "message": text}, {"ordinal": 2}],
    }  # fmt: skip
    crash = {
        "cause": text, "signal": text, "item_key": text, "why": text, "pid": 4, "run_s": 0.1, "peak_rss_bytes": 9,
        "stderr": f"out {text}\n{text}", "native_traceback": f"at {text}", "python_traceback": f"at {text}",
    }  # fmt: skip
    return [
        event(1, "enqueued", items=3, parent=3, root=1, isolation=text),
        event(2, "started", worker=WORKER),
        event(3, "crashed", worker=WORKER, **crash),
        event(4, "requeued", worker=WORKER, reason=text, run_at=text, isolation=text),
        event(5, "started", worker=WORKER),
        event(6, "failed", worker=WORKER, run_s=0.1, error=error),
        event(7, "failed", worker=WORKER, error=text),
        event(8, "late_result", worker=WORKER, outcome=text),
        event(9, "cancelled", reason=text),
        # Numbers that no text of a test happens to be: a batch that a sentence names is a link.
        event(10, "split", to=[90_009, 90_010, text]),
        event(11, "completed", worker=WORKER, moved=text, moved_items=text, moved_to=text),
        event(12, "completed", unreadable=f"is {text}"),
    ]


def story(text: str) -> Story:
    """Make the model of its page."""
    told = history(text)
    return Story(told.handler, told.batch, isolation_line(told), story_events(told), 3, told.outcomes, hunted(text))


def hunted(text: str) -> list[HuntBatch]:
    """Make the batches of a hunt."""
    return [
        HuntBatch(1, None, 0, "split", 0, 8, [], [(1, 9)], 1, None),
        HuntBatch(3, 1, 1, "completed", 1, 4, [(1, 2)], [(2, 5)], 1, None),
        HuntBatch(7, 3, 2, "poison", 1, 1, [(2, 3)], [], 2, text),
        HuntBatch(8, 3, 2, "suspect", 2, 2, [(3, 5)], [], 1, text),
        HuntBatch(4, 1, 1, "pending", 4, 4, [(5, 9)], [], 0, None),
    ]


def hunt_page(text: str) -> HuntPage:
    """Make the model of the page of that hunt."""
    moments = [Moment(NOON + timedelta(seconds=place), 1 + place, "crashed") for place in range(3)]
    return HuntPage(
        12, 1, text, NOON, [f"found: {text}, crashed 2 of 2; 5 others done"], hunted(text), moments, 1, True
    )
