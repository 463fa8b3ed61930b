"""Proves one stream: its digests, its versions, its shape, and what its events make against what is kept of them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from pydantic import ValidationError

from evtrack.domain.errors import IllegalEvent
from evtrack.domain.events import StoredEvent, read_event

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

LINK_BYTES: Final = sha256().digest_size
UNPROVEN: Final = bytes(LINK_BYTES)
"""The digest of events from before there were digests."""

_TEXT_BOUND = 200
_MISSING_BOUND = 50

S = TypeVar("S")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference.

    Args:
        job_id: The job.
        batch_no: The batch; 0 for the job itself.
        field: What differs: a column of the projection, or what is wrong with an event.
        log: What the log says.
        projection: What the projection, the counters or the digests say.
        version: The event, where it is one.
        log_is_damaged: Whether the log itself is at fault, which nothing here can mend; else the projection is.
    """

    job_id: int
    batch_no: int
    field: str
    log: str
    projection: str
    version: int | None = None
    log_is_damaged: bool = False

    def __str__(self) -> str:
        """Say it in a line."""
        where = f"job {self.job_id}" if self.batch_no == 0 else f"job {self.job_id}, batch {self.batch_no}"
        if self.version is not None:
            where += f", version {self.version}"
        damage = "the log is damaged: " if self.log_is_damaged else ""
        return f"{where}: {damage}{self.field}: the log says {self.log}, the projection says {self.projection}"


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """A row of ``evtrack.event`` as it stands there, with the text that its digest is made of."""

    job_day: date
    job_id: int
    batch_no: int
    version: int
    type: str
    attempt: int
    worker_id: int | None
    at: datetime
    seq: int
    xid: int
    data: Any
    said: str

    def read(self) -> StoredEvent:
        """Read the event.

        Returns:
            The event in its envelope.

        Raises:
            ValidationError: Its data has not the shape of its type.
        """
        # The envelope's columns have their types from the database; only the data needs to be checked.
        return StoredEvent.model_construct(
            job_day=self.job_day,
            job_id=self.job_id,
            batch_no=self.batch_no,
            version=self.version,
            attempt=self.attempt,
            worker_id=self.worker_id,
            at=self.at,
            seq=self.seq,
            xid=self.xid,
            event=read_event(self.type, self.data),
        )


@dataclass(slots=True, kw_only=True)
class StreamProof(Generic[S]):
    """Takes a stream's events in the order of their versions, and tells what is wrong.

    Each event is held against the digest that the fold kept of it, made with the kept digest of the one before, so
    that one changed event is named and not all that follow. `links` is the chain as the log alone gives it.

    Args:
        job_id: The job.
        batch_no: The stream.
        job_day: The job's day, if it is known.
        evolve: The fold's step.
        kept: The projection's row, or None where there is none.
        kept_version: The version in that row.
        kept_links: The digests in that row.
        proven: Whether each event of it must have a digest, as all began after there were digests.

    `broken` says that the events do not fold to their end: one is missing before another, or is no legal step.
    """

    job_id: int
    batch_no: int
    job_day: date | None
    evolve: Callable[[S | None, StoredEvent], S]
    kept: S | None
    kept_version: int = 0
    kept_links: bytes | None = None
    proven: bool = False
    state: S | None = None
    events: int = 0
    links: bytearray = field(default_factory=bytearray)
    broken: bool = False
    _due: int = 1
    _last: LoggedEvent | None = None

    def take(self, row: LoggedEvent) -> tuple[StoredEvent | None, list[Difference]]:
        """Check the next event.

        Args:
            row: The event.

        Returns:
            The event if its shape is right, and what is wrong with it.
        """
        found: list[Difference] = []
        if row.version < self._due:
            return None, [self._damage(row.version, "event", f"{row.type} twice", "one event a version")]
        missing = self._missing(self._due, row.version)
        self.broken |= bool(missing)
        found += missing
        self.events += 1
        found += self._digest(row)
        if self.job_day is not None and row.job_day != self.job_day:
            found.append(self._damage(row.version, "job_day", str(row.job_day), f"{self.job_day}, the job's"))
        if self._last is not None and row.xid != self._last.xid and row.seq <= self._last.seq:
            found.append(self._damage(row.version, "seq", str(row.seq), f"more than {self._last.seq}, the one before"))
        self._due, self._last = row.version + 1, row
        stored, wrong = self._read(row)
        return stored, found + wrong

    def end(self) -> list[Difference]:
        """Check that the stream is whole, and hold the projection's row against it.

        Returns:
            What is wrong.
        """
        known = self.kept_version if self.kept_links is None else len(self.kept_links) // LINK_BYTES
        found = self._missing(self._due, known + 1)
        if self.kept_links is not None and len(self.kept_links) % LINK_BYTES:
            found.append(self._damage(known, "digest", "nothing more", f"{len(self.kept_links)} bytes of digests"))
        if self.broken:
            return found
        if self.kept is None:
            return [*found, self._differs("row", f"{self.events} events", "nothing")] if self.events else found
        return found + self.differences(self.state, self.kept)

    def differences(self, logged: S | None, kept: S) -> list[Difference]:
        """Compare field by field.

        Args:
            logged: What the log says; None for nothing.
            kept: What the projection says.

        Returns:
            A difference a field.
        """
        if logged is None or logged == kept:
            return []
        return [
            self._differs(name, shown(was), shown(now))
            for name in (each.name for each in fields(kept))  # type: ignore[arg-type]  # S is a dataclass
            if (was := getattr(logged, name)) != (now := getattr(kept, name))
        ]

    @property
    def rebuildable(self) -> bool:
        """Whether its events fold to their end, and it is known where the row of it belongs."""
        return self.state is not None and not self.broken and self.job_day is not None

    @property
    def head(self) -> bytes:
        """The last digest of the chain."""
        return bytes(self.links[-LINK_BYTES:]) or UNPROVEN

    def _digest(self, row: LoggedEvent) -> list[Difference]:
        at = (row.version - 1) * LINK_BYTES
        # A gap, however wide, ends the chain: what has one is not folded, and its digests are not written.
        if row.version > self._due:
            self.links += UNPROVEN
        said = row.said.encode()
        kept = self.kept_links
        here = None if kept is None else kept[at : at + LINK_BYTES]
        before = b"" if kept is None else kept[max(at - LINK_BYTES, 0) : at]
        bare = self.kept is not None and here in {None, UNPROVEN} and not before.strip(b"\0")
        if bare and not self.proven:
            self.links += UNPROVEN
            return self._clock(row)
        self.links += sha256(bytes(self.links[-LINK_BYTES:]) + said).digest()
        if bare:
            return [self._damage(row.version, "digest", row.type, "nothing: its digest was taken away")]
        if kept is None:
            return []
        if not here:
            return [self._damage(row.version, "event", row.type, "no digest of it: it was never folded")]
        if here != sha256(before + said).digest():
            return [self._damage(row.version, "digest", f"{row.type} {shown(row.data)}", "that another was written")]
        return []

    def _clock(self, row: LoggedEvent) -> list[Difference]:
        # Of an event with a digest it is known when it was written; an earlier time is a clock that was set back.
        if self._last is None or row.xid == self._last.xid or row.at >= self._last.at:
            return []
        return [self._damage(row.version, "at", row.at.isoformat(), f"not before {self._last.at.isoformat()}")]

    def _missing(self, first: int, past: int) -> list[Difference]:
        if first >= past:
            return []
        if past - first > _MISSING_BOUND or (self._last is None and past == self.kept_version + 1):
            return [self._damage(first, "events", "nothing", f"that versions {first} to {past - 1} were written")]
        return [self._damage(version, "event", "nothing", "that it was written") for version in range(first, past)]

    def _read(self, row: LoggedEvent) -> tuple[StoredEvent | None, list[Difference]]:
        try:
            if not isinstance(row.data, dict):
                raise TypeError(type(row.data).__name__)  # noqa: TRY301  # ends as another wrong shape does
            stored = row.read()
        except (ValidationError, TypeError, ValueError) as error:
            self.broken = True
            reason = str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else "it is no object"
            return None, [self._damage(row.version, "data", shown(row.data), f"{row.type}: {reason}")]
        if self.broken:
            return stored, []
        try:
            self.state = self.evolve(self.state, stored)
        except (IllegalEvent, ValueError) as error:
            self.broken = True
            return stored, [self._damage(row.version, "step", row.type, str(error).rpartition(": ")[2])]
        return stored, []

    def _damage(self, version: int, what: str, log: str, projection: str) -> Difference:
        return Difference(
            job_id=self.job_id,
            batch_no=self.batch_no,
            version=version,
            field=what,
            log=log,
            projection=projection,
            log_is_damaged=True,
        )

    def _differs(self, what: str, log: str, projection: str) -> Difference:
        return Difference(job_id=self.job_id, batch_no=self.batch_no, field=what, log=log, projection=projection)


def shown(value: Any) -> str:
    """Show a value, bounded.

    Args:
        value: What a column or a field holds.
    """
    said = "nothing" if value is None else value.isoformat() if hasattr(value, "isoformat") else str(value)
    return said if len(said) <= _TEXT_BOUND else f"{said[:_TEXT_BOUND]}…"
