"""An act on the queue: what it does step by step, how far it is, and what became of it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from threading import Lock
from typing import TYPE_CHECKING, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.errors import EvtrackError
from evtrack.storage.connection.connect import connect
from evtrack.storage.queue.workers import bound_waits

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable

    from evtrack.storage.connection.connect import Connection

_LOCK: Final = "10s"
"""How long a statement of an act may wait for a lock, such as the job's."""

_NOTES: Final = 20

_log = structlog.get_logger()


class ActState(StrEnum):
    """How far an act is."""

    WAITING = "waiting"
    RUNNING = "running"
    STOPPING = "stopping"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


ENDED: Final = frozenset({ActState.DONE, ActState.STOPPED, ActState.FAILED})


@dataclass(frozen=True, slots=True)
class Step:
    """A committed part of an act.

    Args:
        changed: How many batches or items it changed.
        notes: What else happened, a sentence each.
    """

    changed: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a user asks for.

    Args:
        key: Equal orders have equal ones: while one of them is under way, it stands for the others.
        title: Names it.
        user: Who asks; empty where nobody can be told from another.
        job_id: The job.
        expected: How many batches or items it will change.
        noun: What they are, for one of them.
        dsn: The database, as a role that may act.
        steps: Does it, a transaction each; closed where it is to stop.
        result: Writes what was done, from how many were changed.
        statement_s: How long a statement may run.
        can_stop: Whether it can be stopped between two steps.
        on_end: Called with its report when it has ended.
    """

    key: Hashable
    title: str
    user: str
    job_id: int
    expected: int
    noun: str
    dsn: str
    steps: Callable[[Connection], Generator[Step]]
    result: Callable[[int], str]
    statement_s: int
    can_stop: bool
    on_end: Callable[[ActReport], None]


@dataclass(frozen=True, slots=True)
class ActReport:
    """An act at a moment.

    Args:
        number: Its number.
        title: Names it.
        user: Who asked for it.
        job_id: The job.
        state: How far it is.
        noun: What it changes, for one of them.
        expected: How many it was to change.
        changed: How many it has changed.
        asked_at: When it was asked for, by this machine's clock.
        begun_at: When it began.
        ended_at: When it ended.
        result: What was done; empty before the end.
        error: Why it failed, and what to do next; empty if it did not.
        notes: What else happened.
        can_stop: Whether it can still be stopped.
    """

    number: int
    title: str
    user: str
    job_id: int
    state: ActState
    noun: str
    expected: int
    changed: int
    asked_at: datetime
    begun_at: datetime | None
    ended_at: datetime | None
    result: str
    error: str
    notes: tuple[str, ...]
    can_stop: bool

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ENDED


class QueueAct:
    """An act, which one thread runs, and others look at or stop.

    Args:
        number: Its number.
        order: What it does.
    """

    def __init__(self, number: int, order: Order) -> None:
        self.number, self.order = number, order
        self._lock = Lock()
        self._state = ActState.WAITING
        self._changed = 0
        self._notes: tuple[str, ...] = ()
        self._error = ""
        self._asked_at = datetime.now(UTC)
        self._begun_at: datetime | None = None
        self._ended_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._state in ENDED

    def report(self) -> ActReport:
        """Return how far it is."""
        with self._lock:
            is_over, order = self._state in ENDED, self.order
            return ActReport(
                number=self.number,
                title=order.title,
                user=order.user,
                job_id=order.job_id,
                state=self._state,
                noun=order.noun,
                expected=order.expected,
                changed=self._changed,
                asked_at=self._asked_at,
                begun_at=self._begun_at,
                ended_at=self._ended_at,
                result=order.result(self._changed) if is_over and (self._changed or not self._error) else "",
                error=self._error,
                notes=self._notes,
                can_stop=self._state == ActState.WAITING or (self._state == ActState.RUNNING and order.can_stop),
            )

    def run(self) -> None:
        """Do it, on a connection of its own; whatever happens is in its report."""
        with self._lock:
            if self._state != ActState.WAITING:
                return
            self._state, self._begun_at = ActState.RUNNING, datetime.now(UTC)
        state, error = ActState.DONE, ""
        try:
            state = self._take_steps()
        except EvtrackError as failure:
            state, error = ActState.FAILED, str(failure)
        except Exception as failure:  # noqa: BLE001  a defect of one act must not end the others
            _log.error(log_names.WEB_ERROR, topic=f"act/{self.number}", exc_info=failure)
            state, error = ActState.FAILED, "An unexpected error occurred. The log of evtrack web has the details."
        self._end(state, error)

    def stop(self) -> None:
        """Stop it after the step that is under way; what is done stays done."""
        with self._lock:
            if self._state == ActState.RUNNING and self.order.can_stop:
                self._state = ActState.STOPPING
            if self._state != ActState.WAITING:
                return
        self._end(ActState.STOPPED, "")

    def _take_steps(self) -> ActState:
        order = self.order
        with connect(order.dsn, purpose=f"web {order.user}".rstrip()) as conn:
            bound_waits(conn, lock=_LOCK, statement=f"{order.statement_s}s", answer_s=2 * order.statement_s)
            with closing(order.steps(conn)) as steps:
                for step in steps:
                    with self._lock:
                        self._changed += step.changed
                        self._notes = (*self._notes, *step.notes)[:_NOTES]
                        if self._state == ActState.STOPPING:
                            return ActState.STOPPED
        return ActState.DONE

    def _end(self, state: ActState, error: str) -> None:
        with self._lock:
            if self._state in ENDED:
                return
            self._state, self._error, self._ended_at = state, error, datetime.now(UTC)
        self.order.on_end(self.report())
