"""The batches of a hunt, as pages list and draw them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evtrack.domain.states import BatchStatus
from evtrack.domain.text import printable
from evtrack.interfaces.web.charts.icicle import FATES, SOUGHT, IcicleBlock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evtrack.domain.hunt import Hunt, HuntNode

_LABEL: Final = 40


@dataclass(frozen=True, slots=True)
class HuntBatch:
    """A batch of a hunt.

    Args:
        batch_no: Its number.
        parent_no: The batch that it was made of.
        depth: How many batches held its items before.
        fate: What became of the items that it has kept.
        items: How many it has kept.
        began_with: How many it began with.
        kept: Their ordinals, as ranges from the first to before the last.
        moved: The ordinals of the others.
        crashes: How many of its attempts have crashed.
        item_key: The key of its only item, if a crash has named it.
    """

    batch_no: int
    parent_no: int | None
    depth: int
    fate: str
    items: int
    began_with: int
    kept: list[tuple[int, int]]
    moved: list[tuple[int, int]]
    crashes: int
    item_key: str | None


def blocks(batches: Sequence[HuntBatch]) -> list[IcicleBlock]:
    """Make blocks of the chart of batches; what one looks for has the name of its item."""
    return [
        IcicleBlock(
            each.batch_no,
            each.depth,
            each.kept,
            each.moved,
            each.fate,
            printable(each.item_key or "", _LABEL) if each.fate in SOUGHT else "",
        )
        for each in batches
    ]


def fates(batches: Sequence[HuntBatch]) -> list[str]:
    """Return what a legend explains: the fates that there are."""
    there = {batch.fate for batch in batches} | {"split" for batch in batches if batch.moved}
    return [fate for fate in FATES if fate in there]


def hunt_batches(found: Hunt) -> list[HuntBatch]:
    """List the batches of a hunt, each right below the one that it was made of."""
    parts: dict[int | None, list[HuntNode]] = {}
    known = {node.batch_no for node in found.nodes}
    for node in found.nodes:
        above = node.state.parent_no
        parts.setdefault(above if above in known else None, []).append(node)
    ordered: list[HuntBatch] = []
    waiting = list(reversed(parts.get(None, [])))
    while waiting:
        node = waiting.pop()
        ordered.append(_batch(node))
        waiting += reversed(parts.get(node.batch_no, []))
    return ordered


def _batch(node: HuntNode) -> HuntBatch:
    # A batch that was split as a whole still names all of its items, which are in others now.
    kept = node.held - node.held if node.state.status is BatchStatus.SPLIT else node.state.ordinals
    return HuntBatch(
        batch_no=node.batch_no,
        parent_no=node.state.parent_no,
        depth=node.depth,
        fate=node.fate,
        items=len(kept),
        began_with=len(node.held),
        kept=list(kept.spans),
        moved=list((node.held - kept).spans),
        crashes=node.crashes,
        item_key=node.item_key,
    )
