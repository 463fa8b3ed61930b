"""Assigns claimed batches to slots, and collects their outcomes."""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any

import structlog

from evtrack.domain import log_names
from evtrack.runtime.slot.handlers import HandlerKind
from evtrack.runtime.slot.protocol import BatchErrored, BatchesDone, BatchPartlyDone, CommandKilled, ItemMark, ItemsDone
from evtrack.runtime.worker.assigner import Assigner
from evtrack.runtime.worker.outcomes.crash_reports import command_crash_report, slot_crash_report
from evtrack.runtime.worker.outcomes.frame_checks import check_frame
from evtrack.runtime.worker.outcomes.item_marks import ItemMarks
from evtrack.runtime.worker.pacing import Pacing, Room
from evtrack.runtime.worker.slots.memory_limits import MemoryLimits
from evtrack.runtime.worker.waiting_batches import WaitingBatches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evtrack.domain.claimed_batch import BatchKey, ClaimedBatch
    from evtrack.runtime.worker.outcomes.outcome_buffer import OutcomeBuffer
    from evtrack.runtime.worker.slots.pool import SlotPool
    from evtrack.runtime.worker.slots.process import SlotExit, SlotProcess

_log = structlog.get_logger()


class Dispatcher:
    """Assigns claimed batches to slots, and collects their outcomes.

    Args:
        outcomes: Where outcomes are collected.
        memory: The limits of a slot's memory.
    """

    def __init__(self, outcomes: OutcomeBuffer, *, memory: MemoryLimits | None = None) -> None:
        self._memory = memory or MemoryLimits()
        self.outcomes = outcomes
        self.marks = ItemMarks()
        self.crash_loops: deque[str | None] = deque(maxlen=2)
        """Problems of the slots to report, None for a recovery; the latest two are enough."""
        self.pacing = Pacing()
        self._slots: SlotPool | None = None
        self._waiting = WaitingBatches()
        self._assigner = Assigner(self._waiting, self.pacing)
        self._lost: set[BatchKey] = set()
        self._is_closed = False

    def attach(self, slots: SlotPool) -> None:
        """Set the slots that run the batches."""
        self._slots = slots

    def add(self, batches: Sequence[ClaimedBatch]) -> None:
        """Add claimed batches; fail those whose job allows less memory than a slot holds before it runs anything."""
        self.pacing.learn_sizes(batches)
        self.outcomes.register(batches)
        if self._is_closed:
            self.outcomes.add_returned(batches, monotonic())
            return
        refusals = self._memory.refusals(batches)
        if refusals:
            for batch in batches:
                if batch.job_id in refusals:
                    self.outcomes.add_failed(batch, refusals[batch.job_id], monotonic())
            batches = [batch for batch in batches if batch.job_id not in refusals]
        self._waiting.add(batches)

    def assign(self) -> None:
        """Assign to the slots as many batches as they can run within the horizon."""
        if self._slots is not None and len(self._waiting):
            self.outcomes.add_returned(self._assigner.assign(self._slots), monotonic())

    def on_frame(self, slot: SlotProcess, frame: Any) -> None:
        """Handle a slot's report about its batches.

        Args:
            frame: An outcome, or a mark.

        Raises:
            ValueError: The frame is inconsistent.
        """
        check_frame(slot, frame)
        if isinstance(frame, ItemsDone):
            slot.item_results.update(zip(frame.indexes, frame.lines, strict=True))
            return
        if isinstance(frame, ItemMark):
            self.marks.add(slot, frame)
            return
        self._assigner.release(slot)
        now = monotonic()
        batches = slot.release(len(frame.run_s) if isinstance(frame, BatchesDone) else 1)
        if isinstance(frame, BatchesDone):
            self.pacing.learn_run_times(batches, frame.run_s)
            self.outcomes.add_completed(batches, frame.run_s, frame.results, now, frame.usage)
            return
        self.pacing.learn_run_times(batches, [frame.run_s])
        if frame.interrupted and self._is_closed and not slot.is_over_limit:
            self.outcomes.add_returned(batches, now)
        elif isinstance(frame, BatchPartlyDone):
            self.outcomes.add_partly_done(batches[0], frame, now)
        elif isinstance(frame, CommandKilled) or (slot.is_over_limit and isinstance(frame, BatchErrored)):
            report = command_crash_report(slot, batches[0], frame, others_busy=self._others_busy(slot))
            self.outcomes.add_crashed(batches[0], report, {}, now)
            _log_crash(batches[0], report)
        else:
            self.outcomes.add_failed(batches[0], frame, now)

    def on_exit(self, slot: SlotProcess, ended: SlotExit) -> None:
        """Add the batch that an ended slot was running as crashed; its other batches never ran and go to other slots.

        Args:
            ended: How it ended.
        """
        now = monotonic()
        batches = list(slot.held)
        slot.held.clear()
        self.marks.remove(slot)
        self._assigner.release(slot)
        if slot.killed_for == "fenced":
            return
        if slot.killed_for not in {"stopping", "lost"}:
            # The outcomes of the batches before it are known: the slot had sent them, or left them on its page.
            place = slot.page.seq - slot.first
            if 0 <= place < len(batches):
                crashed = batches.pop(place)
                report = slot_crash_report(slot, ended, crashed, now, others_busy=self._others_busy(slot))
                results = {}
                if slot.kind_of(crashed) == HandlerKind.ITEM:
                    results = {**(slot.item_results if place == 0 else {}), **slot.page.results()}
                self.outcomes.add_crashed(crashed, report, results, now)
                _log_crash(crashed, report)
            elif not slot.is_retired and slot.kinds is not None:
                _log.warning(log_names.SLOT_EXITED_IDLE, pid=slot.pid, wait_status=ended.wait_status)
        lost = self._lost.intersection(batch.key for batch in batches)
        self._lost -= lost
        batches = [batch for batch in batches if batch.key not in lost]
        if self._is_closed:
            self.outcomes.add_returned(batches, now)
        else:
            self._waiting.put_back(batches)

    def _others_busy(self, slot: SlotProcess) -> bool:
        return any(other.held for other in self._slots or () if other is not slot)

    def close(self) -> None:
        """Give back the waiting batches, and from now on every batch that did not run."""
        self._is_closed = True
        self.outcomes.add_returned(self._waiting.take_all(), monotonic())

    def keys(self) -> list[BatchKey]:
        """List the batches whose outcome is not known yet."""
        held = [batch.key for slot in self._slots or () for batch in slot.held]
        return held + [batch.key for batch in self._waiting]

    def drop(self, keys: set[BatchKey]) -> None:
        """Drop batches that no longer belong to this worker.

        Args:
            keys: The batches.
        """
        self.outcomes.drop(keys.intersection(self.keys()))
        self._waiting.remove(keys)
        for slot in self._slots or ():
            lost = keys.intersection(batch.key for batch in slot.held)
            if lost:
                self._lost |= lost
                slot.kill(reason="lost")

    def drop_all(self) -> None:
        """Drop all batches and kill the slots: the worker was declared lost. What has ended is reported as late."""
        if self._slots is not None:
            self._slots.kill("fenced")
        self._waiting.take_all()
        self.marks.clear()
        self.outcomes.drop_all()

    @property
    def held(self) -> int:
        """Batches whose outcome is not known yet."""
        return sum([len(slot.held) for slot in self._slots or ()]) + len(self._waiting)

    @property
    def busy(self) -> int:
        """How many slots hold a batch."""
        return sum(1 for slot in self._slots or () if slot.held)

    def room(self, now: float) -> Room:
        """Return what could run besides what is held.

        Args:
            now: The monotonic clock.
        """
        slots = [] if self._slots is None else list(self._slots)
        working = [] if self._slots is None else self._slots.working
        waiting = len(self._waiting)
        is_reserved = self._assigner.is_reserved
        empty = 0 if is_reserved else sum(1 for slot in working if not slot.held)
        expected_s = self.pacing.expected_s
        return Room(
            slots=len(working),
            idle=max(0, empty - waiting),
            held=sum([len(slot.held) for slot in slots]) + waiting,
            held_s=sum([slot.expected_s for slot in slots])
            + sum([expected_s(batch.job_id) for batch in self._waiting]),
            is_reserved=is_reserved,
            takes_alone=self._slots is not None and self._assigner.takes_alone(self._slots, now),
            run_s=self.pacing.run_s,
            batch_bytes=self.pacing.batch_bytes,
        )


def _log_crash(batch: ClaimedBatch, report: dict[str, Any]) -> None:
    facts = {name: value for name, value in report.items() if not name.endswith(("stderr", "traceback"))}
    _log.error(log_names.SLOT_CRASHED, job_id=batch.job_id, batch_no=batch.batch_no, attempt=batch.attempt, **facts)
