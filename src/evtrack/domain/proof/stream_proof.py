"""Proves one stream: checks its digests, versions and events, and compares its fold with the projection."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from pydantic import ValidationError

from evtrack.domain.errors import IllegalEvent

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from evtrack.domain.stored_event import LoggedEvent, StoredEvent

LINK_BYTES: Final = sha256().digest_size
SHORT_FORM: Final = 2
"""The form of digests that are the beginning of a SHA-256, computed from the binary form of an event."""
SHORT_LINK_BYTES: Final = 16
"""The length of such a digest."""
NO_DIGEST: Final = bytes(LINK_BYTES)
"""The digest of events that were written before there were digests."""

_MAX_TEXT = 200
_MAX_MISSING_LISTED = 50

State = TypeVar("State")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A difference between the log and what was derived from it.

    Args:
        batch_no: The batch; 0 for the job itself.
        field: What differs: a column of the projection, or a property of an event.
        projection: The value in the projection, the counters or the digests.
        version: The event, if it is about an event.
        log_is_damaged: Whether the log itself is wrong, which cannot be fixed; otherwise the projection is.
    """

    job_id: int
    batch_no: int
    field: str
    log: str
    projection: str
    version: int | None = None
    log_is_damaged: bool = False

    def __str__(self) -> str:
        """Describe it in one line."""
        where = f"job {self.job_id}" if self.batch_no == 0 else f"job {self.job_id}, batch {self.batch_no}"
        if self.version is not None:
            where += f", version {self.version}"
        damage = "the log is damaged: " if self.log_is_damaged else ""
        return f"{where}: {damage}{self.field}: the log has {self.log}, the projection has {self.projection}"


@dataclass(slots=True, kw_only=True)
class StreamProof(Generic[State]):
    """Checks a stream's events in the order of their versions, and returns the differences.

    Each event is compared with its stored digest, which depends on the stored digest of the previous event. So only a
    changed event is reported, not all that follow it. `links` is the chain of digests as computed from the log alone.

    `broken` means that the events cannot be folded to the end, because one is missing, invalid or not a transition.

    Args:
        batch_no: The stream.
        job_day: The job's day, if it is known.
        evolve: Applies an event to the state.
        projected: The projection's row, or None if it has none.
        projected_version: The version in that row.
        projected_links: The digests in that row.
        needs_digests: Whether every event must have a digest, because the job is newer than digests.
        digest_form: The form of the digests: 1, or `SHORT_FORM`.
    """

    job_id: int
    batch_no: int
    job_day: date | None
    evolve: Callable[[State | None, StoredEvent], State]
    projected: State | None
    projected_version: int = 0
    projected_links: bytes | None = None
    needs_digests: bool = False
    digest_form: int = 1
    state: State | None = None
    events: int = 0
    links: bytearray = field(default_factory=bytearray)
    broken: bool = False
    _next_version: int = 1
    _last: LoggedEvent | None = None

    def check(self, event: LoggedEvent) -> tuple[StoredEvent | None, list[Difference]]:
        """Check the next event.

        Returns:
            The event if its data is valid, and the differences.
        """
        found: list[Difference] = []
        if event.version < self._next_version:
            return None, [self._damaged(event.version, "event", f"{event.type} twice", "one event per version")]
        missing = self._missing(self._next_version, event.version)
        self.broken |= bool(missing)
        found += missing
        self.events += 1
        found += self._check_digest(event)
        if self.job_day is not None and event.job_day != self.job_day:
            found.append(self._damaged(event.version, "job_day", str(event.job_day), f"{self.job_day}, the job's day"))
        if self._last is not None and event.xid != self._last.xid and event.seq <= self._last.seq:
            found.append(
                self._damaged(
                    event.version, "seq", str(event.seq), f"more than {self._last.seq}, that of the previous event"
                )
            )
        self._next_version, self._last = event.version + 1, event
        stored, wrong = self._evolve(event)
        return stored, found + wrong

    def finish(self) -> list[Difference]:
        """Check that no event is missing at the end, and compare the projection's row with the state.

        Returns:
            The differences.
        """
        known = self.projected_version if self.projected_links is None else len(self.projected_links) // self.link_bytes
        found = self._missing(self._next_version, known + 1)
        if self.projected_links is not None and len(self.projected_links) % self.link_bytes:
            found.append(
                self._damaged(known, "digest", "no more events", f"{len(self.projected_links)} bytes of digests")
            )
        if self.broken:
            return found
        if self.projected is None:
            return [*found, self._different("row", f"{self.events} events", "no row")] if self.events else found
        return found + self.compare(self.state, self.projected)

    def compare(self, logged: State | None, projected: State) -> list[Difference]:
        """Compare two states field by field.

        Args:
            logged: The state that the log folds to; None if it has no events.
            projected: The state in the projection.

        Returns:
            One difference per field.
        """
        if logged is None or logged == projected:
            return []
        return [
            self._different(name, display(was), display(now))
            for name in (each.name for each in fields(projected))  # type: ignore[arg-type]  # State is a dataclass
            if (was := getattr(logged, name)) != (now := getattr(projected, name))
        ]

    @property
    def rebuildable(self) -> bool:
        """Whether its events can be folded to the end, and the day that its row belongs to is known."""
        return self.state is not None and not self.broken and self.job_day is not None

    @property
    def link_bytes(self) -> int:
        """How many bytes a digest has."""
        return SHORT_LINK_BYTES if self.digest_form == SHORT_FORM else LINK_BYTES

    @property
    def last_link(self) -> bytes:
        """The last digest of the chain that was computed from the log."""
        return bytes(self.links[-self.link_bytes :]) or NO_DIGEST

    def _check_digest(self, event: LoggedEvent) -> list[Difference]:
        size = self.link_bytes
        at = (event.version - 1) * size
        # A stream with a gap is not folded and its digests are not written, so the gap's width does not matter.
        if event.version > self._next_version:
            self.links += NO_DIGEST[:size]
        content = event.digest_bytes if self.digest_form == SHORT_FORM else event.digest_text.encode()
        stored = self.projected_links
        link = None if stored is None else stored[at : at + size]
        previous = b"" if stored is None else stored[max(at - size, 0) : at]
        has_no_digest = self.projected is not None and link in {None, NO_DIGEST[:size]} and not previous.strip(b"\0")
        if has_no_digest and not self.needs_digests:
            self.links += NO_DIGEST[:size]
            return self._check_clock(event)
        self.links += sha256(bytes(self.links[-size:]) + content).digest()[:size]
        if has_no_digest:
            return [self._damaged(event.version, "digest", event.type, "no digest: it was removed")]
        if stored is None:
            return []
        if not link:
            return [self._damaged(event.version, "event", event.type, "no digest: the event was never folded")]
        if link != sha256(previous + content).digest()[:size]:
            return [
                self._damaged(
                    event.version, "digest", f"{event.type} {display(event.data)}", "the digest of another event"
                )
            ]
        return []

    def _check_clock(self, event: LoggedEvent) -> list[Difference]:
        # A digest covers the time, so an earlier time is not a manipulation: the clock was set back.
        if self._last is None or event.xid == self._last.xid or event.at >= self._last.at:
            return []
        return [self._damaged(event.version, "at", event.at.isoformat(), f"not before {self._last.at.isoformat()}")]

    def _missing(self, first: int, past: int) -> list[Difference]:
        if first >= past:
            return []
        if past - first > _MAX_MISSING_LISTED or (self._last is None and past == self.projected_version + 1):
            return [self._damaged(first, "events", "nothing", f"versions {first} to {past - 1}")]
        return [self._damaged(version, "event", "nothing", "an event") for version in range(first, past)]

    def _evolve(self, event: LoggedEvent) -> tuple[StoredEvent | None, list[Difference]]:
        try:
            if not isinstance(event.data, dict):
                raise TypeError(type(event.data).__name__)  # noqa: TRY301  # handled like other invalid data
            stored = event.validate()
        except (ValidationError, TypeError, ValueError) as error:
            self.broken = True
            reason = str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else "not an object"
            return None, [self._damaged(event.version, "data", display(event.data), f"{event.type}: {reason}")]
        if self.broken:
            return stored, []
        try:
            self.state = self.evolve(self.state, stored)
        except (IllegalEvent, ValueError) as error:
            self.broken = True
            return stored, [self._damaged(event.version, "step", event.type, str(error).rpartition(": ")[2])]
        return stored, []

    def _damaged(self, version: int, what: str, log: str, projection: str) -> Difference:
        return Difference(
            job_id=self.job_id,
            batch_no=self.batch_no,
            version=version,
            field=what,
            log=log,
            projection=projection,
            log_is_damaged=True,
        )

    def _different(self, what: str, log: str, projection: str) -> Difference:
        return Difference(job_id=self.job_id, batch_no=self.batch_no, field=what, log=log, projection=projection)


def display(value: Any) -> str:
    """Return a value as text of bounded length.

    Args:
        value: The value of a column or field.
    """
    text = "nothing" if value is None else value.isoformat() if hasattr(value, "isoformat") else str(value)
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"
