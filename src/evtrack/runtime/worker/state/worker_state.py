"""A worker's side of the state directory: it keeps its own part there, and reports the workers that died."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from evtrack.domain import log_names
from evtrack.domain.errors import EvtrackError
from evtrack.domain.ordinals import Ordinals
from evtrack.runtime.worker.state.batches_at_death import BatchOnPage, batches_at_death, batches_on_page
from evtrack.runtime.worker.state.evidence import evidence
from evtrack.runtime.worker.state.remains import OLD_S, Remains, locked_remains, remains_of
from evtrack.runtime.worker.state.state_directory import StateDirectory
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.queue.dead_workers import database_identity, left_batches, worker_state
from evtrack.storage.queue.job_control import wake_watchers, wake_workers
from evtrack.storage.queue.workers import BatchAtDeath, bound_waits, finish_overdue, report_death

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from evtrack.runtime.worker.state.description import WorkerDescription

LOOK_S: Final = 1.0
"""How often a worker looks for workers that died."""

_SLOT_ENDS_S: Final = 5.0
"""How long the slots of a dead worker may take to end; what outlives them keeps their page open."""

_START_S: Final = 3.0
"""How long a worker tries before it starts: a session ends within milliseconds after its process."""

_RETRY_S: Final = 0.1
_COMMITTED_S: Final = 5.0
"""How long after a slot's end its outcomes may take to be committed while the database can be reached."""

_REFUSED_S: Final = 60.0
_NOT_OURS_S: Final = 60.0
_TOUCH_S: Final = 60.0

_log = structlog.get_logger()


class SlotAtDeath(NamedTuple):
    """What a slot left.

    Args:
        pid: Its process; 0 when it is not known.
        batches: Its batches.
    """

    pid: int
    batches: list[BatchOnPage]


class WorkerState:
    """Keeps this worker's directory, looks for those that nobody holds, reports their workers and removes them.

    Args:
        base: The state directory, which many workers may share.
        previous_exit: How the worker before this one ended, as their parent reports it; empty when it does not.
    """

    def __init__(self, base: Path, *, previous_exit: str = "") -> None:
        self._state = StateDirectory(base)
        self.new_page = self._state.new_page
        """Creates the shared page of a slot."""
        self._database = ""
        self._previous_exit = previous_exit
        self._seen_at: dict[Path, float] = {}
        self._retry_at: dict[Path, float] = {}
        self._look_at = self._touch_at = 0.0

    def identify(self, connection: Connection) -> str:
        """Return which database a connection is to; asks once."""
        self._database = self._database or database_identity(connection)
        return self._database

    def record_registration(self, connection: Connection, worker_id: int) -> None:
        """Record this worker's id, before it holds a batch.

        Args:
            connection: Any connection to its database.
            worker_id: The id.
        """
        self._state.describe(worker_id=worker_id, database=self.identify(connection))

    def open(self) -> bool:
        """Create the own directory.

        Returns:
            Whether workers have left something here.
        """
        self._state.open()
        return bool(remains_of(self._state.base, own=self._state.name))

    def report_predecessors(self, dsn: str) -> None:
        """Report the workers that died here: what is not settled within some seconds is for `run_due`.

        Args:
            dsn: The database.
        """
        deadline = time.monotonic() + _START_S
        try:
            with connect(dsn, purpose="report of a dead worker") as connection:
                bound_waits(connection)
                while self.report(lambda: connection, None, time.monotonic()) and time.monotonic() < deadline:
                    time.sleep(_RETRY_S)
        except EvtrackError as error:
            _log.warning(log_names.PREDECESSOR_NOT_REPORTED, directory=str(self._state.base), error=str(error))

    def close(self) -> None:
        """Remove the own directory: nothing is in hand any more. A second call does nothing."""
        self._state.close()

    def run_due(self, connected: Callable[[], Connection], reporter: int, now: float) -> None:
        """Look, once a second.

        Args:
            connected: Returns a connection, outside of a transaction; called only if a worker has died here.
            reporter: This worker.
            now: The monotonic clock.

        Raises:
            TransientError: The connection is lost.
        """
        if now >= self._touch_at:
            self._touch_at = now + _TOUCH_S
            self._state.touch()
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            self._state.remove_closed(now - _COMMITTED_S)
            self.report(connected, reporter, now)

    def report(self, connected: Callable[[], Connection], reporter: int | None, now: float) -> bool:
        """Report every worker of this database that died here.

        Args:
            connected: Returns a connection, outside of a transaction; called only if a worker has died here.
            reporter: This worker; None before it is registered.
            now: The monotonic clock.

        Returns:
            Whether one is left that may soon be reported.

        Raises:
            TransientError: The connection is lost.
        """
        paths = remains_of(self._state.base, own=self._state.name)
        self._seen_at = {path: self._seen_at.get(path, now) for path in paths}
        self._retry_at = {path: at for path, at in self._retry_at.items() if path in self._seen_at}
        is_pending = False
        for path in paths:
            if now < self._retry_at.get(path, 0.0):
                continue
            with locked_remains(path) as remains:
                if remains is None:
                    continue
                try:
                    is_pending |= not self._report_one(connected, reporter, remains, now)
                except EvtrackError as error:
                    if error.connection_lost:
                        raise
                    self._retry_at[path] = now + _REFUSED_S
                    _log.warning(log_names.PREDECESSOR_NOT_REPORTED, directory=str(path), error=str(error))
        return is_pending

    def _identified(self, connected: Callable[[], Connection]) -> str:
        return self._database or self.identify(connected())

    def _report_one(
        self, connected: Callable[[], Connection], reporter: int | None, remains: Remains, now: float
    ) -> bool:
        """Report one worker, and return whether that is settled."""
        worker = remains.description()
        if worker is None or time.time() - remains.touched_at > OLD_S:
            why = "its description cannot be read" if worker is None else "it is older than 7 days"
            _log.warning(log_names.PREDECESSOR_DISCARDED, directory=str(remains.path), why=why)
            remains.remove()
            return True
        if not worker.is_of_this_host or (worker.worker_id and worker.database != self._identified(connected)):
            self._retry_at[remains.path] = now + _NOT_OURS_S
            return True
        connection = connected()
        if not worker.worker_id or not worker_state(connection, worker.worker_id, host=worker.host, pid=worker.pid):
            remains.remove()  # it held nothing yet, or its batches are not in the database any more
            return True
        slots = remains.read_pages(lambda page: SlotAtDeath(page.slot_pid, batches_on_page(page)))
        if slots is None and now - self._seen_at[remains.path] < _SLOT_ENDS_S:
            return False
        return self._report_worker(connection, reporter, remains, worker, slots or [])

    def _report_worker(
        self,
        connection: Connection,
        reporter: int | None,
        remains: Remains,
        worker: WorkerDescription,
        slots: Sequence[SlotAtDeath],
    ) -> bool:
        # What a page holds after a restart of the host is from before its last moments: only some of it was written.
        found = [batch for slot in slots for batch in slot.batches] if worker.is_of_this_boot else []
        batches = self._with_ordinals(connection, worker.worker_id, found)
        facts = evidence(
            worker,
            pids={slot.pid for slot in slots if slot.pid},
            base=self._state.base,
            previous_exit=self._previous_exit,
        )
        report_death(connection, dead_worker=worker.worker_id, reporter=reporter, facts=facts, batches=batches)
        known = worker_state(connection, worker.worker_id, host=worker.host, pid=worker.pid)
        if known is None or known.state not in {"lost", "stopped"}:
            return known is None  # its session is still open
        # It is about one worker: the one that this process replaces.
        self._previous_exit = ""
        remains.remove()
        _log.warning(
            log_names.PREDECESSOR_REPORTED,
            dead_worker_id=worker.worker_id,
            why=facts["why"],
            batches=len(batches),
            in_hand=sum(1 for batch in batches if batch.in_hand is not None),
            items_done=sum(len(Ordinals.parse(batch.done)) for batch in batches if batch.done),
        )
        for handler in known.handlers:
            wake_workers(connection, handler)
        wake_watchers(connection)
        # A batch whose budget is used up, or that was completed, may have been the last one of its job.
        for job_id in finish_overdue(connection):
            _log.info(log_names.JOB_FINISHED, job_id=job_id)
        return True

    @staticmethod
    def _with_ordinals(connection: Connection, dead_worker: int, found: Sequence[BatchOnPage]) -> list[BatchAtDeath]:
        if not found:
            return []
        ordinals = left_batches(connection, dead_worker, [batch.key for batch in found])
        return batches_at_death(found, ordinals)
