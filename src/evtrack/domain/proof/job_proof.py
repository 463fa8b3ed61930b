"""Proves one job: its own stream, its batches, the counters, the items, and the digests of its finished events."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from evtrack.domain import events as ev
from evtrack.domain.batch_projection import BatchState, evolve_batch
from evtrack.domain.job_projection import JobState, evolve_job
from evtrack.domain.ordinals import Ordinals
from evtrack.domain.proof.job_hash import JobHash
from evtrack.domain.proof.stream_proof import LINK_BYTES, NO_DIGEST, Difference, StreamProof, display
from evtrack.domain.states import BatchStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from evtrack.domain.stored_event import LoggedEvent, StoredEvent


PAYLOAD_ROWS: Final = "payload rows"
"""The field of a difference about missing items, which are not part of the log and cannot be restored from it."""


@dataclass(frozen=True, slots=True)
class ProjectedStream:
    """The projection of a stream: its row, version and digests; and, of a job, the form of its batches' digests."""

    state: Any
    version: int
    links: bytes | None
    digest_form: int | None = None


@dataclass(slots=True)
class _FinishedDigest:
    """The digest in a finished event, and the same digest computed from the events that its transaction saw."""

    event: StoredEvent
    digest: str
    snapshot: str
    restored_seq: int
    computed: JobHash = field(default_factory=lambda: JobHash(b""))

    def covers(self, xid: int, seq: int) -> bool:
        # If a job continued in another cluster, transactions cannot be compared, but later events have a higher seq.
        if seq >= self.event.seq:
            return False
        if xid == self.event.xid or seq <= self.restored_seq:
            return True
        xmin, xmax, running = self.snapshot.split(":")
        return xid < int(xmin) or (xid < int(xmax) and str(xid) not in running.split(","))


@dataclass(slots=True, kw_only=True)
class JobProof:
    """Checks a job's own stream, then those of its batches by number, and returns the differences.

    Args:
        job_day: Its day, or None if it has no row.
        digest_form: The form of the digests of its batches: that of its row, as these are in rows too; else that of its
            first event.
    """

    job_id: int
    job_day: date | None
    events: int = 0
    job: JobState | None = None
    digest_form: int = 1
    _sums: dict[str, list[int]] = field(default_factory=lambda: {status: [0, 0] for status in BatchStatus})
    _finished_digests: list[_FinishedDigest] = field(default_factory=list)
    _batches: int = 0
    _last_no: int = 0
    _derived: int = 0
    _submitted_items: int = 0
    _next_ordinal: int = 1
    _held_items: int = 0
    _needs_digests: bool = False

    def check_job_stream(
        self, rows: Iterable[LoggedEvent], projected: ProjectedStream | None
    ) -> tuple[StreamProof[JobState], list[Difference]]:
        """Check the job's own stream.

        Args:
            rows: Its events.
            projected: The job's row.

        Returns:
            The stream and the differences; `finish` compares the row, because that needs the number of batches.
        """
        stream = self._stream(0, evolve_job, projected)
        found: list[Difference] = []
        rows = iter(rows)
        first = list(islice(rows, 2))
        # If the first two events agree on the job's day, a row with another day is wrong.
        if first and (self.job_day is None or len({row.job_day for row in first}) == 1):
            row_day, self.job_day = self.job_day, first[0].job_day
            stream.job_day = self.job_day
            if row_day not in {None, self.job_day}:
                found.append(self._difference("job_day", str(self.job_day), str(row_day)))
        for row in chain(first, rows):
            before = stream.last_link
            stored, wrong = stream.check(row)
            found += wrong
            if stored is not None and isinstance(stored.event, ev.Finished) and stored.event.digest is not None:
                event = stored.event
                finished = _FinishedDigest(
                    stored, stored.event.digest, event.snapshot or "0:0:", event.restored_seq or 0, JobHash(before)
                )
                self._finished_digests.append(finished)
            if stored is not None and isinstance(stored.event, ev.Created):
                self.digest_form = stored.event.digest_form or 1
        if projected is not None and projected.digest_form is not None:
            self.digest_form = projected.digest_form
        self.job, self.events = stream.state, self.events + stream.events
        # If the first event has a digest, the job is newer than digests, and so are its batches.
        self._needs_digests = (stream.projected_links or NO_DIGEST)[:LINK_BYTES] != NO_DIGEST
        job_row = stream.projected
        # The row cannot be compared yet: its batch_count is known after the batches.
        stream.projected = stream.state if job_row is not None else None
        found += stream.finish()
        stream.projected = job_row
        return stream, found

    def check_batch_stream(
        self, number: int, rows: Iterable[LoggedEvent], projected: ProjectedStream | None
    ) -> tuple[StreamProof[BatchState], list[Difference]]:
        """Check a batch's stream and its row.

        Args:
            number: The batch.
            rows: Its events.
            projected: Its row.

        Returns:
            The stream and the differences.
        """
        stream = self._stream(number, evolve_batch, projected)
        stream.needs_digests, stream.digest_form = self._needs_digests, self.digest_form
        found: list[Difference] = []
        seen = [0] * len(self._finished_digests)
        for row in rows:
            stored, wrong = stream.check(row)
            found += wrong
            if stored is not None and isinstance(stored.event, ev.Enqueued):
                found += self._check_ordinals(row, stored.event)
            for index, finished in enumerate(self._finished_digests):
                if finished.covers(row.xid, row.seq):
                    seen[index] = len(stream.links)
        for past, finished in zip(seen, self._finished_digests, strict=True):
            if past:
                finished.computed.add(number, bytes(stream.links[past - stream.link_bytes : past]))
        found += stream.finish()
        self.events += stream.events
        self._batches += 1
        self._last_no = number
        # A stream that cannot be folded keeps its row, so the row counts.
        counted = stream.state if stream.rebuildable else stream.projected
        if counted is not None:
            self._count(counted)
        return stream, found

    def finish(
        self, job_stream: StreamProof[JobState], sums: Mapping[str, int], payload_rows: int | None
    ) -> list[Difference]:
        """Check the job's row, the counters, the items and the digests, after all streams.

        Args:
            job_stream: The job's own stream.
            sums: The counters, such as completed_batches and completed_items.
            payload_rows: How many items are stored; None if the number is not to be checked.

        Returns:
            The differences.
        """
        found: list[Difference] = []
        if job_stream.projected is None and job_stream.events == 0 and self.events:
            return [self._difference("job", "events of batches only", "no row", damage=True)]
        if self.job is not None and not job_stream.broken:
            # The next batch gets the next number, which must be free even if a stream is missing.
            count = max(self.job.batch_count + self._derived, self._last_no)
            self.job = replace(self.job, batch_count=count)
            if job_stream.projected is not None:
                found += job_stream.compare(self.job, job_stream.projected)
            if self._batches != self.job.batch_count:
                found.append(
                    self._difference("batches", f"{self._batches} of {self.job.batch_count}", "-", damage=True)
                )
            for name, log, other in (
                ("item_count", self.job.item_count, self._submitted_items),
                ("items in batches", self.job.item_count, self._held_items),
                (PAYLOAD_ROWS, self.job.item_count, payload_rows),
            ):
                if other is not None and log != other:
                    found.append(self._difference(name, str(log), str(other), damage=name != PAYLOAD_ROWS))
        found += [
            self._difference(name, str(number), str(sums.get(name, 0)))
            for name, number in self.counters().items()
            if number != sums.get(name, 0)
        ]
        for finished in self._finished_digests:
            if not finished.computed.matches(finished.digest):
                found.append(
                    self._difference(
                        "digest over all streams",
                        finished.computed.hexdigest(),
                        finished.digest,
                        damage=True,
                        version=finished.event.version,
                    )
                )
        return found

    def counters(self) -> dict[str, int]:
        """Count batches and items by status, as in the log.

        Returns:
            Counters such as completed_batches and completed_items.
        """
        return {
            f"{status}_{what}": number
            for status, pair in self._sums.items()
            for what, number in zip(("batches", "items"), pair, strict=True)
        }

    def _stream(self, number: int, evolve: Any, projected: ProjectedStream | None) -> StreamProof[Any]:
        return StreamProof(
            job_id=self.job_id,
            batch_no=number,
            job_day=self.job_day,
            evolve=evolve,
            projected=None if projected is None else projected.state,
            projected_version=0 if projected is None else projected.version,
            projected_links=None if projected is None else projected.links,
        )

    def _check_ordinals(self, row: LoggedEvent, event: ev.Enqueued) -> list[Difference]:
        if event.root is None:
            first = self._next_ordinal
            self._submitted_items += event.items
            expected = Ordinals(((first, first + event.items),))
            # After a gap, compare the following batches with the batch after the gap.
            self._next_ordinal = event.ordinals.spans[-1][1] if event.ordinals.spans else first
        else:
            self._derived += 1
            expected = event.ordinals
        if event.ordinals == expected and len(event.ordinals) == event.items:
            return []
        log, due = f"{event.items} items, {display(event.ordinals)}", f"{event.items} items, {display(expected)}"
        return [
            replace(self._difference("ordinals", log, due, damage=True, version=row.version), batch_no=row.batch_no),
        ]

    def _count(self, batch: BatchState) -> None:
        pair = self._sums[batch.status]
        pair[0] += 1
        pair[1] += batch.item_count
        if batch.status is not BatchStatus.SPLIT:
            self._held_items += batch.item_count

    def _difference(
        self, what: str, log: str, other: str, *, damage: bool = False, version: int | None = None
    ) -> Difference:
        return Difference(
            job_id=self.job_id,
            batch_no=0,
            field=what,
            log=log,
            projection=other,
            version=version,
            log_is_damaged=damage,
        )
