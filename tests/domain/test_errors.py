"""The errors: what each one reports, what to do next, and the exit code of the command that it ends."""

import pytest

from evtrack.domain import database_errors, errors
from evtrack.domain.database_errors import ErrorScope, error_scope

DIVERGED_HINT = (
    "Read the log again from the beginning, and replace what you stored, by job_id, batch_no and version: "
    "docs/operations.md, Failover."
)
OUTPUT_HINT = "Free some space, or send it elsewhere. What the command did is done: evtrack status shows it."
HANDLER_HINT = "Name the module that defines it with --import MODULE, or a program with --exec NAME=COMMAND."
READ_ONLY_SETTING = "default_transaction_read_only is on for this user, this database or the server: turn it off there"


@pytest.mark.parametrize(
    ("message", "hint", "error"),
    [
        ("An argument has an invalid value.", "", errors.BadArgument()),
        ("Something else.", "Do it.", errors.EvtrackError("Something else.", hint="Do it.")),
        (
            "The exporter needs a package that is not installed.",
            "Install it: pip install 'evtrack[otel]'",
            errors.NotInstalled("The exporter", extra="otel"),
        ),
        ("The output cannot be written to stdout: disk full.", OUTPUT_HINT, errors.OutputLost("disk full")),
        ("It is gone.", DIVERGED_HINT, errors.LogDiverged("It is gone.")),
        ("The log cannot be written to stdout: x.", "y", errors.OutputLost("x", what="The log", hint="y")),
        (
            "This database session is read-only.",
            f"Either the server is a standby: connect to the primary. Or {READ_ONLY_SETTING}.",
            database_errors.ReadOnly(),
        ),
        ("m", "The server is a standby: connect to the primary.", database_errors.ReadOnly("m", standby=True)),
        (
            "m",
            f"The setting {READ_ONLY_SETTING}, or connect as another user.",
            database_errors.ReadOnly("m", standby=False),
        ),
        ("m", "h", database_errors.StorageError("m", sqlstate="42P01", hint="h")),
        (
            "The database has version 3 of evtrack's schema, but this evtrack needs version 5.",
            "Run `evtrack migrate up` as the schema's owner.",
            database_errors.SchemaTooOld(found=3, wanted=5),
        ),
        (
            "The database has version 9 of evtrack's schema, which needs evtrack 2.0 or later; this is evtrack 1.5.",
            "Install evtrack 2.0 or later.",
            database_errors.SchemaTooNew(found=9, least_code="2.0", code="1.5"),
        ),
        (
            "Job 3 was dropped on 2026-11-24, not archived.",
            "`evtrack status 3` shows what is left of it.",
            errors.JobDropped(job_id=3, dropped_at="2026-11-24", archive=None),
        ),
        (
            "Job 3 was dropped on 2026-11-24, archived to /a b.",
            "`evtrack status 3` shows what is left of it; `evtrack archive restore '/a b' --job 3` restores its log.",
            errors.JobDropped(job_id=3, dropped_at="2026-11-24", archive="/a b"),
        ),
        ("No handler is named 'x'; offered here: none.", HANDLER_HINT, errors.UnknownHandler("x")),
        (
            "No handler is named 'x'; offered here: a, b.",
            "h",
            errors.UnknownHandler("x", known=iter(["b", "a"]), hint="h"),
        ),
        (
            "Cannot import the module 'm':\nTraceback",
            "Fix the module, or install what it needs into the environment that evtrack runs in.",
            errors.HandlerImportError("m", traceback="Traceback\n"),
        ),
        ("Cannot read the source 'a.json': no such file or directory.", "", errors.SourceNotFound("a.json")),
        ("Cannot read the source 'a': r.", "h", errors.SourceNotFound("a", reason="r", hint="h")),
        (
            "Cannot read the source 'a': it has changed.",
            "Restore the source as it was, or cancel the job and submit the new one.",
            errors.SourceChanged("a", reason="it has changed"),
        ),
        (
            "The queue is full: 7 batches pending, at most 5 allowed, waited 1.2 s.",
            "Start more workers, or raise --max-pending.",
            errors.QueueFull(waited_s=1.23, pending=7, limit=5),
        ),
        (
            "The archive /a is damaged:\n  x differs\n  y is missing",
            "Restore it from a copy, or move it away if the database still has the day.",
            errors.ArchiveDamaged("/a", differences=["x differs", "y is missing"]),
        ),
    ],
)
def test_an_error_reports_what_is_wrong_and_what_to_do_next(
    message: str, hint: str, error: errors.EvtrackError
) -> None:
    assert (message, hint) == (error.message, error.hint)
    assert (f"{message}\n{hint}" if hint else message) == str(error)


@pytest.mark.parametrize(
    ("lost", "sqlstate"),
    [(True, None), (True, "08006"), (True, "57P01"), (True, "25P03"), (False, "40001"), (False, "57014")],
)
def test_a_transient_error_may_have_lost_the_connection(lost: bool, sqlstate: str | None) -> None:  # noqa: FBT001
    assert lost is database_errors.TransientError(sqlstate=sqlstate).connection_lost


@pytest.mark.parametrize(
    "error",
    [
        database_errors.CannotConnect(),
        database_errors.TransientError(),
        database_errors.TransientError(sqlstate="40P01"),
        database_errors.PermissionDenied(),
        database_errors.ReadOnly(),
        database_errors.SchemaMissing(),
        database_errors.SchemaTooOld(found=1, wanted=2),
        *(
            database_errors.StorageError(sqlstate=sqlstate)
            for sqlstate in (
                *("25P02", "28000", "28P01", "3D000", "3F000", "42883", "53100", "53200", "53300", "53400"),
                *("55000", "55006", "57014", "58000", "58030", "58P01", "F0000", "XX000", "XX001", "0A000"),
            )
        ),
    ],
)
def test_an_error_that_is_not_about_the_data_may_pass(error: errors.EvtrackError) -> None:
    assert error.is_passing


@pytest.mark.parametrize(
    "error",
    [
        errors.EvtrackError(),
        errors.IllegalEvent(),
        errors.WorkerLost(),
        errors.BadArgument("not valid UTF-8"),
        database_errors.StorageError("a NUL byte"),
        *(
            database_errors.StorageError(sqlstate=sqlstate)
            for sqlstate in ("21000", "22003", "22P02", "23502", "23505", "44000", "54000", "P0001")
        ),
    ],
)
def test_an_error_about_the_data_stays(error: errors.EvtrackError) -> None:
    assert not error.is_passing


@pytest.mark.parametrize(
    ("scope", "error"),
    [
        (ErrorScope.SERVER, database_errors.CannotConnect()),
        (ErrorScope.SERVER, database_errors.TransientError()),
        (ErrorScope.SERVER, database_errors.ReadOnly()),
        (ErrorScope.SERVER, database_errors.SchemaMissing()),
        *(
            (ErrorScope.SERVER, database_errors.StorageError(sqlstate=sqlstate))
            for sqlstate in (
                *("08P01", "25P02", "26000", "28000", "3D000", "53100"),
                *("53300", "55000", "57P05", "58030", "F0000"),
            )
        ),
        (ErrorScope.CALL, database_errors.TransientError(sqlstate="40P01")),
        (ErrorScope.CALL, database_errors.TransientError(sqlstate="55P03")),
        (ErrorScope.CALL, database_errors.StorageError(sqlstate="53200")),
        (ErrorScope.CALL, database_errors.StorageError(sqlstate="57014")),
        (ErrorScope.UNCLEAR, database_errors.StorageError(sqlstate="XX001")),
        (ErrorScope.UNCLEAR, database_errors.StorageError(sqlstate="54001")),
        (ErrorScope.UNCLEAR, database_errors.StorageError(sqlstate="42883")),
        (ErrorScope.DATA, database_errors.StorageError(sqlstate="22P02")),
        (ErrorScope.DATA, database_errors.StorageError("a NUL byte")),
        (ErrorScope.DATA, errors.BadArgument("not valid UTF-8")),
    ],
)
def test_an_error_is_about_the_server_the_call_or_its_data(scope: ErrorScope, error: errors.EvtrackError) -> None:
    assert scope is error_scope(error)


def test_errors_have_exit_codes() -> None:
    assert {
        "EvtrackError": 1,
        "OutputLost": 74,
        "NoServer": 5,
        "CannotConnect": 5,
        "NoFreeConnection": 5,
        "ReadOnly": 5,
        "SchemaMissing": 4,
        "SchemaTooOld": 4,
        "SchemaTooNew": 4,
        "MigrationError": 4,
        "LimitTooLow": 2,
        "LogDiverged": 6,
    } == {
        name: kind.exit_code
        for name, kind in {**vars(errors), **vars(database_errors)}.items()
        if "exit_code" in getattr(kind, "__dict__", ())
    }


def test_fields_of_errors_can_be_read() -> None:
    assert ("The exporter", "otel") == vars_of(errors.NotInstalled("The exporter", extra="otel"))
    assert ("42P01",) == vars_of(database_errors.StorageError(sqlstate="42P01"))
    assert (3, 5) == vars_of(database_errors.SchemaTooOld(found=3, wanted=5))
    assert (9, "2", "1") == vars_of(database_errors.SchemaTooNew(found=9, least_code="2", code="1"))
    assert (3, "/a") == vars_of(errors.JobDropped(job_id=3, dropped_at="", archive="/a"))
    assert ("x", ("a", "b")) == vars_of(errors.UnknownHandler("x", known=["b", "a"]))
    assert ("m", "T") == vars_of(errors.HandlerImportError("m", traceback="T"))
    assert ("a", "r") == vars_of(errors.SourceChanged("a", reason="r"))
    assert (1.5, 7, 5) == vars_of(errors.QueueFull(waited_s=1.5, pending=7, limit=5))
    assert ("/a", ("x",)) == vars_of(errors.ArchiveDamaged("/a", differences=iter(["x"])))


def vars_of(error: errors.EvtrackError) -> tuple[object, ...]:
    """Return an error's own fields."""
    return tuple(value for name, value in vars(error).items() if name not in {"message", "hint"})


@pytest.mark.parametrize(
    ("error", "waits"),
    [
        (database_errors.CannotConnect("connection refused"), False),
        (database_errors.CannotConnect("too many connections", ends_by_itself=True), True),
        (database_errors.ReadOnly(), True),
        (database_errors.TransientError("starting up", sqlstate="57P03"), True),
        (database_errors.TransientError("lost"), True),
        (database_errors.StorageError("too many connections", sqlstate="53300"), True),
        (database_errors.TransientError("deadlock", sqlstate="40P01"), False),
        (database_errors.PermissionDenied("no"), False),
        (database_errors.SchemaMissing("no"), False),
        (errors.BadArgument("no"), False),
    ],
)
def test_a_worker_waits_at_its_start_only_for_what_ends_by_itself(error: errors.EvtrackError, *, waits: bool) -> None:
    assert database_errors.is_worth_waiting(error) is waits
