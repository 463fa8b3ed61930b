"""Counts and digests of a day's events by job, from its lines, while they pass."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from hashlib import _Hash

_EVENT: Final = re.compile(
    rb'\{"seq":(\d+),"xid":"(\d+)","job_id":(\d+),"batch_no":(\d+),"version":(\d+),"job_day":"[-\d]+",'
    rb'"type":"(\w+)","attempt":(\d+),"worker_id":(-?\d+|null),"at":"([-\dT:]+)(?:\.(\d{1,6}))?\+00:00","data":(.*)\}\n',
    re.DOTALL,
)


class BrokenStream(ValueError):
    """The events of a stream are not one after the other.

    Args:
        job_id: The job.
        says: What is wrong.
    """

    def __init__(self, job_id: int, says: str) -> None:
        super().__init__(says)
        self.job_id = job_id


@dataclass(frozen=True, slots=True)
class JobDigest:
    """One job's events: how many, the digest over its streams in hexadecimal digits, the workers that they name."""

    events: int
    digest: str
    workers: frozenset[int]


class DayDigests:
    """All jobs of a day. A job's digest is the one that evtrack.job_digest() makes of its log.

    Each event's link is the SHA-256 of the link before it in its stream and of what it says; the digest is that of
    the last links of all streams.
    """

    def __init__(self) -> None:
        self.jobs: dict[int, JobDigest] = {}

    @property
    def events(self) -> int:
        """How many events passed."""
        return sum(job.events for job in self.jobs.values())

    def passing(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Count lines while they pass.

        Args:
            lines: Events as lines of JSON, as `day_events` writes them.

        Yields:
            The same lines.

        Raises:
            BrokenStream: An event of a stream is not there.
            ValueError: A line is no event, or jobs are not in order.
        """
        job, batch, due, link, events = b"", b"", 0, b"", 0
        links, workers = sha256(), set[bytes]()
        for line in lines:
            found = _EVENT.fullmatch(line)
            if found is None:
                raise ValueError(f"this is no event: {line[:120]!r}")
            seq, xid, job_id, batch_no, version, type_, attempt, worker, at, fraction, data = found.groups()
            if job_id != job:
                self._close(job, events, links, link, workers)
                workers = set()
                job, batch, due, link, events, links = job_id, b"", 0, b"", 0, sha256()
                if int(job) in self.jobs:
                    raise ValueError(f"the events of job {int(job)} do not stand together")
            if batch_no != batch:
                if batch:
                    links.update(link)
                batch, due, link = batch_no, 0, b""
            due += 1
            if int(version) != due:
                says = f"job {int(job)}, batch {int(batch)} goes from version {due - 1} to {int(version)}"
                raise BrokenStream(int(job), says)
            text = (job_id, batch_no, version, type_, attempt, b"-" if worker == b"null" else worker)
            micros = b"%d%s" % (_seconds(at), (fraction or b"").ljust(6, b"0"))
            link = sha256(link + b" ".join((*text, micros, seq, xid, data))).digest()
            events += 1
            workers.add(worker)
            yield line
        self._close(job, events, links, link, workers)

    def _close(self, job: bytes, events: int, links: _Hash, link: bytes, workers: set[bytes]) -> None:
        if job:
            links.update(link)
            self.jobs[int(job)] = JobDigest(
                events, links.hexdigest(), frozenset(int(worker) for worker in workers if worker != b"null")
            )


@lru_cache(maxsize=1024)
def _seconds(at: bytes) -> int:
    return int(datetime.fromisoformat(f"{at.decode()}+00:00").timestamp())
