"""The errors of reaching and using the database, and of the schema in it."""

from enum import Enum
from typing import Final

from evtrack.domain.errors import EvtrackError

# cardinality, data exception, integrity constraint, WITH CHECK OPTION, a value above a limit, a trigger's RAISE
_ABOUT_DATA: Final = ("21", "22", "23", "44", "54000", "P0001")

# connection, state of the transaction, a prepared statement that the session lacks, authorization, database name,
# rollback, resources, state of an object, operator, system, configuration file
_ABOUT_SERVER: Final = ("08", "25", "26", "28", "3D", "40", "53", "55", "57", "58", "F0")

# serialization failure, deadlock, out of memory, lock timeout, statement timeout or cancel
_ABOUT_CALL: Final = ("40001", "40P01", "53200", "55P03", "57014")


# too many connections, cannot connect now
_NOT_NOW: Final = ("53300", "57P03")


class _PassingError(EvtrackError):
    """The server, the network or an operator prevents a call; none of them looks at its data."""

    @property
    def is_passing(self) -> bool:
        """Whether the same call may succeed later although its data is the same."""
        return True


class NoServer(EvtrackError):
    """No PostgreSQL server is configured, and the embedded one is not installed."""

    exit_code = 5


class CannotConnect(_PassingError):
    """The PostgreSQL server cannot be reached, or refuses the connection.

    Args:
        message: The reason.
        hint: What to do next.
        ends_by_itself: Whether the server answers, and says that it takes no connections now, or no writes.
    """

    exit_code = 5

    def __init__(self, message: str = "", *, hint: str = "", ends_by_itself: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.ends_by_itself = ends_by_itself


class NoFreeConnection(_PassingError):
    """All connections of a pool are in use."""

    exit_code = 5


class TransientError(_PassingError):
    """The database aborted this transaction; a retry may succeed.

    Args:
        message: The database's message.
        sqlstate: Its five-character code, or None when the connection was lost.
        hint: What to do next.
    """

    def __init__(self, message: str = "", *, sqlstate: str | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.sqlstate = sqlstate

    @property
    def connection_lost(self) -> bool:
        """Whether the connection was lost, so it is unknown whether the commit succeeded."""
        return self.sqlstate is None or self.sqlstate.startswith(("08", "57P", "25P03"))


class PermissionDenied(_PassingError):
    """The database role may not do this."""


class ReadOnly(PermissionDenied):
    """This database session is read-only.

    Args:
        message: The database's message.
        standby: Whether the server is a standby; None if unknown.
    """

    exit_code = 5

    def __init__(self, message: str = "", *, standby: bool | None = None) -> None:
        setting = "default_transaction_read_only is on for this user, this database or the server: turn it off there"
        hint = {
            None: f"Either the server is a standby: connect to the primary. Or {setting}.",
            True: "The server is a standby: connect to the primary.",
            False: f"The setting {setting}, or connect as another user.",
        }[standby]
        super().__init__(message, hint=hint)


class StorageError(EvtrackError):
    """The database rejected a statement for a reason that evtrack does not handle.

    Args:
        message: The database's message.
        sqlstate: Its five-character code.
        hint: The database's hint.
    """

    def __init__(self, message: str = "", *, sqlstate: str | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.sqlstate = sqlstate

    @property
    def is_passing(self) -> bool:
        """Whether the same call may succeed later although its data is the same.

        Only what the server says about the data itself stays: every other reason may go away, such as a full disk, a
        read-only session, a wrong setting or a defect that is repaired. The client refuses data without an SQLSTATE.
        """
        return self.sqlstate is not None and not self.sqlstate.startswith(_ABOUT_DATA)


class SchemaMissing(_PassingError):
    """This database has no evtrack schema."""

    exit_code = 4


class SchemaTooOld(_PassingError):
    """The database's schema is older than this evtrack.

    Args:
        found: The database's schema version.
        wanted: The version that this evtrack needs.
    """

    exit_code = 4

    def __init__(self, *, found: int, wanted: int) -> None:
        super().__init__(
            f"The database has version {found} of evtrack's schema, but this evtrack needs version {wanted}.",
            hint="Run `evtrack migrate up` as the schema's owner.",
        )
        self.found = found
        self.wanted = wanted


class SchemaTooNew(EvtrackError):
    """The database's schema needs a newer evtrack.

    Args:
        found: The database's schema version.
        least_code: The oldest evtrack that works with it.
        code: The version of this evtrack.
    """

    exit_code = 4

    def __init__(self, *, found: int, least_code: str, code: str) -> None:
        super().__init__(
            f"The database has version {found} of evtrack's schema, which needs evtrack {least_code} or later; "
            f"this is evtrack {code}.",
            hint=f"Install evtrack {least_code} or later.",
        )
        self.found = found
        self.least_code = least_code
        self.code = code


class MigrationError(EvtrackError):
    """A migration cannot be applied or reverted."""

    exit_code = 4


def is_worth_waiting(error: EvtrackError) -> bool:
    """Return whether a worker or a watcher that meets an error at its start waits, instead of ending with advice.

    It waits while a server answers and takes no connections or no writes now: a standby that is about to be promoted, a
    restart, too many connections.

    Args:
        error: The error.
    """
    if isinstance(error, CannotConnect):
        return error.ends_by_itself
    sqlstate = getattr(error, "sqlstate", "") or ""
    return isinstance(error, ReadOnly) or error.connection_lost or sqlstate in _NOT_NOW


class ErrorScope(Enum):
    """What an error of the database is about, which decides what to do with the data of the call."""

    SERVER = "server"
    """Any call would fail now: keep everything, and wait."""

    CALL = "call"
    """A smaller, later or other call may succeed now: keep the data."""

    UNCLEAR = "unclear"
    """Server or data: the data is at fault only if similar data is accepted meanwhile."""

    DATA = "data"
    """The same data will never be accepted."""


def error_scope(error: EvtrackError) -> ErrorScope:
    """Return what an error of a call to the database is about.

    Args:
        error: The error.
    """
    if not error.is_passing:
        return ErrorScope.DATA
    sqlstate = getattr(error, "sqlstate", None)
    if sqlstate in _ABOUT_CALL:
        return ErrorScope.CALL
    if isinstance(error, StorageError) and not (sqlstate or "").startswith(_ABOUT_SERVER):
        return ErrorScope.UNCLEAR
    return ErrorScope.SERVER
