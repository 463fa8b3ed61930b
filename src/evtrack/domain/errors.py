"""The errors that evtrack raises: one base class, and subclasses with fields and an exit code.

Those of the database are in database_errors.
"""

from collections.abc import Iterable
from shlex import quote
from typing import ClassVar

from evtrack.domain.text import quoted


class EvtrackError(Exception):
    """Something went wrong in evtrack.

    Args:
        message: What is wrong; by default the first line of the class docstring.
        hint: What to do next, in a separate sentence.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.hint = hint
        super().__init__(self.message)

    @property
    def connection_lost(self) -> bool:
        """Whether the connection to the database was lost."""
        return False

    @property
    def is_passing(self) -> bool:
        """Whether the same call may succeed later although its data is the same: wait, and keep what is in hand."""
        return False

    def __str__(self) -> str:
        """Return the message, and the hint on a separate line."""
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class BadArgument(EvtrackError, ValueError):
    """An argument has an invalid value."""


class LogDiverged(BadArgument):
    """The log lacks events that were read before: a failover or a restore lost commits.

    Args:
        message: What shows it.
    """

    exit_code = 6

    def __init__(self, message: str) -> None:
        super().__init__(
            message,
            hint="Read the log again from the beginning, and replace what you stored, by job_id, batch_no and version: "
            "docs/operations.md, Failover.",
        )


class LimitTooLow(BadArgument):
    """A memory limit is at or below what a slot holds before it runs anything."""

    exit_code = 2


class NotInstalled(EvtrackError):
    """A part of evtrack is not installed.

    Args:
        what: What was requested.
        extra: The extra that installs it.
    """

    def __init__(self, what: str, *, extra: str) -> None:
        super().__init__(
            f"{what} needs a package that is not installed.", hint=f"Install it: pip install 'evtrack[{extra}]'"
        )
        self.what = what
        self.extra = extra


class OutputLost(EvtrackError):
    """The output of a command cannot be written to stdout.

    Args:
        reason: The system's reason.
        what: What is lost.
        hint: What to do next.
    """

    exit_code = 74

    def __init__(self, reason: str, *, what: str = "The output", hint: str = "") -> None:
        super().__init__(
            f"{what} cannot be written to stdout: {reason}.",
            hint=hint
            or "Free some space, or send it elsewhere. What the command did is done: evtrack status shows it.",
        )
        self.reason = reason


# Rejections by the write API: each stands for an SQLSTATE of class EV


class IllegalEvent(EvtrackError):
    """The log rejects an event that is not a legal transition (EV001)."""


class Immutable(EvtrackError):
    """The log is append-only (EV002)."""


class NoSuchJob(EvtrackError):
    """There is no such job, batch or worker (EV003)."""


class JobDropped(NoSuchJob):
    """A cleanup dropped the job; the ledger still lists it.

    Args:
        dropped_at: When, as text.
        archive: The directory that contains its log, or None.
    """

    def __init__(self, *, job_id: int, dropped_at: str, archive: str | None) -> None:
        where = f"archived to {archive}" if archive else "not archived"
        super().__init__(
            f"Job {job_id} was dropped on {dropped_at}, {where}.",
            hint=f"`evtrack status {job_id}` shows what is left of it"
            + (f"; `evtrack archive restore {quote(archive)} --job {job_id}` restores its log." if archive else "."),
        )
        self.job_id = job_id
        self.archive = archive


class JobPhaseError(EvtrackError):
    """The job is in a phase that does not allow this (EV004)."""


class SubmissionLost(EvtrackError):
    """Another process is submitting this job, or took it over (EV005)."""


class WorkerLost(EvtrackError):
    """This worker was declared lost, and no longer holds its batches (EV006)."""


# Handlers and sources


class UnknownHandler(EvtrackError):
    """No handler has this name.

    Args:
        name: The requested name.
        known: The names of the offered handlers.
        hint: What to do next.
    """

    def __init__(self, name: str, *, known: Iterable[str] = (), hint: str = "") -> None:
        self.name = name
        self.known = tuple(sorted(known))
        offered = ", ".join(self.known) if self.known else "none"
        super().__init__(
            f"No handler is named {quoted(name)}; offered here: {offered}.",
            hint=hint or "Name the module that defines it with --import MODULE, or a program with --exec NAME=COMMAND.",
        )


class HandlerImportError(EvtrackError):
    """A handler's module cannot be imported.

    Args:
        traceback: The module's traceback.
    """

    def __init__(self, module: str, *, traceback: str) -> None:
        super().__init__(
            f"Cannot import the module {quoted(module)}:\n{traceback.rstrip()}",
            hint="Fix the module, or install what it needs into the environment that evtrack runs in.",
        )
        self.module = module
        self.traceback = traceback


class SourceNotFound(EvtrackError):
    """A source of items does not exist or cannot be read.

    Args:
        path: The source.
        reason: Why it cannot be read.
        hint: What to do next.
    """

    def __init__(self, path: str, *, reason: str = "no such file or directory", hint: str = "") -> None:
        super().__init__(f"Cannot read the source {quoted(path)}: {reason}.", hint=hint)
        self.path = path
        self.reason = reason


class SourceChanged(SourceNotFound):
    """A source has changed since its job was submitted, so the submission cannot be resumed.

    Args:
        path: The source.
        reason: How it differs.
    """

    def __init__(self, path: str, *, reason: str) -> None:
        super().__init__(
            path, reason=reason, hint="Restore the source as it was, or cancel the job and submit the new one."
        )


class QueueFull(EvtrackError):
    """The queue stayed full for as long as the submitter was willing to wait.

    Args:
        waited_s: How long it waited, in seconds.
        pending: How many batches were pending at the end.
        limit: How many are allowed.
        hint: What to do next.
    """

    def __init__(self, *, waited_s: float, pending: int, limit: int, hint: str = "") -> None:
        super().__init__(
            f"The queue is full: {pending} batches pending, at most {limit} allowed, waited {waited_s:.1f} s.",
            hint=hint or "Start more workers, or raise --max-pending.",
        )
        self.waited_s = waited_s
        self.pending = pending
        self.limit = limit


# Retention


class CleanupRuns(EvtrackError):
    """Another cleanup or restore is running on this database."""


class ArchiveError(EvtrackError):
    """An archive cannot be written or read."""


class ArchiveDamaged(ArchiveError):
    """An archive does not match its manifest.

    Args:
        directory: The archive.
        differences: What differs, one line each.
    """

    def __init__(self, directory: str, *, differences: Iterable[str]) -> None:
        self.directory = directory
        self.differences = tuple(differences)
        super().__init__(
            f"The archive {directory} is damaged:\n" + "\n".join(f"  {each}" for each in self.differences),
            hint="Restore it from a copy, or move it away if the database still has the day.",
        )
