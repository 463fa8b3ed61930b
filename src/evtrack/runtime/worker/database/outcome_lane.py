"""Outcomes of one kind on their way into the database, in groups of the size that it accepts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from evtrack.domain.database_errors import ErrorScope, error_scope
from evtrack.domain.errors import EvtrackError, WorkerLost
from evtrack.runtime.backoff import backoff_s

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evtrack.domain.claimed_batch import BatchKey

Outcome = TypeVar("Outcome", bound=tuple[Any, ...])
"""A tuple that begins with the batch's key."""

STRIKES: Final = 8
"""How often an outcome alone is tried, over some seconds, before it counts as the one that is at fault."""

_IN_A_ROW: Final = 3
"""After so many outcomes that were refused one by one, with none accepted in between, the server is at fault."""

_FIRST_S: Final = 0.05
_LONGEST_S: Final = 60.0
_LOCKED: Final = "55P03"


@dataclass(slots=True)
class _Postponed(Generic[Outcome]):
    """An outcome that was refused alone, and is tried again later; the others do not wait for it."""

    outcome: Outcome
    due_at: float
    strikes: int
    accepted_before: int


class OutcomeLane(Generic[Outcome]):
    """Keeps outcomes until the database has accepted or finally refused them.

    Groups are halved when they are refused and doubled when they are accepted, so that one bad outcome is found in a
    few calls and a large group does not exhaust the server's memory.

    Args:
        most: Most outcomes of a call.
        on_refused: Called with an outcome that the database will never accept, and its error.
        most_bytes: Most bytes of a call with more than one outcome; needs `size_of`.
        size_of: Returns the bytes of an outcome.
    """

    def __init__(
        self,
        *,
        most: int,
        on_refused: Callable[[Outcome, EvtrackError], None],
        most_bytes: float = math.inf,
        size_of: Callable[[Outcome], int] | None = None,
    ) -> None:
        self._most, self._most_bytes, self._size_of = most, most_bytes, size_of
        self._on_refused = on_refused
        self._kept: list[Outcome] = []
        self._postponed: dict[BatchKey, _Postponed[Outcome]] = {}
        self._strikes: dict[BatchKey, _Postponed[Outcome]] = {}
        self._size = most
        self._accepted = 0
        self._refused_in_row = 0

    def __len__(self) -> int:
        """Count the outcomes."""
        return len(self._kept) + len(self._postponed)

    @property
    def is_due(self) -> bool:
        """Whether there are outcomes that are not postponed."""
        return bool(self._kept)

    @property
    def due_at(self) -> float:
        """Monotonic time at which the first postponed outcome is due; infinite without any."""
        return min((each.due_at for each in self._postponed.values()), default=math.inf)

    @property
    def batches(self) -> list[BatchKey]:
        """The batches of the outcomes."""
        return [*(outcome[0] for outcome in self._kept), *self._postponed]

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Add outcomes at the end."""
        self._kept.extend(outcomes)

    def clear(self) -> None:
        """Drop everything."""
        self._kept.clear()
        self._postponed.clear()
        self._strikes.clear()

    def admit(self, now: float) -> None:
        """Put postponed outcomes that are due in front of the others.

        Args:
            now: The monotonic clock.
        """
        if self._postponed:
            due = [key for key, each in self._postponed.items() if each.due_at <= now]
            self._strikes.update({key: self._postponed.pop(key) for key in due})
            self._kept[:0] = [self._strikes[key].outcome for key in due]

    def write(self, call: Callable[[Sequence[Outcome]], object], now: float) -> None:
        """Write all outcomes that are due.

        Args:
            call: Reports a group to the database.
            now: The monotonic clock.

        Raises:
            EvtrackError: The server is at fault; what is not written is kept.
        """
        self._refused_in_row = 0
        while group := self.group():
            try:
                call(group)
            except EvtrackError as error:
                self.refuse(group, error, now)
            else:
                self.accept(group)

    def group(self) -> Sequence[Outcome]:
        """Return the first outcomes, as many as one call should have."""
        group = self._kept[: self._size]
        if self._size_of is not None and len(group) > 1:
            total = 0
            for place, outcome in enumerate(group):
                total += self._size_of(outcome)
                if total > self._most_bytes:
                    return group[: max(1, place)]
        return group

    def accept(self, group: Sequence[Outcome]) -> None:
        """Remove the first outcomes: the database has accepted them."""
        del self._kept[: len(group)]
        self._accepted += len(group)
        self._refused_in_row = 0
        self._size = min(self._most, 2 * self._size)
        if self._strikes:
            for outcome in group:
                self._strikes.pop(outcome[0], None)

    def refuse(self, group: Sequence[Outcome], error: EvtrackError, now: float) -> None:
        """Decide about the first outcomes, which the database did not accept.

        Args:
            group: The outcomes.
            error: Its error.
            now: The monotonic clock.

        Raises:
            EvtrackError: The error, if the server is at fault.
        """
        scope = error_scope(error)
        if scope is ErrorScope.SERVER or isinstance(error, WorkerLost):
            raise error
        is_locked = getattr(error, "sqlstate", None) == _LOCKED
        if len(group) > 1:
            # Each call waits for the lock, so it is not searched for by halving.
            self._size = 1 if is_locked else len(group) // 2
            return
        outcome = self._kept.pop(0)
        key: BatchKey = outcome[0]
        if scope is ErrorScope.DATA or (scope is ErrorScope.UNCLEAR and self._is_at_fault(key)):
            self._strikes.pop(key, None)
            self._on_refused(outcome, error)
            return
        self._postpone(outcome, now)
        if is_locked:
            # Whoever holds the job's row holds up its other outcomes, too.
            same_job = [each for each in self._kept if each[0][0] == key[0]]
            self._kept = [each for each in self._kept if each[0][0] != key[0]]
            for each in same_job:
                self._postpone(each, now)
        self._refused_in_row += 1
        if self._refused_in_row >= _IN_A_ROW:
            raise error

    def _is_at_fault(self, key: BatchKey) -> bool:
        before = self._strikes.get(key)
        return before is not None and before.strikes + 1 >= STRIKES and self._accepted > before.accepted_before

    def _postpone(self, outcome: Outcome, now: float) -> None:
        key = outcome[0]
        before = self._strikes.pop(key, None)
        strikes = 1 if before is None else before.strikes + 1
        due_at = now + backoff_s(strikes, first_s=_FIRST_S, longest_s=_LONGEST_S)
        accepted_before = self._accepted if before is None else before.accepted_before
        self._postponed[key] = _Postponed(outcome, due_at, strikes, accepted_before)
