"""Commits chunks, in a thread of its own where the connection is ours."""

import time
from concurrent.futures import Future, ThreadPoolExecutor

from evtrack.domain.errors import TransientError
from evtrack.storage.connection.connect import Connection
from evtrack.storage.submission.job import add_chunk, wake_workers
from evtrack.storage.submission.open_job import Chunk, OpenJob

# A deadlock or a serialization failure is tried again, each time a little later.
_ATTEMPTS = 5
_PAUSE_S = 0.05
# A handler's workers are woken at most once in this time.
_WAKE_EVERY_S = 0.010


class ChunkWriter:
    """Write one chunk after the other, each in a transaction.

    Args:
        connection: Where to.
        job: The job.
        in_background: Read on while the database works. Not on a caller's connection, which the caller's iterable may
            be using meanwhile.
        in_callers_transaction: Commit nothing, and wake nobody before the caller commits.
    """

    def __init__(
        self, *, connection: Connection, job: OpenJob, in_background: bool, in_callers_transaction: bool = False
    ) -> None:
        self._conn = connection
        self._job = job
        self._joined = in_callers_transaction
        self._written = job.batch_count
        self.ahead = 0
        """How many numbers batches that were split meanwhile have taken, when last seen."""
        self._woken_at = float("-inf")
        self._untold = False
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="evtrack-submit") if in_background else None
        self._running: Future[None] | None = None

    def send(self, chunk: Chunk) -> None:
        """Write a chunk, after the one before it.

        Args:
            chunk: The chunk.

        Raises:
            EvtrackError: This chunk, or the one before it, was not committed.
        """
        self.drain()
        if self._pool is None:
            self._write(chunk)
        else:
            self._running = self._pool.submit(self._write, chunk)

    def drain(self) -> None:
        """Wait until all that was sent is committed.

        Raises:
            EvtrackError: It was not.
        """
        running, self._running = self._running, None
        if running is not None:
            running.result()

    def close(self) -> None:
        """Let the chunk that is being written end."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)

    def wake(self) -> None:
        """Tell the handler's workers of the work that they have not been told of."""
        if self._untold:
            wake_workers(self._conn, self._job.handler)
            self._woken_at = time.monotonic()
            self._untold = False

    def _write(self, chunk: Chunk) -> None:
        if self._joined:
            self._add(chunk)
            self._untold = self._untold or bool(chunk.item_counts)
            return
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._add(chunk)
                break
            except TransientError as error:
                if error.connection_lost or attempt == _ATTEMPTS:
                    raise
                time.sleep(_PAUSE_S * attempt)
        # After the commit and in a statement of its own: NOTIFY in a transaction holds a lock over the fsync.
        self._untold = self._untold or bool(chunk.item_counts)
        if time.monotonic() - self._woken_at >= _WAKE_EVERY_S:
            self.wake()

    def _add(self, chunk: Chunk) -> None:
        last_batch_no = add_chunk(self._conn, self._job, chunk)
        self._written += len(chunk.item_counts)
        self.ahead = last_batch_no - self._written
