"""Counts and hashes a day's events by job while their lines are read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from evtrack.domain.proof.job_hash import JobHash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_EVENT: Final = re.compile(
    rb'\{"seq":(\d+),"xid":"(\d+)","job_id":(\d+),"batch_no":(\d+),"version":(\d+),"job_day":"[-\d]+",'
    rb'"type":"(\w+)","attempt":(\d+),"worker_id":(-?\d+|null),"at":"([-\dT:]+)(?:\.(\d{1,6}))?\+00:00","data":(.*)\}\n',
    re.DOTALL,
)


class IncompleteStream(ValueError):
    """A stream lacks an event.

    Args:
        message: What is missing.
    """

    def __init__(self, job_id: int, message: str) -> None:
        super().__init__(message)
        self.job_id = job_id


@dataclass(frozen=True, slots=True)
class JobDigest:
    """One job's number of events, the digest over its streams in hexadecimal digits, and its workers.

    Args:
        whole: The digest as earlier releases computed it for a large job.
    """

    events: int
    digest: str
    whole: str
    workers: frozenset[int]

    def matches(self, events: int, digest: str) -> bool:
        """Return whether this is what a manifest says of the job."""
        return events == self.events and digest in {self.digest, self.whole}


class DayDigests:
    """The digests of all jobs of a day, equal to what evtrack.job_digest() computes from the log.

    An event's link is the SHA-256 of the previous link in its stream and of the event's text. `JobHash` computes a
    job's digest from the last links of its streams.
    """

    def __init__(self) -> None:
        self.jobs: dict[int, JobDigest] = {}

    @property
    def events(self) -> int:
        """How many events were read."""
        return sum(job.events for job in self.jobs.values())

    def observe(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Count and hash lines while they are read.

        Args:
            lines: Events as lines of JSON, as `day_events` writes them.

        Yields:
            The same lines.

        Raises:
            IncompleteStream: A stream lacks an event.
            ValueError: A line is not an event, or a job's events are not contiguous.
        """
        job, batch, due, link, events = b"", b"", 0, b"", 0
        links, workers = _Links(), set[bytes]()
        for line in lines:
            found = _EVENT.fullmatch(line)
            if found is None:
                raise ValueError(f"not an event: {line[:120]!r}")
            seq, xid, job_id, batch_no, version, type_, attempt, worker, at, fraction, data = found.groups()
            if job_id != job:
                if job:
                    links.add(int(batch), link)
                self._close(job, events, links, workers)
                workers = set()
                job, batch, due, link, events, links = job_id, b"", 0, b"", 0, _Links()
                if int(job) in self.jobs:
                    raise ValueError(f"the events of job {int(job)} are not contiguous")
            if batch_no != batch:
                if batch:
                    links.add(int(batch), link)
                batch, due, link = batch_no, 0, b""
            due += 1
            if int(version) != due:
                message = f"job {int(job)}, batch {int(batch)} skips from version {due - 1} to {int(version)}"
                raise IncompleteStream(int(job), message)
            text = (job_id, batch_no, version, type_, attempt, b"-" if worker == b"null" else worker)
            micros = b"%d%s" % (_seconds(at), (fraction or b"").ljust(6, b"0"))
            link = sha256(link + b" ".join((*text, micros, seq, xid, data))).digest()
            events += 1
            workers.add(worker)
            yield line
        if job:
            links.add(int(batch), link)
        self._close(job, events, links, workers)

    def _close(self, job: bytes, events: int, links: _Links, workers: set[bytes]) -> None:
        if job:
            hashed = links.hashed or JobHash(b"")
            known = frozenset(int(worker) for worker in workers if worker != b"null")
            self.jobs[int(job)] = JobDigest(events, hashed.hexdigest(), hashed.whole, known)


class _Links:
    """The last links of a job's streams: its own comes first, as batch 0."""

    def __init__(self) -> None:
        self.hashed: JobHash | None = None

    def add(self, batch_no: int, link: bytes) -> None:
        if self.hashed is None:
            # A job without a stream of its own is damaged; its digest is then that of its batches.
            self.hashed = JobHash(link if batch_no == 0 else b"")
            if batch_no == 0:
                return
        self.hashed.add(batch_no, link)


@lru_cache(maxsize=1024)
def _seconds(at: bytes) -> int:
    return int(datetime.fromisoformat(f"{at.decode()}+00:00").timestamp())
