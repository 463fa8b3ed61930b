"""Every error that evtrack raises on purpose: one base, children with fields, an exit code each."""

from collections.abc import Iterable
from shlex import quote
from typing import ClassVar

from evtrack.domain.text import quoted


class EvtrackError(Exception):
    """Something went wrong in evtrack.

    Args:
        message: What is wrong; the first line of the class docstring when left out.
        hint: What to do next, in a sentence of its own.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.hint = hint
        super().__init__(self.message)

    def __str__(self) -> str:
        """Return the message and, on a line of its own, what to do next."""
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class BadArgument(EvtrackError, ValueError):
    """An argument has a value that evtrack cannot work with."""


class NotInstalled(EvtrackError):
    """A part of evtrack is not installed.

    Args:
        what: What was asked for.
        extra: The extra that brings it.
    """

    def __init__(self, what: str, *, extra: str) -> None:
        super().__init__(
            f"{what} needs a package that is not installed.", hint=f"Install it: pip install 'evtrack[{extra}]'"
        )
        self.what = what
        self.extra = extra


class OutputLost(EvtrackError):
    """What a command has to say cannot be written to stdout.

    Args:
        reason: What the system says.
        what: What is lost.
        hint: What to do next.
    """

    exit_code = 74

    def __init__(self, reason: str, *, what: str = "The output", hint: str = "") -> None:
        super().__init__(
            f"{what} cannot be written to stdout: {reason}.",
            hint=hint or "Give it room, or send it elsewhere. What the command did is done: evtrack status shows it.",
        )
        self.reason = reason


# Reaching the database


class NoServer(EvtrackError):
    """No PostgreSQL server is configured, and the embedded one is not installed."""

    exit_code = 5


class CannotConnect(EvtrackError):
    """The PostgreSQL server cannot be reached, or does not let us in."""

    exit_code = 5


class TransientError(EvtrackError):
    """The database gave up on this transaction; the same again may go through.

    Args:
        message: What the database said.
        sqlstate: Its five-character code, or None when the connection was lost.
        hint: What to do next.
    """

    def __init__(self, message: str = "", *, sqlstate: str | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.sqlstate = sqlstate

    @property
    def connection_lost(self) -> bool:
        """Whether the connection is gone, so that nobody knows if the commit took place."""
        return self.sqlstate is None or self.sqlstate.startswith(("08", "57P", "25P03"))


class PermissionDenied(EvtrackError):
    """The database role may not do this."""


class ReadOnly(PermissionDenied):
    """This session with the database may write nothing.

    Args:
        message: What the database said.
        standby: Whether the server is a standby; None where nobody has asked.
    """

    def __init__(self, message: str = "", *, standby: bool | None = None) -> None:
        setting = "default_transaction_read_only is on for this user, this database or the server: turn it off there"
        hint = {
            None: f"Either the server is a standby: connect to the primary. Or {setting}.",
            True: "The server is a standby: connect to the primary.",
            False: f"The setting {setting}, or connect as another user.",
        }[standby]
        super().__init__(message, hint=hint)


class StorageError(EvtrackError):
    """The database refused a statement for a reason that evtrack did not foresee.

    Args:
        message: What the database said.
        sqlstate: Its five-character code.
        hint: What the database advised.
    """

    def __init__(self, message: str = "", *, sqlstate: str | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.sqlstate = sqlstate


# The schema


class SchemaMissing(EvtrackError):
    """This database has no evtrack schema."""

    exit_code = 4


class SchemaTooOld(EvtrackError):
    """The database's schema is older than this evtrack.

    Args:
        found: The database's schema version.
        wanted: The version that this evtrack brings.
    """

    exit_code = 4

    def __init__(self, *, found: int, wanted: int) -> None:
        super().__init__(
            f"The database has evtrack's schema in version {found}, this evtrack needs version {wanted}.",
            hint="Run `evtrack migrate up` as the schema's owner.",
        )
        self.found = found
        self.wanted = wanted


class SchemaTooNew(EvtrackError):
    """The database's schema does not work with code as old as this.

    Args:
        found: The database's schema version.
        least_code: The oldest evtrack that can live with it.
        code: The version of this evtrack.
    """

    exit_code = 4

    def __init__(self, *, found: int, least_code: str, code: str) -> None:
        super().__init__(
            f"The database has evtrack's schema in version {found}, which needs evtrack {least_code} or later; "
            f"this is evtrack {code}.",
            hint=f"Install evtrack {least_code} or later.",
        )
        self.found = found
        self.least_code = least_code
        self.code = code


class MigrationError(EvtrackError):
    """A migration cannot be applied or taken back."""

    exit_code = 4


# What the write API refuses: each stands for an SQLSTATE of class EV


class IllegalEvent(EvtrackError):
    """The log refuses an event that is no legal transition (EV001)."""


class Immutable(EvtrackError):
    """The log is never changed, only appended to (EV002)."""


class NoSuchJob(EvtrackError):
    """There is no such job, batch or worker (EV003)."""


class JobDropped(NoSuchJob):
    """Retention dropped the job; the ledger knows it still.

    Args:
        job_id: The job.
        dropped_at: When, in words.
        archive: The folder that holds its log, or None.
    """

    def __init__(self, *, job_id: int, dropped_at: str, archive: str | None) -> None:
        where = f"archived to {archive}" if archive else "not archived"
        super().__init__(
            f"Job {job_id} was dropped on {dropped_at}, {where}.",
            hint=f"`evtrack status {job_id}` shows what is left of it"
            + (f"; `evtrack archive restore {quote(archive)} --job {job_id}` brings its log back." if archive else "."),
        )
        self.job_id = job_id
        self.archive = archive


class JobPhaseError(EvtrackError):
    """The job is in a phase that does not allow this (EV004)."""


class SubmissionLost(EvtrackError):
    """Another process submits this job, or took it over (EV005)."""


class WorkerLost(EvtrackError):
    """This worker was declared lost and no longer holds its batches (EV006)."""


# Handlers and sources


class UnknownHandler(EvtrackError):
    """No handler of that name is offered.

    Args:
        name: The name that was asked for.
        known: The names that are offered.
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
    """A handler's module does not import.

    Args:
        module: The module's name.
        traceback: The module's own traceback, shown once.
    """

    def __init__(self, module: str, *, traceback: str) -> None:
        super().__init__(
            f"The module {quoted(module)} does not import:\n{traceback.rstrip()}",
            hint="Mend the module, or install what it needs into the environment that evtrack runs in.",
        )
        self.module = module
        self.traceback = traceback


class SourceNotFound(EvtrackError):
    """A source of items does not exist or cannot be read.

    Args:
        path: What was asked for.
        reason: Why it cannot be read.
        hint: What to do next.
    """

    def __init__(self, path: str, *, reason: str = "no such file or folder", hint: str = "") -> None:
        super().__init__(f"Cannot read the source {quoted(path)}: {reason}.", hint=hint)
        self.path = path
        self.reason = reason


class SourceChanged(SourceNotFound):
    """A source is not what it was when its job was submitted, so that the submission cannot go on.

    Args:
        path: The source.
        reason: In what it differs.
    """

    def __init__(self, path: str, *, reason: str) -> None:
        super().__init__(
            path, reason=reason, hint="Bring the source back as it was, or cancel the job and submit the new one."
        )


class QueueFull(EvtrackError):
    """The queue stayed full for as long as the submitter was ready to wait.

    Args:
        waited_s: How long it waited, in seconds.
        pending: How many batches were pending at the end.
        limit: How many may be.
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
    """Another cleanup or restore is at work on this database."""


class ArchiveError(EvtrackError):
    """An archive cannot be written or read."""


class ArchiveDamaged(ArchiveError):
    """An archive is not what its manifest says.

    Args:
        folder: The archive.
        differences: What differs, a line each.
    """

    def __init__(self, folder: str, *, differences: Iterable[str]) -> None:
        self.folder = folder
        self.differences = tuple(differences)
        super().__init__(
            f"The archive {folder} is damaged:\n" + "\n".join(f"  {each}" for each in self.differences),
            hint="Bring it back from a copy, or move it away if the database still holds the day.",
        )
