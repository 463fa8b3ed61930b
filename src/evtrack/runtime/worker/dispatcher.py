"""The batches in hand: waiting, in slots, and what became of them."""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any

import structlog

from evtrack.domain import log_names
from evtrack.runtime.slot.handlers import HandlerKind
from evtrack.runtime.slot.protocol import BatchErrored, BatchesDone, BatchPartlyDone, CommandKilled, ItemsDone
from evtrack.runtime.worker.outcomes.crash_reports import command_crash_report, slot_crash_report
from evtrack.runtime.worker.outcomes.frame_checks import check_frame
from evtrack.runtime.worker.outcomes.outcome_buffer import OutcomeBuffer
from evtrack.runtime.worker.pacing import HORIZON_S, MAX_HELD, Pacing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evtrack.domain.claimed_batch import BatchKey, ClaimedBatch
    from evtrack.runtime.worker.slots.pool import SlotPool
    from evtrack.runtime.worker.slots.process import SlotExit, SlotProcess

_log = structlog.get_logger()


class Dispatcher:
    """Deals claimed batches to slots and gathers their outcomes.

    Args:
        outcomes: Where they are gathered.
    """

    def __init__(self, outcomes: OutcomeBuffer | None = None) -> None:
        # An empty one is false.
        self.outcomes = OutcomeBuffer() if outcomes is None else outcomes
        self.pacing = Pacing()
        self._slots: SlotPool | None = None
        self._ready: deque[ClaimedBatch] = deque()
        self._lost: set[BatchKey] = set()
        self._is_closed = False

    def man(self, slots: SlotPool) -> None:
        """Take the slots that do the work.

        Args:
            slots: The slots.
        """
        self._slots = slots

    def take(self, rows: Sequence[ClaimedBatch]) -> None:
        """Take claimed batches.

        Args:
            rows: The batches.
        """
        self.pacing.weigh(rows)
        self.outcomes.expect(rows)
        self._ready.extend(rows)

    def deal(self) -> None:
        """Give the slots what they can run within the horizon."""
        if not self._ready or self._slots is None:
            return
        ready = self._ready
        slots = [each for each in self._slots.working if not (each.held and each.held[0].losses)]
        while ready and slots:
            slot = min(slots, key=lambda each: (each.expected_s, len(each.held)))
            room = min(-(-len(ready) // len(slots)), self._slots.room_for(slot))
            rows: list[ClaimedBatch] = []
            expected_s = 0.0
            # What has cost a worker before runs alone: if it does so again, nothing else is lost with it.
            alone = bool(ready[0].losses)
            if alone:
                empty = [each for each in slots if not each.held]
                if not empty:
                    return
                slot, room = empty[0], 1
            while ready and len(rows) < room:
                if rows and ready[0].losses:
                    break
                more_s = self.pacing.expected_s(ready[0].job_id)
                if (slot.held or rows) and slot.expected_s + expected_s + more_s > HORIZON_S:
                    break
                rows.append(ready.popleft())
                expected_s += more_s
            if not rows:
                return
            slot.give(rows, expected_s)
            if alone:
                slots.remove(slot)
            self._slots.watch_writes(slot)

    def on_frame(self, slot: SlotProcess, frame: Any) -> None:
        """Take what a slot says of a batch.

        Args:
            slot: The slot.
            frame: An outcome.

        Raises:
            ValueError: It makes no sense.
        """
        check_frame(slot, frame)
        if isinstance(frame, ItemsDone):
            slot.progress.update(zip(frame.places, frame.lines, strict=True))
            return
        now = monotonic()
        rows = slot.take(len(frame.run_s) if isinstance(frame, BatchesDone) else 1)
        if isinstance(frame, BatchesDone):
            self.pacing.learn(rows, frame.run_s)
            self.outcomes.done(rows, frame.run_s, frame.results, now)
            return
        self.pacing.learn(rows, [frame.run_s])
        if isinstance(frame, BatchPartlyDone):
            self.outcomes.partly_done(rows[0], frame, now)
        elif isinstance(frame, CommandKilled) or (slot.is_over_limit and isinstance(frame, BatchErrored)):
            dossier = command_crash_report(slot, rows[0], frame)
            self.outcomes.crash(rows[0], dossier, {}, now)
            _tell(rows[0], dossier)
        else:
            self.outcomes.fail(rows[0], frame, now)

    def on_death(self, slot: SlotProcess, death: SlotExit) -> None:
        """Blame the batch that a dead slot had in hand; the others never ran and go elsewhere.

        Args:
            slot: The slot.
            death: How it ended.
        """
        now = monotonic()
        rows = list(slot.held)
        slot.held.clear()
        if slot.killed_for == "fenced":
            return
        if slot.killed_for not in {"stopping", "lost"}:
            # Those before the one in hand ran, but their outcome died with the slot: they run again.
            place = slot.page.seq - slot.first
            if 0 <= place < len(rows):
                blamed = rows.pop(place)
                dossier = slot_crash_report(slot, death, blamed, now)
                notes = {}
                if slot.kind_of(blamed) == HandlerKind.ITEM:
                    notes = {**(slot.progress if place == 0 else {}), **slot.page.notes()}
                self.outcomes.crash(blamed, dossier, notes, now)
                _tell(blamed, dossier)
            elif not slot.is_retired and slot.kinds is not None:
                _log.warning(log_names.SLOT_ENDED_IDLE, pid=slot.pid, wait_status=death.wait_status)
        rows = [row for row in rows if row.key not in self._lost]
        if self._is_closed:
            self.outcomes.give_back(rows, now)
        else:
            self._ready.extendleft(reversed(rows))

    def close(self) -> None:
        """Give back what waits, and from now on whatever did not run."""
        self._is_closed = True
        self.outcomes.give_back(self._ready, monotonic())
        self._ready.clear()

    def keys(self) -> list[BatchKey]:
        """Name the batches whose outcome is not known yet."""
        return [row.key for slot in self._slots or () for row in slot.held] + [row.key for row in self._ready]

    def lose(self, keys: set[BatchKey]) -> None:
        """Let go of batches that are no longer this worker's.

        Args:
            keys: The batches.
        """
        self._lost = keys.intersection(self.keys())
        self.outcomes.lose(self._lost)
        self._ready = deque(row for row in self._ready if row.key not in keys)
        for slot in self._slots or ():
            if any(row.key in keys for row in slot.held):
                slot.kill(reason="lost")

    def forget(self) -> None:
        """Let go of everything: the worker was declared lost."""
        if self._slots is not None:
            self._slots.kill("fenced")
        self._ready.clear()
        self.outcomes.forget()

    @property
    def held(self) -> int:
        """Batches whose outcome is not known yet."""
        return sum([len(slot.held) for slot in self._slots or ()]) + len(self._ready)

    @property
    def held_s(self) -> float:
        """How long they are expected to run, all together."""
        waiting_s = sum([self.pacing.expected_s(row.job_id) for row in self._ready])
        return sum([slot.expected_s for slot in self._slots or ()]) + waiting_s

    @property
    def busy(self) -> int:
        """How many slots have something in hand."""
        return sum(1 for slot in self._slots or () if slot.held)

    @property
    def slots(self) -> int:
        """How many slots can take batches."""
        return 0 if self._slots is None else len(self._slots.working)

    @property
    def idle(self) -> int:
        """How many slots lack a batch."""
        if self._slots is None:
            return 0
        return max(0, sum(1 for slot in self._slots.working if not slot.held) - len(self._ready))

    @property
    def has_room(self) -> bool:
        """Whether more batches may be taken."""
        return bool(self.idle) or (self.held < MAX_HELD and self.held_s < HORIZON_S * self.slots)

    @property
    def is_low(self) -> bool:
        """Whether slots have nothing to do, or soon."""
        return bool(self.idle) or (self.held < MAX_HELD // 2 and self.held_s < HORIZON_S * self.slots / 2)


def _tell(row: ClaimedBatch, dossier: dict[str, Any]) -> None:
    told = {name: value for name, value in dossier.items() if not name.endswith(("stderr", "traceback"))}
    _log.error(log_names.SLOT_CRASHED, job_id=row.job_id, batch_no=row.batch_no, attempt=row.attempt, **told)
