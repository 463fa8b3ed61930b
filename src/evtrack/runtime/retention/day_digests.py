"""Counts and hashes a day's events by job while their lines are read."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from evtrack.domain.proof.job_hash import JobHash
from evtrack.domain.proof.stream_proof import SHORT_FORM, SHORT_LINK_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_EVENT: Final = re.compile(
    rb'\{"seq":(\d+),"xid":"(\d+)","job_id":(\d+),"batch_no":(?P<batch_no>\d+),"version":(\d+),"job_day":"[-\d]+",'
    rb'"type":"(\w+)","attempt":(\d+),"worker_id":(-?\d+|null),"at":"([-\dT:]+)(?:\.(\d{1,6}))?\+00:00","data":(.*)\}\n',
    re.DOTALL,
)
_SHORT_FORM: Final = re.compile(rb'"digest_form": 2[,}]')
_NUMBERS: Final = struct.Struct(">qiiiqqQ")
_WORKER: Final = struct.Struct(">q")
_MICROS_TO_2000: Final = 946_684_800_000_000


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

    An event's link is the SHA-256 of the previous link in its stream and of the event's text; in the batches of a job
    whose first event says `digest_form` 2, its first 16 bytes, with the event's bytes for the text. `JobHash` computes
    a job's digest from the last links of its streams.
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
        short = False
        links, workers = _Links(), set[bytes]()
        for line in lines:
            found = _EVENT.fullmatch(line)
            if found is None:
                raise ValueError(f"not an event: {line[:120]!r}")
            job_id, batch_no, version, worker, data = found.group(3, 4, 5, 8, 11)
            if job_id != job:
                if job:
                    links.add(int(batch), link)
                self._close(job, events, links, workers)
                workers = set()
                job, batch, due, link, events, links = job_id, b"", 0, b"", 0, _Links()
                short = _is_short(data)
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
            link = _link(link, found, short=short)
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


def _is_short(created: bytes) -> bool:
    # Parsed only where it may be so: a policy or the description of a source can have such a key, too.
    if _SHORT_FORM.search(created) is None:
        return False
    try:
        return json.loads(created).get("digest_form") == SHORT_FORM  # type: ignore[no-any-return]
    except RecursionError:
        return True


def _link(before: bytes, event: re.Match[bytes], *, short: bool) -> bytes:
    if short and event["batch_no"] != b"0":
        return sha256(before + _event_bytes(event)).digest()[:SHORT_LINK_BYTES]
    return sha256(before + _event_text(event)).digest()


def _event_text(event: re.Match[bytes]) -> bytes:
    """Return what evtrack.event_text() returns, from the groups of a line."""
    seq, xid, job_id, batch_no, version, type_, attempt, worker, at, fraction, data = event.groups()
    text = (job_id, batch_no, version, type_, attempt, b"-" if worker == b"null" else worker)
    return b" ".join((*text, b"%d" % _micros(at, fraction), seq, xid, data))


def _event_bytes(event: re.Match[bytes]) -> bytes:
    """Return what evtrack.event_bytes() returns, from the groups of a line."""
    seq, xid, job_id, batch_no, version, type_, attempt, worker, at, fraction, data = event.groups()
    micros = _micros(at, fraction) - _MICROS_TO_2000
    numbers = _NUMBERS.pack(int(job_id), int(batch_no), int(version), int(attempt), micros, int(seq), int(xid))
    return b"".join((numbers, b"" if worker == b"null" else _WORKER.pack(int(worker)), type_, b"\1", data))


def _micros(at: bytes, fraction: bytes | None) -> int:
    return _seconds(at) * 1_000_000 + int((fraction or b"").ljust(6, b"0"))


@lru_cache(maxsize=1024)
def _seconds(at: bytes) -> int:
    return int(datetime.fromisoformat(f"{at.decode()}+00:00").timestamp())
