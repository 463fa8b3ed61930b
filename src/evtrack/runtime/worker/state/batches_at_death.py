"""Concludes from a dead slot's page which of its batches had begun, what was in hand, and what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from evtrack.domain.ordinals import Ordinals
from evtrack.runtime.worker.outcomes.frame_checks import are_result_lines
from evtrack.storage.queue.workers import BatchAtDeath

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evtrack.domain.claimed_batch import BatchKey
    from evtrack.runtime.slot.shared_page import SharedPage

MOST_COMPLETED: Final = 1500
"""How many of a slot's last completed batches are reported: a worker holds fewer outcomes that are not committed."""

_INT4: Final = 2**31


class BatchOnPage(NamedTuple):
    """A batch as a page shows it, in terms of its items' indexes.

    Args:
        key: The batch.
        is_completed: Whether it completed.
        is_whole: Whether its handler had all of it in hand.
        item: Index of the item in hand; None for none.
        results: The results of items that are done, by index.
        lines: The results of a batch that completed; None for none.
    """

    key: BatchKey
    is_completed: bool = False
    is_whole: bool = False
    item: int | None = None
    results: Mapping[int, bytes] = {}
    lines: bytes | None = None


def batches_on_page(page: SharedPage) -> list[BatchOnPage]:
    """Read which batches a dead slot had begun.

    Args:
        page: Its page. A dying process may have written anything.

    Returns:
        The batches whose outcome may be unknown to the database. Of those that it does not name, none had begun, or
        they had failed.
    """
    found = []
    last = page.seq
    for outcome in page.outcomes.latest()[-MOST_COMPLETED:]:
        key = _key(page, outcome.seq)
        if key is not None and outcome.seq <= last:
            found.append(BatchOnPage(key, is_completed=True, lines=outcome.result))
            if outcome.seq == last:
                return found
    key = _key(page, last)
    if key is None:
        return found
    if page.is_whole:
        in_hand = not (page.has_ended or page.is_waiting)
        return [*found, BatchOnPage(key, is_whole=in_hand)]
    results = {**page.spilled_results, **page.results()}
    # The item stays the current one until the next begins.
    item = None if page.has_ended or page.is_waiting or page.item in results else page.item
    return [*found, BatchOnPage(key, item=item, results=results)]


def batches_at_death(
    batches: Iterable[BatchOnPage], ordinals_of: Mapping[BatchKey, Sequence[int]]
) -> list[BatchAtDeath]:
    """Translate the items' indexes to ordinals.

    Args:
        batches: What the pages show.
        ordinals_of: The ordinals of each batch that the dead worker held, in order.

    Returns:
        What to report. A batch that the worker did not hold is left out, as is a result that cannot be stored.
    """
    found = {}
    for batch in batches:
        ordinals = ordinals_of.get(batch.key)
        if ordinals:
            found[batch.key] = _at_death(batch, ordinals)
    return list(found.values())


def _at_death(batch: BatchOnPage, ordinals: Sequence[int]) -> BatchAtDeath:
    in_hand, lines = None, batch.lines
    done: Sequence[int] = ()
    if batch.is_completed:
        if lines is None or _are_json(lines, len(ordinals)):
            done = ordinals
    elif batch.is_whole:
        in_hand = 0
    else:
        results = {ordinals[i]: line for i, line in batch.results.items() if i < len(ordinals) and _are_json(line, 1)}
        done = list(results)
        lines = b"\n".join(results.values()) if any(results.values()) else None
        if batch.item is not None and batch.item < len(ordinals):
            in_hand = ordinals[batch.item]
    return BatchAtDeath(
        key=batch.key,
        begun=True,
        in_hand=in_hand,
        done=str(Ordinals.of(done)) if done else None,
        results=lines.decode() if done and lines is not None else None,
    )


def _are_json(lines: bytes, count: int) -> bool:
    """Return whether these are results: a live slot makes no others, but a dying process may have written anything."""
    if not are_result_lines(lines, count):
        return False
    try:
        for line in lines.split(b"\n"):
            if line:
                msgspec.json.decode(line)
    except (ValueError, RecursionError):
        return False
    return True


def _key(page: SharedPage, seq: int) -> BatchKey | None:
    key = page.assigned.find(seq) if seq else None
    if key is None or min(key) < 1 or max(key[1:]) >= _INT4:
        return None
    return key
