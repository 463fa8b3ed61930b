"""Proves one job: its own stream, its batches, the counters, the items, and the digests of its finished events."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from evtrack.domain import events as ev
from evtrack.domain.batch_projection import BatchState, evolve
from evtrack.domain.job_projection import Job, evolve_job
from evtrack.domain.ordinals import Ordinals
from evtrack.domain.states import BatchStatus
from evtrack.domain.stream_proof import LINK_BYTES, UNPROVEN, Difference, LoggedEvent, StreamProof, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from evtrack.domain.events import StoredEvent


ITEMS: Final = "payload rows"
"""Items that are missing: no part of the log, and nothing makes them anew."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What the projection keeps of a stream."""

    state: Any
    version: int
    links: bytes | None


@dataclass(slots=True)
class _Finish:
    """A finished event: the digest in it, and the same made anew over what its transaction saw."""

    event: StoredEvent
    digest: str
    snapshot: str
    restored_seq: int
    made: Any = field(default_factory=sha256)

    def saw(self, xid: int, seq: int) -> bool:
        # Where a job went on in another cluster, transactions cannot be compared, and what came later has a higher seq.
        if seq >= self.event.seq:
            return False
        if xid == self.event.xid or seq <= self.restored_seq:
            return True
        xmin, xmax, running = self.snapshot.split(":")
        return xid < int(xmin) or (xid < int(xmax) and str(xid) not in running.split(","))


@dataclass(slots=True, kw_only=True)
class JobProof:
    """Takes a job's streams, its own first and the others by number, and tells what is wrong.

    Args:
        job_id: The job.
        job_day: Its day, where its row is there.
    """

    job_id: int
    job_day: date | None
    events: int = 0
    job: Job | None = None
    _sums: dict[str, list[int]] = field(default_factory=lambda: {status: [0, 0] for status in BatchStatus})
    _finishes: list[_Finish] = field(default_factory=list)
    _batches: int = 0
    _last_no: int = 0
    _derived: int = 0
    _submitted_items: int = 0
    _next_ordinal: int = 1
    _held_items: int = 0
    _proven: bool = False

    def own(self, rows: Iterable[LoggedEvent], kept: Kept | None) -> tuple[StreamProof[Job], list[Difference]]:
        """Check the job's own stream.

        Args:
            rows: Its events.
            kept: The job's row.

        Returns:
            The stream, and what is wrong with it; the row itself is compared at the end, with the batches known.
        """
        stream = self._stream(0, evolve_job, kept)
        found: list[Difference] = []
        rows = iter(rows)
        first = list(islice(rows, 2))
        # What the first two events agree on is the job's day, and a row that says another one is wrong.
        if first and (self.job_day is None or len({row.job_day for row in first}) == 1):
            kept_day, self.job_day = self.job_day, first[0].job_day
            stream.job_day = self.job_day
            if kept_day not in {None, self.job_day}:
                found.append(self._finding("job_day", str(self.job_day), str(kept_day)))
        for row in chain(first, rows):
            before = stream.head
            stored, wrong = stream.take(row)
            found += wrong
            if stored is not None and isinstance(stored.event, ev.Finished) and stored.event.digest is not None:
                event = stored.event
                finish = _Finish(stored, stored.event.digest, event.snapshot or "0:0:", event.restored_seq or 0)
                finish.made.update(before)
                self._finishes.append(finish)
        self.job, self.events = stream.state, self.events + stream.events
        # A job whose first event has a digest began after there were digests, and so did its batches.
        self._proven = (stream.kept_links or UNPROVEN)[:LINK_BYTES] != UNPROVEN
        kept_state = stream.kept
        # Its batch_count is known at the end.
        stream.kept = stream.state if kept_state is not None else None
        found += stream.end()
        stream.kept = kept_state
        return stream, found

    def batch(
        self, number: int, rows: Iterable[LoggedEvent], kept: Kept | None
    ) -> tuple[StreamProof[BatchState], list[Difference]]:
        """Check a batch's stream and its row.

        Args:
            number: The batch.
            rows: Its events.
            kept: Its row.

        Returns:
            The stream, and what is wrong with it.
        """
        stream = self._stream(number, evolve, kept)
        stream.proven = self._proven
        found: list[Difference] = []
        seen = [0] * len(self._finishes)
        for row in rows:
            stored, wrong = stream.take(row)
            found += wrong
            if stored is not None and isinstance(stored.event, ev.Enqueued):
                found += self._born(row, stored.event)
            for place, finish in enumerate(self._finishes):
                if finish.saw(row.xid, row.seq):
                    seen[place] = len(stream.links)
        for past, finish in zip(seen, self._finishes, strict=True):
            if past:
                finish.made.update(stream.links[past - LINK_BYTES : past])
        found += stream.end()
        self.events += stream.events
        self._batches += 1
        self._last_no = number
        # What cannot be folded keeps its row, and counts as that row does.
        counted = stream.state if stream.rebuildable else stream.kept
        if counted is not None:
            self._count(counted)
        return stream, found

    def end(self, own: StreamProof[Job], sums: Mapping[str, int], payload_rows: int | None) -> list[Difference]:
        """Check what the streams have to say together.

        Args:
            own: The job's own stream.
            sums: The counters, as completed_batches, completed_items.
            payload_rows: How many items are stored; None where none is due.

        Returns:
            What is wrong.
        """
        found: list[Difference] = []
        if own.kept is None and own.events == 0 and self.events:
            return [self._finding("job", "nothing of it", "no row, and there are events of it", damage=True)]
        if self.job is not None and not own.broken:
            # The next batch gets the next number, which must be free also where a stream is gone.
            count = max(self.job.batch_count + self._derived, self._last_no)
            self.job = replace(self.job, batch_count=count)
            if own.kept is not None:
                found += own.differences(self.job, own.kept)
            if self._batches != self.job.batch_count:
                found.append(self._finding("batches", f"{self._batches} of {self.job.batch_count}", "-", damage=True))
            for name, log, other in (
                ("item_count", self.job.item_count, self._submitted_items),
                ("items in batches", self.job.item_count, self._held_items),
                (ITEMS, self.job.item_count, payload_rows),
            ):
                if other is not None and log != other:
                    found.append(self._finding(name, str(log), str(other), damage=name != ITEMS))
        found += [
            self._finding(name, str(number), str(sums.get(name, 0)))
            for name, number in self.counters().items()
            if number != sums.get(name, 0)
        ]
        for finish in self._finishes:
            if finish.made.hexdigest() != finish.digest:
                found.append(
                    self._finding(
                        "digest over all streams",
                        finish.made.hexdigest(),
                        finish.digest,
                        damage=True,
                        version=finish.event.version,
                    )
                )
        return found

    def counters(self) -> dict[str, int]:
        """Count batches and items by status, as the log has them.

        Returns:
            As completed_batches, completed_items.
        """
        return {
            f"{status}_{what}": number
            for status, pair in self._sums.items()
            for what, number in zip(("batches", "items"), pair, strict=True)
        }

    def _stream(self, number: int, step: Any, kept: Kept | None) -> StreamProof[Any]:
        return StreamProof(
            job_id=self.job_id,
            batch_no=number,
            job_day=self.job_day,
            evolve=step,
            kept=None if kept is None else kept.state,
            kept_version=0 if kept is None else kept.version,
            kept_links=None if kept is None else kept.links,
        )

    def _born(self, row: LoggedEvent, event: ev.Enqueued) -> list[Difference]:
        if event.root is None:
            first = self._next_ordinal
            self._submitted_items += event.items
            expected = Ordinals(((first, first + event.items),))
            # Where one does not follow, those after it are held against it.
            self._next_ordinal = event.ordinals.spans[-1][1] if event.ordinals.spans else first
        else:
            self._derived += 1
            expected = event.ordinals
        if event.ordinals == expected and len(event.ordinals) == event.items:
            return []
        log, due = f"{event.items} items, {shown(event.ordinals)}", f"{event.items} items, {shown(expected)}"
        return [
            replace(self._finding("ordinals", log, due, damage=True, version=row.version), batch_no=row.batch_no),
        ]

    def _count(self, batch: BatchState) -> None:
        pair = self._sums[batch.status]
        pair[0] += 1
        pair[1] += batch.item_count
        if batch.status is not BatchStatus.SPLIT:
            self._held_items += batch.item_count

    def _finding(
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
