"""Tell what happened to a batch: its events in words, with the times between them, and what they left behind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from evtrack.interfaces.words.events import event_sentence, evidence
from evtrack.interfaces.words.formatting import counted, duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from evtrack.storage.log.log_row import LogRow
    from evtrack.storage.reports.batch_reports import BatchHistory
    from evtrack.storage.reports.worker_reports import WorkerRow

SHOWN_LINES: Final = 30
"""The most lines to show of a traceback or of stderr; the last ones say most."""

_MAX_BATCHES: Final = 20
_NUMBER: Final = re.compile(r"([0-9]{1,19})")


@dataclass(frozen=True, slots=True)
class ReportText:
    """A traceback or an output that an event carries.

    Args:
        name: What it is.
        lines: Its last lines, printable.
        total: How many lines it has.
    """

    name: str
    lines: list[str]
    total: int

    @property
    def heading(self) -> str:
        """What it is, and how much of it is shown."""
        return (
            self.name if self.total == len(self.lines) else f"{self.name}, last {len(self.lines)} of {self.total} lines"
        )


class Piece(NamedTuple):
    """A piece of a sentence.

    Args:
        text: The piece; printable.
        worker_id: The worker whose number it is.
        batch_no: The batch whose number it is.
    """

    text: str
    worker_id: int | None = None
    batch_no: int | None = None


@dataclass(frozen=True, slots=True)
class StoryEvent:
    """An event of a batch, in words.

    Args:
        version: Its place in the stream.
        at: When it was written.
        since_s: Seconds since the event before it; None if that is not shown. Below 0 if a clock was set back.
        type: Its type.
        attempt: The attempt that it belongs to.
        worker_id: The worker that it belongs to, if that is one of this database.
        sentence: What happened; printable.
        batches: The batches that it names.
        texts: The tracebacks and outputs that it carries.
    """

    version: int
    at: datetime
    since_s: float | None
    type: str
    attempt: int
    worker_id: int | None
    sentence: str
    batches: list[int]
    texts: list[ReportText]

    @property
    def pieces(self) -> list[Piece]:
        """The sentence in pieces: the numbers of its worker and of its batches are pieces of their own."""
        return list(_pieces(self))

    @property
    def unsaid(self) -> list[int]:
        """The batches whose numbers the sentence leaves out."""
        said = {piece.batch_no for piece in self.pieces}
        return [number for number in self.batches if number not in said]


def story_events(history: BatchHistory) -> list[StoryEvent]:
    """Put the events of a batch into words.

    Args:
        history: Everything about the batch.

    Returns:
        An entry for each event, in order.
    """
    story: list[StoryEvent] = []
    before: LogRow | None = None
    for event in history.events:
        named = workers_of(event, history)
        story.append(
            StoryEvent(
                version=event.version,
                at=event.at,
                since_s=_since(before, event),
                type=event.type,
                attempt=event.attempt,
                worker_id=event.worker_id if event.worker_id in history.workers and named is history.workers else None,
                sentence=event_sentence(event, named),
                batches=_batches(event.data),
                texts=[ReportText(name, lines[-SHOWN_LINES:], len(lines)) for name, lines in evidence(event.data)],
            )
        )
        before = event
    return story


def _pieces(event: StoryEvent) -> Iterator[Piece]:
    is_batch = False
    before = ""
    for text in _NUMBER.split(event.sentence):
        number = int(text) if _NUMBER.fullmatch(text) else None
        if number is None:
            is_batch = text.endswith(("batch ", "batches ")) or (is_batch and text in {", ", " and "})
            before = text
            yield Piece(text)
        elif is_batch and number in event.batches:
            yield Piece(text, batch_no=number)
        elif before.endswith("worker ") and number == event.worker_id:
            yield Piece(text, worker_id=number)
        else:
            yield Piece(text)


def workers_of(event: LogRow, history: BatchHistory) -> Mapping[int, WorkerRow | str]:
    """Choose the names of the workers that an event may mean.

    A restored event has no transaction in this database, and its worker's number belongs to another worker here.
    """
    return history.restored if history.restored and not event.xid else history.workers


def elapsed(seconds: float | None) -> str:
    """Format the time since the event before.

    Returns:
        As `+1.2s`, or `-3ms` if a clock was set back; empty for None.
    """
    if seconds is None:
        return ""
    return f"{'-' if seconds < 0 else '+'}{duration(abs(seconds))}"


def batch_facts(history: BatchHistory) -> list[str]:
    """List what a batch is: its items, its attempts, and where it came from."""
    batch = history.batch
    facts = [counted(batch.item_count, "item"), counted(batch.attempt, "attempt")]
    if batch.parent_no is not None:
        facts.append(f"derived from batch {batch.parent_no}")
    return facts


def _since(before: LogRow | None, event: LogRow) -> float | None:
    if before is None or event.version != before.version + 1:
        return None
    return (event.at - before.at).total_seconds()


def _batches(data: Mapping[str, Any]) -> list[int]:
    named = [data.get("parent"), *_list(data.get("to")), *_list(data.get("moved_to"))]
    numbers = [number for number in named if isinstance(number, int) and not isinstance(number, bool) and number > 0]
    return numbers[:_MAX_BATCHES]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
