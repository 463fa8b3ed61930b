"""The search for the items of a submitted batch that crash: which are still suspect, and how far it is from its end."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2
from typing import TYPE_CHECKING, Final

from evtrack.domain.batch_projection import BatchState, evolve_batch
from evtrack.domain.states import BatchStatus, EventType, Isolation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from evtrack.domain.ordinals import Ordinals
    from evtrack.domain.stored_event import StoredEvent

_OPEN: Final = (BatchStatus.PENDING, BatchStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class HuntNode:
    """A batch of the tree.

    Args:
        batch_no: Its number.
        depth: How many batches held its items before; 0 for the submitted one.
        held: The items that it began with.
        state: Its state at the moment that is shown.
    """

    batch_no: int
    depth: int
    held: Ordinals
    state: BatchState

    @property
    def is_suspect(self) -> bool:
        """Whether a crash is why it runs, or runs again, and it may crash again."""
        careful = self.state.isolation is not Isolation.NONE or self.state.crashes + self.state.losses > 0
        return self.state.status in _OPEN and (careful or self.depth > 0)

    @property
    def is_poison(self) -> bool:
        """Whether its only item has used up its crash budget."""
        return self.state.status is BatchStatus.CRASHED and self.state.item_count == 1


@dataclass(frozen=True, slots=True)
class Hunt:
    """A submitted batch and all batches made of it, at a moment.

    Args:
        root_no: The submitted batch.
        nodes: The batches that there were, in the order of their numbers.
        crashes: How many attempts had crashed.
        max_crashes: The crash budget of an item.
    """

    root_no: int
    nodes: tuple[HuntNode, ...]
    crashes: int
    max_crashes: int

    @property
    def suspects(self) -> tuple[HuntNode, ...]:
        """The batches that hold items which are still suspect."""
        return tuple(node for node in self.nodes if node.is_suspect)

    @property
    def poison(self) -> tuple[HuntNode, ...]:
        """The batches of one poison item."""
        return tuple(node for node in self.nodes if node.is_poison)

    @property
    def crashes_left(self) -> int:
        """About how many crashes are still to come if every suspect batch holds one poison item.

        A batch of one item may still use the rest of its budget; in one of n, the item is cornered by about log2(n)
        halvings before its budget is spent.
        """
        return sum(
            max(0, self.max_crashes - node.state.crashes)
            if node.state.item_count == 1
            else ceil(log2(node.state.item_count)) + self.max_crashes
            for node in self.suspects
        )


def hunt(
    streams: Mapping[int, Sequence[StoredEvent]], root_no: int, *, max_crashes: int, as_of: datetime | None = None
) -> Hunt:
    """Fold the events of a submitted batch and of all batches made of it.

    Args:
        streams: The events by batch, each in the order of their versions.
        root_no: The submitted batch.
        max_crashes: The crash budget of an item.
        as_of: Only events until this time; None for all.

    Returns:
        The batches that there were by then.
    """
    depths: dict[int, int] = {}
    nodes, crashes = [], 0
    for batch_no, stream in sorted(streams.items()):
        state: BatchState | None = None
        held: Ordinals | None = None
        for stored in stream:
            if as_of is not None and stored.at > as_of:
                break
            state = evolve_batch(state, stored)
            held = state.ordinals if held is None else held
            # Version 2 of a derived batch says that its item was poison already: its parent has the crash.
            crashes += stored.type is EventType.CRASHED and stored.version > 2  # noqa: PLR2004
        if state is not None and held is not None:
            depths[batch_no] = 0 if state.parent_no is None else depths.get(state.parent_no, 0) + 1
            nodes.append(HuntNode(batch_no, depths[batch_no], held, state))
    return Hunt(root_no, tuple(nodes), crashes, max_crashes)
