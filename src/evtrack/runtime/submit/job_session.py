"""The connection of a submission: it is opened again, and the job taken over again, after it was lost."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from evtrack.domain.database_errors import CannotConnect, PermissionDenied, ReadOnly
from evtrack.domain.errors import EvtrackError, JobPhaseError, NoSuchJob, SubmissionLost
from evtrack.storage.connection.connect import Connection, reconnect
from evtrack.storage.connection.patience import Patience
from evtrack.storage.submission.open_job import OpenJob, add_chunk, reclaim_job, unlock_submission

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from threading import Event

    from evtrack.storage.submission.open_job import Chunk

T = TypeVar("T")

_CALLERS_PATIENCE_S: Final = 1.0
"""A connection of the caller's is not opened again: only deadlocks and serialization failures are worth a wait."""


class JobSession:
    """Runs the statements of a submission.

    Args:
        connection: Holds the submission; nothing else may use it at the same time.
        job: The job.
        stop: Ends waiting.
        patience: How long the database may be away; None if the connection is the caller's own.
    """

    def __init__(self, *, connection: Connection, job: OpenJob, stop: Event, patience: Patience | None) -> None:
        self._conn, self._job, self._stop = connection, job, stop
        self._patience = patience or Patience(limit_s=_CALLERS_PATIENCE_S, waits_at_start=True)
        self._patience.answered()  # to the creation of the job
        self._reopens = patience is not None
        self._was_reopened = self._is_lost = self._has_written = False
        self._position, self._items = job.position, job.item_count

    @property
    def connection(self) -> Connection:
        """The connection, as it is now."""
        return self._conn

    def call(self, statement: Callable[[Connection], T]) -> T:
        """Run a statement that may run twice.

        Args:
            statement: Runs it on the connection that it is given.

        Returns:
            What it returns.

        Raises:
            EvtrackError: The database refused, or stayed away.
        """
        return self._retried(lambda: statement(self._conn), lambda _: None)

    def append(self, chunk: Chunk) -> int:
        """Append a chunk, once.

        Returns:
            The number of the job's last batch.

        Raises:
            SubmissionLost: Another submitter took the job over, or a failover lost earlier chunks.
            EvtrackError: The database refused, or stayed away.
        """
        items = self._items + sum(chunk.item_counts)

        def if_committed(found: OpenJob) -> int | None:
            if _same(found, chunk.position, items):
                return found.batch_count
            if _same(found, self._position, self._items):
                return None
            raise SubmissionLost(
                f"job {self._job.job_id} is not as this submitter left it: a failover lost what was submitted last, or "
                "another submitter continued it",
                hint=f"If no other process submits it, continue with: evtrack submit --resume {self._job.job_id}",
            )

        last_batch_no = self._retried(lambda: add_chunk(self._conn, self._job, chunk), if_committed)
        self._position, self._items = dict(chunk.position), items
        self._has_written = True
        return last_batch_no

    def release(self) -> None:
        """Give up the submission; a connection that was opened here is closed."""
        if self._was_reopened:
            self._conn.close()
            return
        # An interrupted statement may leave a connection that is of no use; closing it releases the job.
        with suppress(EvtrackError):
            unlock_submission(self._conn, self._job.job_id)

    def _retried(self, operation: Callable[[], T], if_done: Callable[[OpenJob], T | None]) -> T:
        while True:
            try:
                if self._is_lost:
                    found = self._take_over()
                    done = None if found is None else if_done(found)
                    if done is not None:
                        self._patience.answered()
                        return done
                result = operation()
            except EvtrackError as error:
                self._wait(error)
            else:
                self._patience.answered()
                return result

    def _take_over(self) -> OpenJob | None:
        """Connect again, and show again that the job has a submitter; return it unless it is open no more."""
        conn = reconnect(self._conn)
        if conn is None:
            raise CannotConnect("The connection to the database was lost.")
        self._conn, self._was_reopened = conn, True
        found: OpenJob | None = None
        with suppress(JobPhaseError):
            try:
                found = reclaim_job(conn, self._job.job_id, submitter=self._job.submitter)
            except NoSuchJob as error:
                gone = f"job {self._job.job_id} is not in the database any more: a failover lost it"
                raise NoSuchJob(gone, hint="Submit it again.") from error
            except SubmissionLost as error:
                # The server may notice only by its keep-alives that the lost session is gone.
                raise CannotConnect(error.message, hint=error.hint) from error
        self._is_lost = False
        return found

    def _wait(self, error: EvtrackError) -> None:
        is_gone = error.connection_lost or isinstance(error, CannotConnect | ReadOnly)
        if is_gone and not self._reopens:
            raise error
        if isinstance(error, PermissionDenied) and not (is_gone or self._has_written):
            raise error
        # A server that takes no writes may not be the primary any more.
        self._is_lost = self._is_lost or is_gone
        self._patience.wait(error, self._stop)


def _same(found: OpenJob, position: Mapping[str, Any] | None, items: int) -> bool:
    # As JSON, because that is how a position is stored.
    return found.item_count == items and found.position == (position and json.loads(json.dumps(dict(position))))
