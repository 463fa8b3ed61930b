"""A submission goes on after the database was away, and submits every item once."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import servers
from client import Client
from command_line import environment, evtrack_command
from evtrack.domain.database_errors import CannotConnect, PermissionDenied, TransientError
from evtrack.domain.errors import EvtrackError, SubmissionLost
from evtrack.runtime.submit import job_session
from evtrack.runtime.submit.submission import JobSpec, begin, files, recipe
from evtrack.runtime.submit.submitter import Submitter
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.connection.patience import Patience
from evtrack.storage.submission.open_job import add_chunk
from polling import eventually

pytestmark = pytest.mark.integration

ITEMS = 40


@pytest.fixture
def submitter(dsn: str, tmp_path: Path) -> Iterator[Submitter]:
    """A submitter of 40 items that writes a chunk each 2 batches of 5."""
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"id":{n}}}\n' for n in range(ITEMS)))
    made = recipe(key=("id",), batch_size=5)
    with connect(dsn, purpose="submit") as conn:
        patience = Patience(limit_s=20, waits_at_start=True)
        source = files([str(path)], made)
        submitted = begin(
            conn, source=source, recipe=made, spec=JobSpec(handler="h"), max_pending=4, max_wait_s=60, patience=patience
        )
        yield submitted


@pytest.fixture
def client(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> Client:
    """The queue of the submitter, which is never full."""
    monkeypatch.setattr("evtrack.runtime.submit.submitter.pending_batches", lambda *_: 0)
    return Client(conn, "h")


def submitted(client: Client) -> list[str]:
    """Return the keys of all items, in order."""
    return [row["item_key"] for row in client.rows("SELECT item_key FROM evtrack.payload ORDER BY ordinal")]


def failing(call: int, fault: Callable[[Connection], None], *, after: bool) -> Callable[..., int]:
    """Return `add_chunk`, with a fault before or after the commit of one of the chunks."""
    calls = iter(range(1000))

    def add(conn: Connection, *args: Any) -> int:
        number = next(calls)
        if number == call and not after:
            fault(conn)
        done = add_chunk(conn, *args)
        if number == call and after:
            fault(conn)
        return done

    return add


@pytest.mark.parametrize("after", [False, True])
def test_a_chunk_is_written_once_whenever_the_connection_is_lost(
    client: Client, submitter: Submitter, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    def lose(conn: Connection) -> None:
        client.one("SELECT pg_terminate_backend(%s, 10000)", conn.info.backend_pid)
        if after:
            raise TransientError("The connection to the database was lost: in the midst of the commit")

    monkeypatch.setattr(job_session, "add_chunk", failing(1, lose, after=after))
    done = submitter.run()
    assert (ITEMS, 8, True) == (done.items, done.batches, done.sealed)
    assert [str(n) for n in range(ITEMS)] == submitted(client)
    assert 1 == client.types(done.job_id, 0).count("reclaimed")
    client.check(done.job_id)


@pytest.mark.parametrize("is_full", [False, True])
def test_a_server_that_takes_no_writes_for_a_while_is_waited_out(
    client: Client, submitter: Submitter, monkeypatch: pytest.MonkeyPatch, *, is_full: bool
) -> None:
    faults = iter(range(3))

    def add(conn: Connection, *args: Any) -> int:
        if next(faults, None) is not None:
            if is_full:
                raise TransientError("no space left on device", sqlstate="53100")
            # A demoted primary stays read-only: only another connection leads to the new one.
            conn.execute("SET default_transaction_read_only = on")
        return add_chunk(conn, *args)

    monkeypatch.setattr(job_session, "add_chunk", add)
    assert submitter.run().sealed
    assert [str(n) for n in range(ITEMS)] == submitted(client)
    assert (0 if is_full else 3) == client.types(submitter.job_id, 0).count("reclaimed")


def test_another_submitter_that_took_over_is_left_alone(
    dsn: str, client: Client, submitter: Submitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:

        def take_over(conn: Connection) -> None:
            client.one("SELECT pg_terminate_backend(%s, 10000)", conn.info.backend_pid)
            heir = stack.enter_context(connect(dsn, purpose="heir"))
            heir.execute("SELECT evtrack.reclaim(%s)", (submitter.job_id,))
            monkeypatch.setattr(submitter._session, "_patience", Patience(limit_s=0.3, waits_at_start=True))

        monkeypatch.setattr(job_session, "add_chunk", failing(1, take_over, after=False))
        with pytest.raises(CannotConnect, match="is still being submitted") as refused:
            submitter.run()
        assert f"evtrack submit --resume {submitter.job_id}" in refused.value.hint


def test_a_job_that_is_not_as_it_was_left_is_left_alone(
    client: Client, submitter: Submitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(conn: Connection) -> None:
        client.one("SELECT pg_terminate_backend(%s, 10000)", conn.info.backend_pid)
        # As after a failover that lost the chunk before.
        monkeypatch.setattr(submitter._session, "_items", submitter._session._items + 10)

    monkeypatch.setattr(job_session, "add_chunk", failing(2, lose, after=False))
    with pytest.raises(SubmissionLost, match="is not as this submitter left it"):
        submitter.run()


def test_an_outage_may_last_only_so_long(client: Client, submitter: Submitter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitter._session, "_patience", Patience(limit_s=0.2, waits_at_start=True))

    def refuse(*_: Any) -> int:
        raise TransientError("no space left", sqlstate="53100")

    monkeypatch.setattr(job_session, "add_chunk", refuse)
    with pytest.raises(TransientError, match="no space left") as refused:
        submitter.run()
    assert f"evtrack submit --resume {submitter.job_id}" in refused.value.hint
    assert "open" == client.phase(submitter.job_id)


def test_a_missing_right_is_reported_at_once(submitter: Submitter, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> int:
        raise PermissionDenied("permission denied for table payload")

    monkeypatch.setattr(job_session, "add_chunk", refuse)
    with pytest.raises(PermissionDenied):
        submitter.run()


class Observer:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def failed(self, error: EvtrackError, *, failures: int, retry_in_s: float) -> None:
        assert error.is_passing
        assert 0 < retry_in_s <= 1
        self.calls.append(failures)

    def recovered(self, *, failures: int) -> None:
        self.calls.append(-failures)


def test_waiting_begins_with_the_first_answer_and_is_reported() -> None:
    observer, away = Observer(), CannotConnect("away")
    patience = Patience(limit_s=5, observer=observer)
    with pytest.raises(CannotConnect):
        patience.wait(away)
    patience.answered()
    patience.wait(away)
    patience.wait(away)
    patience.answered()
    patience.answered()
    with pytest.raises(SubmissionLost):
        patience.wait(SubmissionLost("it is"))
    assert [1, 2, -2] == observer.calls
    early = Patience(limit_s=5, waits_at_start=True)
    early.wait(away)
    with pytest.raises(PermissionDenied):
        early.wait(PermissionDenied("no"))


@pytest.mark.slow
def test_commands_go_on_after_a_restart_of_the_server(tmp_path: Path) -> None:
    with servers.one_of_its_own() as (dsn, restart), ExitStack() as stack:

        def start(name: str, *words: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
            with (tmp_path / name).open("w") as out, (tmp_path / f"{name}.err").open("w") as err:
                process = subprocess.Popen(
                    evtrack_command(*words, "--dsn", dsn),
                    stdin=stdin, stdout=out, stderr=err, env=environment(), text=True, bufsize=1,
                )  # fmt: skip
            stack.callback(process.wait)
            stack.callback(process.send_signal, signal.SIGKILL)
            return process

        def said(name: str) -> str:
            return (tmp_path / name).read_text()

        words = ("submit", "-", "--handler", "upper", "--key", "id", "--batch-size", "1")
        submitting = start("submit", *words, stdin=subprocess.PIPE)
        assert submitting.stdin
        submitting.stdin.write('{"id": 1}\n{"id": 2}\n')
        submitting.stdin.flush()
        with connect(dsn, purpose="test") as conn:
            eventually(lambda: Client(conn).one("SELECT count(*) FROM evtrack.batch_status"), 20)
        following = [
            start("progress", "progress", "1", "--follow", "--json"),
            start("job", "events", "1", "--follow", "--json"),
            start("all", "events", "--follow", "--json"),
        ]
        eventually(lambda: all(said(name).count("\n") for name in ("progress", "job", "all")), 20)
        words = ("run", "-", "--exec", "up=cat", "--handler", "up", "--key", "id", "--batch-size", "1")
        running = start("run", *words, "--slots", "1", stdin=subprocess.PIPE)
        assert running.stdin
        running.stdin.write('{"id": 1}\n{"id": 2}\n')
        running.stdin.flush()
        with connect(dsn, purpose="test") as conn:
            done = "SELECT count(*) FROM evtrack.batch_status WHERE status = 'completed'"
            eventually(lambda: Client(conn).one(done), 30)
        restart()
        running.stdin.write('{"id": 3}\n')
        running.stdin.close()
        assert 0 == running.wait(60), said("run.err")
        submitting.stdin.write('{"id": 3}\n')
        submitting.stdin.close()
        assert 0 == submitting.wait(30), said("submit.err")
        assert "1\n" == said("submit")
        with connect(dsn, purpose="test") as conn:
            Client(conn).one("SELECT evtrack.cancel(1)")
            total = Client(conn).one("SELECT count(*) FROM evtrack.event WHERE job_id = 1")
            everything = Client(conn).one("SELECT count(*) FROM evtrack.event")
        for process in following[:2]:
            assert 0 == process.wait(30), (said("progress.err"), said("job.err"))
        eventually(lambda: everything == said("all").count("\n"), 20)
        versions = [(row["batch_no"], row["version"]) for row in map(json.loads, said("job").splitlines())]
        assert total == len(versions) == len(set(versions))
        assert '"phase": "cancelled"' in said("progress")
        for name in ("submit", "run", "progress", "job", "all"):
            assert "database_error" in said(f"{name}.err")
            assert "database_reconnected" in said(f"{name}.err")
