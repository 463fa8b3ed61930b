"""A claimed batch, as the database returns it to a worker, which passes it on to a slot."""

from __future__ import annotations

from typing import Final, NamedTuple

from evtrack.domain.ordinals import Ordinals
from evtrack.domain.states import SUSPECTS, Isolation

BatchKey = tuple[int, int, int]
"""Job, batch number and attempt, which identify a claimed batch in reports."""

SUSPECT: Final = frozenset(level.encode() for level in SUSPECTS)
"""Levels of isolation at which a slot commits which item begins and which is done."""

ALONE: Final = frozenset(level.encode() for level in (Isolation.MEMORY, Isolation.EXCLUSIVE))
"""Levels of isolation at which a worker runs and holds nothing else."""

FRESH: Final = ALONE | {Isolation.FRESH_SLOT.encode()}
"""Levels of isolation at which a slot must not have run anything before."""


class ClaimedBatch(NamedTuple):
    """A row of the claim; texts stay bytes, because the worker does not need to decode them.

    Args:
        batch_no: The batch in the job.
        attempt: How often the batch has been claimed, this time included.
        ordinals: The items' ordinals, as PostgreSQL writes a multirange.
        item_keys: The items' keys, one per line.
        payload: A line of JSON for each item; None when it has been deleted.
        policy: The job's policy as JSON, or None.
        isolation: How carefully this attempt must run: a level of ``evtrack.isolation``, or None for none.
    """

    job_id: int
    batch_no: int
    attempt: int
    handler: bytes
    ordinals: bytes
    item_keys: bytes
    payload: bytes | None
    policy: bytes | None
    isolation: bytes | None

    @property
    def key(self) -> BatchKey:
        """What identifies this batch in reports."""
        return self[:3]

    @property
    def handler_name(self) -> str:
        """The handler's name as text."""
        return self.handler.decode("utf-8", "replace")

    @property
    def item_count(self) -> int:
        """How many items the batch has."""
        return (self.item_keys or b"").count(b"\n") + 1

    @property
    def is_suspect(self) -> bool:
        """Whether its worker was lost once: what it does is committed as it happens."""
        return self.isolation in SUSPECT

    @property
    def runs_alone(self) -> bool:
        """Whether its worker may run and hold nothing else."""
        return self.isolation in ALONE

    def ordinal_list(self) -> list[int]:
        """Return the items' ordinals, in order."""
        return list(Ordinals.parse(self.ordinals.decode()))

    def item(self, index: int | None) -> tuple[str | None, int | None]:
        """Find an item by its index.

        Args:
            index: The index, or None when the handler had the whole batch.

        Returns:
            The item's key and ordinal; None twice when the item is unknown.
        """
        keys = (self.item_keys or b"").split(b"\n")
        if index is None and len(keys) == 1:
            index = 0
        ordinals = self.ordinal_list()
        if index is None or index >= min(len(keys), len(ordinals)):
            return None, None
        return keys[index].decode("utf-8", "replace"), ordinals[index]
