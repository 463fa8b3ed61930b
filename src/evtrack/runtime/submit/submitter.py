"""Submits a source as a job: reads, batches, commits chunk by chunk, seals."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING, Final, Protocol

from evtrack.domain.batching import Batcher, ItemRejected
from evtrack.domain.errors import EvtrackError, JobPhaseError, NoSuchJob, SourceChanged, SubmissionLost
from evtrack.runtime.submit.chunk_writer import ChunkWriter
from evtrack.runtime.submit.chunks import CHUNK_BATCHES, ChunkBuilder
from evtrack.runtime.submit.job_session import JobSession
from evtrack.runtime.submit.notes import Notes
from evtrack.runtime.submit.progress import Submission, SubmitProgress
from evtrack.runtime.submit.recipe import Recipe
from evtrack.runtime.submit.source_position import SourcePosition
from evtrack.runtime.submit.throttle import MAX_WAIT_S, Throttle
from evtrack.sources.item_reader import InvalidItemError, ItemReader
from evtrack.sources.parts import Part
from evtrack.sources.records import InvalidItem, Record
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.patience import Patience
from evtrack.storage.queue.job_control import finish_due
from evtrack.storage.submission.open_job import OpenJob, pending_batches, seal_job

if TYPE_CHECKING:
    from evtrack.storage.submission.payload_copy import StoredItem

_REPORT_EVERY_S: Final = 0.1


class Source(Protocol):
    """Where items come from."""

    def parts(self, *, head: str | None = None) -> Iterator[Part]:
        """Yield the source's files in an order that does not change."""
        ...


class Submitter:
    """Submits one job.

    Args:
        connection: Holds the job's submission; nothing else may use it at the same time. After it was lost, another one
            is opened if `patience` is given.
        job: The job, new or resumed.
        source: Where the items come from.
        recipe: How they become batches.
        max_pending: How many batches of the handler may be pending before the submitter waits; None never waits.
        max_wait_s: How long it waits at a time.
        overlap: Read in this thread while another one writes; not if the source uses the connection too.
        in_callers_transaction: Commit nothing.
        on_progress: Called with the progress, a few times a second at most.
        key_of: Returns the key of the item on a line, instead of the recipe's fields.
        arrays: Whether an item may be an array.
        patience: How long the database may be away; None if the connection is the caller's own.
    """

    def __init__(
        self,
        *,
        connection: Connection,
        job: OpenJob,
        source: Source,
        recipe: Recipe,
        max_pending: int | None = None,
        max_wait_s: float = MAX_WAIT_S,
        overlap: bool = True,
        in_callers_transaction: bool = False,
        on_progress: Callable[[SubmitProgress], None] = lambda _: None,
        key_of: Callable[[int], str | None] | None = None,
        arrays: bool = False,
        patience: Patience | None = None,
    ) -> None:
        self._job, self._source, self._on_progress = job, source, on_progress
        self._stop = Event()
        self._session = session = JobSession(connection=connection, job=job, stop=self._stop, patience=patience)
        self._reader = ItemReader(key=recipe.key, weight=recipe.weight, arrays=arrays, key_of=key_of)
        self._start = SourcePosition.of(job.position)
        self._reached = self._start
        self._batcher: Batcher[StoredItem] = Batcher(
            recipe.limits, last_key=self._start.last_key, run_refused=self._start.run_refused
        )
        self._throttle = None
        if max_pending is not None:
            self._throttle = Throttle(
                pending=lambda: session.call(lambda conn: pending_batches(conn, job.handler)),
                max_pending=max_pending,
                max_wait_s=max_wait_s,
                stop=self._stop,
            )
        # A chunk must fit into the queue, preferably before the queue runs empty.
        most = CHUNK_BATCHES if max_pending is None else max(1, min(max_pending // 2, CHUNK_BATCHES))
        self._chunk = ChunkBuilder(job, max_batches=most)
        # Notes of invalid items after the first item of the open batch: a resumed submission reads them again.
        self._pending_notes = Notes()
        self._invalid = job.invalid_count
        self._bytes_read = job.bytes_read
        self._sent = Submission(job.job_id, job.item_count, job.invalid_count, job.batch_count, job.bytes_read)
        self._joined = in_callers_transaction
        self._reported_at = float("-inf")
        self._writer = ChunkWriter(
            session=session, job=job, in_background=overlap, in_callers_transaction=in_callers_transaction
        )

    @property
    def job_id(self) -> int:
        """The job."""
        return self._job.job_id

    def stop(self) -> None:
        """Stop soon; callable from any thread. What is committed stays, and the submission can be resumed."""
        self._stop.set()

    def run(self) -> Submission:
        """Submit the whole source.

        Returns:
            What was submitted.

        Raises:
            QueueFull: The queue stayed full for too long.
            SourceChanged: The source has changed since the job was created.
            EvtrackError: The database refused; the job stays open.
        """
        try:
            for index, part in self._parts():
                self._submit(part, index)
                if self._stop.is_set():
                    break
            else:
                self._seal()
            self._writer.drain()
        except (NoSuchJob, JobPhaseError, SubmissionLost, SourceChanged):
            raise
        except EvtrackError as error:
            resume = f"The job is still open; resume it with: evtrack submit --resume {self._job.job_id}"
            error.hint = f"{error.hint} {resume}" if error.hint else resume
            raise
        finally:
            self._stop.set()  # nothing waits for the database any longer
            self._writer.close()
            if not self._joined:
                self._session.release()
        return self._sent

    def _parts(self) -> Iterator[tuple[int, Part]]:
        start = self._start
        for index, part in enumerate(self._source.parts(head=start.head)):
            if index == start.part and start.name not in (None, part.name):
                raise SourceChanged(part.name, reason=f"the job has read {start.name} so far")
            if index >= start.part:
                yield index, part

    def _submit(self, part: Part, index: int) -> None:
        here = index == self._start.part
        before: Record = (self._start.line, b"", self._start.offset) if here else (0, b"", 0)
        for group in part.records(offset=before[2], line=before[0] or 0):
            if group:
                if not self._take_all(part, index, group, before):
                    self._take_each(part, index, group, before)
                before = group[-1]
            self._bytes_read = max(self._bytes_read, part.bytes_read)
            if self._chunk.is_due:
                self._send(part)
            self._report()
            if self._stop.is_set():
                return
        self._bytes_read = max(self._bytes_read, part.bytes_read)
        if last := self._batcher.flush():
            self._chunk.add([last])
        self._advance(self._after(index + 1, None, 0, 0))
        if self._chunk.is_due:
            self._send(part)

    def _take_all(self, part: Part, index: int, group: list[Record], before: Record) -> bool:
        """Add a group of valid items at once; return whether that is possible. `before` is the record before it."""
        lines, items, _ = zip(*group, strict=True)
        read = self._reader.read_all(items, part.name, lines)
        if read is None:
            return False
        keys, weights = read
        added, key_before = -len(self._batcher), self._batcher.last_key
        closed = self._batcher.extend(
            list(zip(lines, keys, items, strict=True)), keys=keys, weights=weights, sizes=list(map(len, items))
        )
        if closed is None:
            return False
        while closed and not self._stop.is_set():
            room = self._chunk.room
            added += self._chunk.add(closed[:room])
            closed = closed[room:]
            # Everything before the item that started another batch can be committed.
            line, _, offset = group[added - 1] if added else before
            key = keys[added - 1] if added else key_before
            self._advance(SourcePosition(index, part.name, offset, line, key))
            if self._chunk.is_full:
                self._send(part)
        return True

    def _take_each(self, part: Part, index: int, group: list[Record], before: Record) -> None:
        """Add the valid items of a group one by one, and note the others."""
        line, _, offset = before
        for record in group:
            key_before = self._batcher.last_key
            if self._take(part, record):
                # The record started another batch, so everything before it can be committed.
                self._advance(SourcePosition(index, part.name, offset, line, key_before))
                if self._chunk.is_full:
                    self._send(part)
            line, _, offset = record
            if self._batcher.is_empty:
                self._advance(self._after(index, part.name, offset, line))

    def _take(self, part: Part, record: Record) -> bool:
        """Add a record; return whether it closed the previous batch."""
        line, item, _ = record
        key = None
        try:
            if isinstance(item, InvalidItem):
                raise InvalidItemError(item.reason)  # noqa: TRY301  # both kinds of invalid items are handled alike
            key, weight = self._reader.read(item, part.name, line)
            closed = self._batcher.add((line, key, item), key=key, weight=weight, size=len(item))
        except (InvalidItemError, ItemRejected) as refusal:
            for taken_line, taken_key, _ in getattr(refusal, "taken_back", ()):
                self._note(part, taken_line, refusal.reason, taken_key)
            self._note(part, line, refusal.reason, key)
            return False
        if closed is None:
            return False
        self._chunk.add([closed])
        return True

    def _note(self, part: Part, line: int | None, reason: str, key: str | None) -> None:
        self._invalid += 1
        self._pending_notes.add(part=part.name, line=line, reason=reason, key=key)

    def _advance(self, reached: SourcePosition) -> None:
        """Move the position from which a submission may resume: no batch before it is open."""
        self._reached = reached
        self._pending_notes.move_to(self._chunk.notes)

    def _after(self, part: int, name: str | None, offset: int, line: int | None) -> SourcePosition:
        return SourcePosition(part, name, offset, line, self._batcher.last_key, run_refused=self._batcher.run_refused)

    def _send(self, part: Part | None) -> None:
        if self._throttle and len(self._chunk):
            self._writer.drain()
            self._throttle.wait(len(self._chunk), self._report)
            if self._stop.is_set():
                return
        reached = self._reached
        head = part.fingerprint(reached.offset) if part and reached.name else None
        sent = self._sent
        chunk = self._chunk.take(position=reached.stored(head), bytes_read=self._bytes_read)
        self._writer.send(chunk)
        self._chunk.ahead = self._writer.ahead
        self._sent = replace(
            sent,
            items=self._chunk.items,
            invalid=sent.invalid + chunk.invalid,
            batches=self._chunk.batches,
            bytes_read=self._bytes_read,
        )

    def _seal(self) -> None:
        if len(self._chunk) or self._chunk.notes.total:
            self._send(None)
        if self._stop.is_set():
            return
        self._writer.drain()
        job = self._job
        if self._joined:
            seal_job(self._session.connection, job)
            finish_due(self._session.connection, job.job_id)
        else:
            self._session.call(lambda conn: seal_job(conn, job))
            self._session.call(lambda conn: finish_due(conn, job.job_id))
        self._writer.wake()
        self._sent = replace(self._sent, bytes_read=self._bytes_read, sealed=True)
        self._report(0.0, 0, last=True)

    def _report(self, waited_s: float = 0.0, pending: int = 0, *, last: bool = False) -> None:
        now = time.monotonic()
        if last or now - self._reported_at >= _REPORT_EVERY_S:
            self._reported_at = now
            figures = (self._chunk.items, self._invalid, self._chunk.batches, self._bytes_read, self._job.bytes_total)
            self._on_progress(SubmitProgress(self._job.job_id, *figures, waited_s, pending))
