"""The story of a batch: what happened to it, event by event, and what became of its items."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from evtrack.domain.hunt import hunt
from evtrack.domain.states import EventType
from evtrack.domain.text import json_text, printable_json
from evtrack.interfaces.web.address import Address, NoSuchPage
from evtrack.interfaces.web.batch_address import MAX_BATCH_NO, BatchAddress, parse_batch
from evtrack.interfaces.web.charts.icicle import IcicleBlock
from evtrack.interfaces.web.downloads import Download, TextFile
from evtrack.interfaces.web.hunt_batches import HuntBatch, blocks, fates, hunt_batches
from evtrack.interfaces.web.page import Page
from evtrack.interfaces.words.events import evidence
from evtrack.interfaces.words.isolation import isolation_line
from evtrack.interfaces.words.stories import StoryEvent, story_events
from evtrack.interfaces.words.story_markdown import story_markdown
from evtrack.storage.connection.connect import Connection
from evtrack.storage.log.reader import stream
from evtrack.storage.reports.batch_reports import (
    TRACED_ITEMS,
    BatchHistory,
    BatchRow,
    ItemOutcome,
    batch_history,
    batch_row,
    submitted_ordinals,
)
from evtrack.storage.reports.hunt_tree import HuntTree, hunt_tree
from evtrack.storage.reports.job_reports import job_key
from evtrack.storage.reports.results import batch_results

_MOST_RESULTS: Final = 1_000
_MOST_RESULT_CHARACTERS: Final = 65_536
"""How much of the results of a batch is shown."""


class EventAddress(NamedTuple):
    """An event of a batch."""

    job_id: int
    batch_no: int
    version: int


@dataclass(frozen=True, slots=True)
class Story:
    """What happened to a batch.

    Args:
        handler: The handler of its job.
        batch: Its state.
        explanation: How carefully it runs, and why; empty if it runs like any other.
        events: Its first event and its latest ones, in order.
        left_out: How many events there are between them.
        outcomes: What became of the items that it began with; None if they are too many to follow on a page.
        hunt: The batches of the hunt that it is a part of; empty if nothing has crashed.
        max_crashes: How often it may crash; None if nothing has crashed, or if it is divided before that counts.
    """

    handler: str
    batch: BatchRow
    explanation: str
    events: list[StoryEvent]
    left_out: int
    outcomes: list[ItemOutcome] | None
    hunt: list[HuntBatch]
    max_crashes: int | None = None

    @property
    def first_report(self) -> int:
        """The version of the first event with a crash report, which is shown open; 0 if there is none."""
        return next((event.version for event in self.events if event.texts), 0)

    @property
    def root_no(self) -> int:
        """The submitted batch of the hunt."""
        return self.batch.batch_no if self.batch.root_no is None else self.batch.root_no

    @property
    def blocks(self) -> list[IcicleBlock]:
        """The batches of the hunt as blocks of the chart."""
        return blocks(self.hunt)

    @property
    def fates(self) -> list[str]:
        """What the legend of the chart explains."""
        return fates(self.hunt)


def _read(conn: Connection, args: BatchAddress) -> Story:
    history = batch_history(conn, args.job_id, args.batch_no, bounded=True)
    events = history.events
    tree = _tree(conn, history)
    found = None if tree is None else hunt(tree.streams, history.batch.root_no or history.batch.batch_no)
    return Story(
        handler=history.handler,
        batch=history.batch,
        explanation=isolation_line(history),
        events=story_events(history),
        left_out=events[1].version - 2 if len(events) > 1 else 0,
        outcomes=history.outcomes if submitted_ordinals(events[0]).reach <= TRACED_ITEMS else None,
        hunt=hunt_batches(found) if found and found.crashes else [],
        max_crashes=max(1, tree.max_crashes) if tree and history.batch.item_count == 1 else None,
    )


def _tree(conn: Connection, history: BatchHistory) -> HuntTree | None:
    """Read the hunt that a batch may be a part of."""
    batch = history.batch
    if batch.root_no is None and not any(event.type == EventType.CRASHED for event in history.events):
        return None
    return hunt_tree(conn, batch.job_id, batch.root_no or batch.batch_no)


STORY: Final = Page(
    name="story",
    path="/jobs/{job}/batches/{batch}",
    parse=parse_batch,
    address=lambda args: f"/jobs/{args.job_id}/batches/{args.batch_no}",
    read=_read,
    title=lambda page: f"Job {page.batch.job_id}, batch {page.batch.batch_no}",
    every_s=2.0,
)


def _markdown(conn: Connection, args: BatchAddress) -> TextFile:
    text = story_markdown(batch_history(conn, args.job_id, args.batch_no))
    return TextFile(f"job-{args.job_id}-batch-{args.batch_no}.md", text)


def _parse_event(address: Address) -> EventAddress:
    job_id, batch_no = parse_batch(address)
    return EventAddress(job_id, batch_no, address.number("version", most=MAX_BATCH_NO))


def _event_texts(conn: Connection, args: EventAddress) -> TextFile:
    key = job_key(conn, args.job_id)
    for event in stream(conn, key.job_day, args.job_id, args.batch_no):
        if event.version == args.version:
            text = "\n".join(f"--- {name}\n" + "\n".join([*lines, ""]) for name, lines in evidence(event.data))
            return TextFile(f"job-{args.job_id}-batch-{args.batch_no}-event-{args.version}.txt", text)
    raise NoSuchPage


def _results(conn: Connection, args: BatchAddress) -> TextFile:
    batch_row(conn, args.job_id, args.batch_no)  # there is such a batch
    lines: list[str] = []
    left = _MOST_RESULT_CHARACTERS
    for each in batch_results(conn, args.job_id, args.batch_no, limit=_MOST_RESULTS + 1, characters=left + 1):
        result = printable_json(each.result)
        line = f'{{"ordinal": {each.ordinal}, "item_key": {json_text(each.item_key)}, "result": {result}}}\n'
        left -= len(line)
        if left < 0 or len(lines) == _MOST_RESULTS:
            lines.append(f"There are more results: evtrack results {args.job_id} --keys\n")
            break
        lines.append(line)
    return TextFile(f"job-{args.job_id}-batch-{args.batch_no}-results.txt", "".join(lines))


STORY_MARKDOWN: Final = Download("/jobs/{job}/batches/{batch}/story.md", parse_batch, _markdown)
EVENT_TEXTS: Final = Download("/jobs/{job}/batches/{batch}/events/{version}.txt", _parse_event, _event_texts)
BATCH_RESULTS: Final = Download("/jobs/{job}/batches/{batch}/results.txt", parse_batch, _results)
"""What a handler returned; an address only where results are shown."""
