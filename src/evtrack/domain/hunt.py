"""The search for the items of a submitted batch that crash: which are still suspect, and how far it is from its end.

A crash that names no item divides its batch into halves, one of which holds the culprit (docs/adr/batches/0008). Both
are suspect until one has crashed, which explains the crash before, or has completed. A crash that names an item clears
the others: it is suspect until its budget is spent. A batch of a lost worker is suspect because of its isolation
(docs/adr/batches/0021).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import takewhile
from math import ceil, log2
from typing import TYPE_CHECKING, Final

from evtrack.domain import events as ev
from evtrack.domain.batch_projection import BatchState, evolve_batch
from evtrack.domain.crash import CrashCause
from evtrack.domain.states import SUSPECTS, BatchStatus, EventType, Isolation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from evtrack.domain.ordinals import Ordinals
    from evtrack.domain.policy import Policy
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
        crashes: How many of its attempts had crashed.
        item_key: The key of its only item, if a crash has named it.
        cause_no: The batch whose crash makes it suspect; None if it is not. Of batches with the same one, one crashes.
    """

    batch_no: int
    depth: int
    held: Ordinals
    state: BatchState
    crashes: int
    item_key: str | None
    cause_no: int | None

    @property
    def is_poison(self) -> bool:
        """Whether its only item has used up its budget."""
        state = self.state
        return state.status is BatchStatus.CRASHED and state.item_count == 1 and state.crashes + state.losses > 0

    @property
    def fate(self) -> str:
        """What became of the items that it has kept: `poison`, `suspect`, or its status."""
        if self.is_poison:
            return "poison"
        return "suspect" if self.cause_no is not None else self.state.status.value

    def crashes_left(self, policy: Policy) -> int:
        """Return how many crashes it takes to find one poison item among its own.

        One that is known may still use the rest of its budget. One in n is cornered by log2(n) halvings, rounded up,
        before. Nothing is known of a batch that has only lost its worker, so it counts as none.
        """
        state, losses = self.state, self.state.isolation is Isolation.EXCLUSIVE and not self.state.crashes
        if state.isolation is Isolation.MARKED:
            return 0
        budget, used = (policy.max_losses, state.exclusive_losses) if losses else (policy.max_crashes, state.crashes)
        # A crash beside other items counts, and the item has one more run, even with its budget spent.
        return ceil(log2(state.item_count)) + max(1, max(1, budget) - used)


@dataclass(frozen=True, slots=True)
class Hunt:
    """A submitted batch and all batches made of it, at a moment.

    Args:
        root_no: The submitted batch.
        nodes: The batches that there were, in the order of their numbers; each comes after the one it was made of.
        crashes: How many attempts had crashed.
    """

    root_no: int
    nodes: tuple[HuntNode, ...]
    crashes: int

    @property
    def suspects(self) -> tuple[HuntNode, ...]:
        """The batches that hold items which are still suspect."""
        return tuple(node for node in self.nodes if node.cause_no is not None)

    @property
    def poison(self) -> tuple[HuntNode, ...]:
        """The batches of one poison item each."""
        return tuple(node for node in self.nodes if node.is_poison)

    def items(self, status: BatchStatus) -> int:
        """Count the items in batches of a status."""
        return sum(node.state.item_count for node in self.nodes if node.state.status is status)

    def crashes_left(self, policy: Policy) -> int:
        """Return about how many crashes are still to come, if each crash so far has one culprit.

        Args:
            policy: The budgets of the job.
        """
        by_cause: dict[int | None, int] = defaultdict(int)
        for node in self.suspects:
            by_cause[node.cause_no] = max(by_cause[node.cause_no], node.crashes_left(policy))
        return sum(by_cause.values())


def hunt(streams: Mapping[int, Sequence[StoredEvent]], root_no: int, *, as_of: datetime | None = None) -> Hunt:
    """Fold the events of a submitted batch and of all batches made of it.

    Args:
        streams: The events by batch, each in the order of their versions.
        root_no: The submitted batch.
        as_of: Only events until this time; None for all.

    Returns:
        The batches that there were by then.
    """
    found: dict[int, _Stream] = {}
    for batch_no, events in sorted(streams.items()):
        past = list(takewhile(lambda stored: as_of is None or stored.at <= as_of, events))
        if past:
            read = _Stream(past[0])
            for stored in past[1:]:
                read.take(stored)
            read.descend(found)
            found[batch_no] = read
    explained = {half_of for read in found.values() if read.has_culprit for half_of in read.halves_above}
    nodes = tuple(read.node(explained) for read in found.values())
    return Hunt(root_no, nodes, sum(node.crashes for node in nodes))


class _Stream:
    """The stream of one batch, event by event."""

    def __init__(self, first: StoredEvent) -> None:
        self.batch_no = first.batch_no
        self.state = evolve_batch(None, first)
        self.held = self.state.ordinals
        self.depth = 0
        self.crashes = 0
        self.has_culprit = False
        self.halves_above: frozenset[int] = frozenset()
        """The divided batches of whose halves this is one, or a part."""
        self.half_of: int | None = None
        self.crash: ev.Crashed | None = None

    def take(self, stored: StoredEvent) -> None:
        """Apply an event."""
        self.state = evolve_batch(self.state, stored)
        if isinstance(stored.event, ev.Crashed):
            self.crash = stored.event
            # Version 2 of a derived batch says that its item was poison already: its parent has the crash.
            self.crashes += stored.version > 2  # noqa: PLR2004
            self.has_culprit |= _counts(stored.event)
        elif stored.type is EventType.STARTED:
            self.crash = None

    def descend(self, found: Mapping[int, _Stream]) -> None:
        """Learn from the batch that this one was made of."""
        parent = found.get(self.state.parent_no or 0)
        if parent is None:
            return
        self.depth = parent.depth + 1
        crash = parent.crash
        if crash is not None and _counts(crash):
            # The item in hand is a batch of its own, and its crash clears the rest.
            self.half_of = parent.batch_no if crash.ordinal is None else None
        elif crash is not None:
            self.half_of = parent.half_of
        own = frozenset() if self.half_of is None else frozenset({self.half_of})
        self.halves_above = parent.halves_above | own
        if self.crash is None and crash is not None and crash.ordinal in self.held:
            self.crash = crash

    def node(self, explained: set[int]) -> HuntNode:
        """Return what is known of the batch.

        Args:
            explained: The divided batches with a half that has crashed.
        """
        state = self.state
        cause_no = None
        if state.status in _OPEN:
            if state.crashes:
                cause_no = self.batch_no
            elif state.isolation in SUSPECTS:
                cause_no = self.batch_no if state.item_count == 1 else state.parent_no or self.batch_no
            elif self.half_of not in explained:
                cause_no = self.half_of
        return HuntNode(self.batch_no, self.depth, self.held, state, self.crashes, self._item_key(), cause_no)

    def _item_key(self) -> str | None:
        crash = self.crash
        if crash is None or self.state.item_count != 1:
            return None
        # The item in hand may have left for a batch of its own; no ordinal, or 0, is whatever the batch has.
        return crash.item_key if not crash.ordinal or crash.ordinal in self.state.ordinals else None


def _counts(crash: ev.Crashed) -> bool:
    """Return whether a crash counts against the items of its batch."""
    return crash.blame != "none" and crash.cause != CrashCause.WORKER_LOST
