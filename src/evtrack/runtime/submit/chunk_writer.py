"""Commits chunks, in a separate thread if the connection is evtrack's own."""

import time
from concurrent.futures import Future, ThreadPoolExecutor

from evtrack.runtime.submit.job_session import JobSession
from evtrack.storage.queue.job_control import wake_workers
from evtrack.storage.submission.open_job import Chunk, OpenJob, add_chunk

# The shortest time between two wake-ups of a handler's workers.
_WAKE_EVERY_S = 0.010


class ChunkWriter:
    """Writes chunks one by one, each in a transaction.

    Args:
        session: The connection to write to.
        in_background: Read on while the database works. Not on a caller's connection: the caller's iterable may use it
            at the same time.
        in_callers_transaction: Neither commit nor wake workers; the caller does.
    """

    def __init__(
        self, *, session: JobSession, job: OpenJob, in_background: bool, in_callers_transaction: bool = False
    ) -> None:
        self._session = session
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
            wake_workers(self._session.connection, self._job.handler)
            self._woken_at = time.monotonic()
            self._wake_due = False

    def _write(self, chunk: Chunk) -> None:
        if self._joined:
            last_batch_no = add_chunk(self._session.connection, self._job, chunk)
        else:
            last_batch_no = self._session.append(chunk)
        self._written += len(chunk.item_counts)
        self.ahead = last_batch_no - self._written
        self._wake_due = self._wake_due or bool(chunk.item_counts)
        # After the commit, as a separate statement: NOTIFY inside a transaction holds a lock during the fsync.
        if not self._joined and time.monotonic() - self._woken_at >= _WAKE_EVERY_S:
            self.wake()
