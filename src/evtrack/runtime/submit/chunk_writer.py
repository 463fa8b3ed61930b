"""Commits chunks, in a separate thread if the connection is evtrack's own."""

import time
from concurrent.futures import Future, ThreadPoolExecutor

from evtrack.domain.database_errors import TransientError
from evtrack.storage.connection.connect import Connection
from evtrack.storage.queue.job_control import wake_workers
from evtrack.storage.submission.open_job import Chunk, OpenJob, add_chunk

# A deadlock or a serialization failure is retried, after a growing pause.
_ATTEMPTS = 5
_PAUSE_S = 0.05
# The shortest time between two wake-ups of a handler's workers.
_WAKE_EVERY_S = 0.010


class ChunkWriter:
    """Writes chunks one by one, each in a transaction.

    Args:
        connection: The connection to write to.
        in_background: Read on while the database works. Not on a caller's connection: the caller's iterable may use it
            at the same time.
        in_callers_transaction: Neither commit nor wake workers; the caller does.
    """

    def __init__(
        self, *, connection: Connection, job: OpenJob, in_background: bool, in_callers_transaction: bool = False
    ) -> None:
        self._conn = connection
        self._job = job
        self._joined = in_callers_transaction
        self._written = job.batch_count
        self.ahead = 0
        """How many batch numbers splits had taken when the last chunk was written."""
        self._woken_at = float("-inf")
        self._wake_due = False
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="evtrack-submit") if in_background else None
        self._running: Future[None] | None = None

    def send(self, chunk: Chunk) -> None:
        """Write a chunk after the previous one.

        Raises:
            EvtrackError: This chunk or the previous one was not committed.
        """
        self.drain()
        if self._pool is None:
            self._write(chunk)
        else:
            self._running = self._pool.submit(self._write, chunk)

    def drain(self) -> None:
        """Wait until every chunk sent is committed.

        Raises:
            EvtrackError: A chunk was not committed.
        """
        running, self._running = self._running, None
        if running is not None:
            running.result()

    def close(self) -> None:
        """Wait for the chunk that is being written."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)

    def wake(self) -> None:
        """Wake the handler's workers if a chunk was committed since the last wake-up."""
        if self._wake_due:
            wake_workers(self._conn, self._job.handler)
            self._woken_at = time.monotonic()
            self._wake_due = False

    def _write(self, chunk: Chunk) -> None:
        if self._joined:
            self._add(chunk)
            self._wake_due = self._wake_due or bool(chunk.item_counts)
            return
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._add(chunk)
                break
            except TransientError as error:
                if error.connection_lost or attempt == _ATTEMPTS:
                    raise
                time.sleep(_PAUSE_S * attempt)
        # After the commit, as a separate statement: NOTIFY inside a transaction holds a lock during the fsync.
        self._wake_due = self._wake_due or bool(chunk.item_counts)
        if time.monotonic() - self._woken_at >= _WAKE_EVERY_S:
            self.wake()

    def _add(self, chunk: Chunk) -> None:
        last_batch_no = add_chunk(self._conn, self._job, chunk)
        self._written += len(chunk.item_counts)
        self.ahead = last_batch_no - self._written
