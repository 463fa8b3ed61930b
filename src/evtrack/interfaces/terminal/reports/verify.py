"""Report what a verification found: whether the log is damaged or only the projection differs, and what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from evtrack.domain.proof.job_proof import PAYLOAD_ROWS
from evtrack.interfaces.words.formatting import count, counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evtrack.domain.proof.stream_proof import Difference
    from evtrack.storage.log.rebuild import Rebuilt

_NAMED: Final = 10
_RESTORE: Final = (
    "Restore the database from a backup, or the job from its archive into another database (`evtrack archive restore`)."
)
_TRUST: Final = (
    "Without a backup or an archive, run `evtrack verify{} --fix --trust-log` to rebuild the projection from the "
    "events that are left."
)
_TRUSTED: Final = "The projection was rebuilt from the events that are left; the rest of the damage remains visible."


@dataclass(slots=True)
class _JobList:
    """Jobs with the same kind of difference: their number, and the first few of them."""

    number: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, job_id: int) -> None:
        self.number += 1
        if self.number <= _NAMED:
            self.first.append(job_id)

    def include(self, other: _JobList) -> None:
        self.number += other.number
        self.first = [*self.first, *other.first][:_NAMED]

    @property
    def argument(self) -> str:
        """The command-line argument for the job, if there is only one."""
        return f" {self.first[0]}" if self.number == 1 else ""

    def __str__(self) -> str:
        more = f" and {count(self.number - _NAMED)} more" if self.number > _NAMED else ""
        return ("job " if self.number == 1 else "jobs ") + ", ".join(map(str, self.first)) + more


@dataclass(slots=True)
class VerifyReport:
    """Count differences by kind.

    Args:
        log_was_trusted: Whether projections were rebuilt even from damaged logs.
        damaged: Jobs whose log is damaged.
        departed: Jobs whose log is intact, but whose projection differs from it.
        missing_items: Jobs that lost items.
    """

    log_was_trusted: bool = False
    differences: int = 0
    damaged: _JobList = field(default_factory=_JobList)
    departed: _JobList = field(default_factory=_JobList)
    missing_items: _JobList = field(default_factory=_JobList)

    def add(self, job_id: int, found: Iterable[Difference]) -> None:
        """Count the differences of a job.

        Args:
            found: Its differences.
        """
        kinds: set[str] = set()
        for each in found:
            self.differences += 1
            kinds.add(
                "damaged" if each.log_is_damaged else "missing items" if each.field == PAYLOAD_ROWS else "departed"
            )
        if "missing items" in kinds:
            self.missing_items.add(job_id)
        if "damaged" in kinds:
            self.damaged.add(job_id)
        elif "departed" in kinds:
            self.departed.add(job_id)

    def include(self, other: VerifyReport) -> None:
        """Add what another report counted.

        Args:
            other: A report on other jobs.
        """
        self.differences += other.differences
        self.damaged.include(other.damaged)
        self.departed.include(other.departed)
        self.missing_items.include(other.missing_items)

    def totals(self) -> dict[str, int]:
        """Return the totals for programs."""
        return {
            "differences": self.differences,
            "jobs_with_damaged_log": self.damaged.number,
            "jobs_with_departed_projection": self.departed.number,
            "jobs_with_missing_items": self.missing_items.number,
        }

    def text(self, *, jobs: int, events: int) -> str:
        """Summarize the verification for users.

        Args:
            jobs: How many jobs were verified.
            events: How many events.

        Returns:
            What was verified, what is wrong, and what to do about it.
        """
        verified = f"{counted(jobs, 'job')}, {counted(events, 'event')}: "
        if not self.differences:
            return verified + "the log and the projection agree."
        lines = [f"{verified}{counted(self.differences, 'difference')}."]
        if self.damaged.number:
            next_step = _TRUSTED if self.log_was_trusted else _TRUST.format(self.damaged.argument)
            lines.append(f"The log itself is damaged: {self.damaged}. {_RESTORE} {next_step}")
        if self.departed.number:
            lines.append(
                f"The log is intact, but the projection differs from it: {self.departed}. "
                f"Rebuild the projection: evtrack verify{self.departed.argument} --fix"
            )
        if self.missing_items.number:
            lines.append(
                f"Items are missing: {self.missing_items}. They cannot be rebuilt from the log. "
                "Restore the database from a backup."
            )
        return "\n".join(lines)


def rebuild_line(done: Rebuilt) -> str:
    """Report what was rebuilt of a job.

    Args:
        done: What was found and written.
    """
    if done.damaged and not done.trusted:
        return (
            f"job {done.job_id}: nothing was changed because the log itself is damaged. {_RESTORE} "
            f"{_TRUST.format(f' {done.job_id}')}"
        )
    written = [
        *([counted(done.batches, "batch", "batches")] if done.batches else []),
        *(["the job's row"] if done.job else []),
        *(["the counters"] if done.counters else []),
    ]
    log = "the damaged log" if done.damaged else "the log"
    text = f"job {done.job_id}: rebuilt from {log}: {', '.join(written) or 'nothing'}."
    if done.kept:
        text += f" {counted(done.kept, 'row')} left unchanged, because the events do not lead to a valid state."
    return text
