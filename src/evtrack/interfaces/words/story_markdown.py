"""Write what happened to a batch as Markdown, for an issue or a post-mortem.

Everything from outside stands in fenced blocks and code spans: there neither Markdown nor HTML has a meaning, and no
site makes a link, a mention or a reference of it.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from evtrack.domain.text import printable
from evtrack.interfaces.words.formatting import count, moment_ms
from evtrack.interfaces.words.isolation import isolation_line
from evtrack.interfaces.words.stories import batch_facts, elapsed, story_events

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evtrack.interfaces.words.stories import StoryEvent
    from evtrack.storage.reports.batch_reports import BatchHistory, ItemOutcome

_KEY: Final = 60


def story_markdown(history: BatchHistory) -> str:
    """Write what happened to a batch.

    Args:
        history: Everything about it.

    Returns:
        A document in CommonMark that ends with a newline, with tables as aligned text.
    """
    batch, events = history.batch, story_events(history)
    parts = [
        f"# Job {batch.job_id}, batch {batch.batch_no}",
        "\n".join(
            [
                f"- handler: {code_span(printable(history.handler, 80))}",
                f"- status: **{batch.status}**, {', '.join(batch_facts(history))}",
                f"- items: {code_span(printable(batch.item_summary, 300))}",
            ]
        ),
    ]
    explained = isolation_line(history)
    if explained:
        parts.append(fenced([explained]))
    parts += ["## Timeline", fenced(_rows(events))]
    for event in events:
        for text in event.texts:
            parts += [f"### Event {event.version}: {text.heading}", fenced(text.lines)]
    if history.outcomes:
        parts += ["## What became of its items", fenced(_outcomes(history.outcomes))]
    return "\n\n".join(parts) + "\n"


def fenced(lines: Iterable[str]) -> str:
    """Put lines into a fenced block that they cannot end.

    Args:
        lines: Printable text, without line breaks.
    """
    text = "\n".join(lines)
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}text\n{text}\n{fence}"


def code_span(text: str) -> str:
    """Put a line into a code span that it cannot end.

    Args:
        text: Printable text, without line breaks.
    """
    if not text.strip():
        return "(empty)"
    fence = "`" * (_longest_run(text) + 1)
    # A delimiter must not touch a backtick. A space on both sides is dropped again: one more keeps those of the text.
    pad = " " if {text[0], text[-1]} & {"`", " "} else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _longest_run(text: str) -> int:
    return max((len(list(run)) for character, run in groupby(text) if character == "`"), default=0)


def _rows(events: Iterable[StoryEvent]) -> list[str]:
    rows = [(moment_ms(event.at), elapsed(event.since_s), event.sentence) for event in events]
    width = max((len(since) for _, since, _ in rows), default=0)
    return [f"{at}  {since:>{width}}  {sentence}" for at, since, sentence in rows]


def _outcomes(outcomes: Iterable[ItemOutcome]) -> list[str]:
    rows = []
    for outcome in outcomes:
        keys = ", ".join(printable(key, _KEY) for key in outcome.first_keys)
        more = outcome.items - len(outcome.first_keys)
        path = " > ".join(str(number) for number in outcome.path)
        rows.append((count(outcome.items), outcome.status, path, f"{keys}... ({more:,} more)" if more else keys))
    heads = ("ITEMS", "STATUS", "BATCHES", "KEYS")
    widths = [max(len(row[place]) for row in [heads, *rows]) for place in range(3)]
    return [
        f"{row[0]:>{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:<{widths[2]}}  {row[3]}".rstrip()
        for row in [heads, *rows]
    ]
