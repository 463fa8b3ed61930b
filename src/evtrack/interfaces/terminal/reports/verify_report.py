"""Says what a proof comes to: whether the log is damaged or only the projection departs from it, and what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from evtrack.domain.job_proof import ITEMS
from evtrack.interfaces.terminal.text import count, counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evtrack.domain.stream_proof import Difference
    from evtrack.storage.log.rebuild import Rebuilt

_NAMED: Final = 10
_RESTORE: Final = (
    "restore the database from a backup, or the job from its archive into another database (`evtrack archive restore`)"
)
_TRUST: Final = "Where there is neither, `evtrack verify{} --fix --trust-log` makes the projection of what is there."
_TRUSTED: Final = "All that can be made of what is there is made; what is missing goes on to show."


@dataclass(slots=True)
class _Jobs:
    """How many jobs, and which come first: there may be millions."""

    number: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, job_id: int) -> None:
        self.number += 1
        if self.number <= _NAMED:
            self.first.append(job_id)

    @property
    def job(self) -> str:
        """The argument that names it, where there is but one."""
        return f" {self.first[0]}" if self.number == 1 else ""

    def __str__(self) -> str:
        more = f" and {count(self.number - _NAMED)} more" if self.number > _NAMED else ""
        return ("job " if self.number == 1 else "jobs ") + ", ".join(map(str, self.first)) + more


@dataclass(slots=True)
class Verdict:
    """Counts what is wrong, by the kind of it.

    Args:
        log_was_trusted: Whether damaged logs were folded as they are.
        differences: How many differences there are.
        damaged: How many jobs have a damaged log, and the first of them.
        departed: How many have a whole log and a projection that is not what it says, and the first of them.
        bereft: How many have lost items, and the first of them.
    """

    log_was_trusted: bool = False
    differences: int = 0
    damaged: _Jobs = field(default_factory=_Jobs)
    departed: _Jobs = field(default_factory=_Jobs)
    bereft: _Jobs = field(default_factory=_Jobs)

    def add(self, job_id: int, found: Iterable[Difference]) -> None:
        """Take what was found of a job.

        Args:
            job_id: The job.
            found: Its differences.
        """
        kinds: set[str] = set()
        for each in found:
            self.differences += 1
            kinds.add("damaged" if each.log_is_damaged else "bereft" if each.field == ITEMS else "departed")
        if "bereft" in kinds:
            self.bereft.add(job_id)
        if "damaged" in kinds:
            self.damaged.add(job_id)
        elif "departed" in kinds:
            self.departed.add(job_id)

    def sums(self) -> dict[str, int]:
        """Sum up for a program."""
        return {
            "differences": self.differences,
            "jobs_with_damaged_log": self.damaged.number,
            "jobs_with_departed_projection": self.departed.number,
            "jobs_with_missing_items": self.bereft.number,
        }

    def line(self, *, jobs: int, events: int) -> str:
        """Sum up for a person.

        Args:
            jobs: How many jobs were looked at.
            events: How many events.

        Returns:
            What was looked at, what is wrong, and what to do about it.
        """
        said = f"{counted(jobs, 'job')}, {count(events)} events: "
        if not self.differences:
            return said + "the log and the projection agree."
        lines = [f"{said}{counted(self.differences, 'difference')}."]
        if self.damaged.number:
            next_step = _TRUSTED if self.log_was_trusted else _TRUST.format(self.damaged.job)
            lines.append(f"The log itself is damaged, {self.damaged}: {_RESTORE}. {next_step}")
        if self.departed.number:
            lines.append(
                f"The log is whole and only the projection departs from it, {self.departed}: "
                f"`evtrack verify{self.departed.job} --fix` makes it anew."
            )
        if self.bereft.number:
            lines.append(f"Items are gone, {self.bereft}: nothing makes them anew. Restore the database from a backup.")
        return "\n".join(lines)


def rebuilt_line(done: Rebuilt) -> str:
    """Say what was made anew of a job.

    Args:
        done: What was found and written.
    """
    if done.damaged and not done.trusted:
        return (
            f"job {done.job_id}: nothing was changed, as the log itself is damaged: {_RESTORE}. "
            f"{_TRUST.format(f' {done.job_id}')}"
        )
    written = [
        *([counted(done.batches, "batch", "batches")] if done.batches else []),
        *(["the job's row"] if done.job else []),
        *(["the counters"] if done.counters else []),
    ]
    log = "a damaged log, as it is" if done.damaged else "the log"
    said = f"job {done.job_id}: made anew from {log}: {', '.join(written) or 'nothing'}."
    if done.kept:
        said += f" {counted(done.kept, 'row')} left as it was, where the events do not fold to their end."
    return said
