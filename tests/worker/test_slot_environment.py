"""What a slot gets from its worker: no secrets of evtrack, a limit of open files, and the worker's database."""

import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from client import Client
from command_line import environment, evtrack, evtrack_command
from evtrack.domain.errors import BadArgument
from evtrack.runtime.slot.protocol import Setup
from evtrack.runtime.worker.slots import fork_server_client
from evtrack.runtime.worker.slots.fork_server_client import reserve_open_files, slot_environment
from slot_driver import claimed_batch, slot
from workers import HANDLER_DIRECTORY, statuses, submit

SECRETS = {
    "EVTRACK_DSN": "postgresql://u:s3cr3t-1@h/db",
    "EVTRACK_WEBHOOK_SECRET": "s3cr3t-2",
    "EVTRACK_LOG_LEVEL": "debug",
    "DATABASE_URL": "postgresql://u:s3cr3t-3@h/db",
    "PGPASSWORD": "s3cr3t-4",
}


def test_evtracks_own_variables_and_secrets_are_taken_out() -> None:
    given = {**SECRETS, "PGHOST": "h", "MINE": "1", "EVTRACK_SLOT": "1:2"}
    assert {"PGHOST": "h", "MINE": "1"} == slot_environment(given)
    kept = slot_environment(given, ["DATABASE_URL", "EVTRACK_SLOT"])
    assert {"PGHOST": "h", "MINE": "1", "DATABASE_URL": given["DATABASE_URL"]} == kept


def test_no_process_of_a_slot_was_started_with_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KEPT_FOR_TEST", "kept")
    program = ["/bin/sh", "-c", "cat >&2; cat /proc/$$/environ >&2; env >&2; echo 5"]
    with slot(Setup([], {"program": program}, [], HANDLER_DIRECTORY)) as one:
        one.give(claimed_batch({}, handler="program"))
        one.receive(1)
        pids = (one.process.pid, one.process._fork_server.pid)
        texts = [one.process.stderr.tail, *(Path(f"/proc/{pid}/environ").read_text() for pid in pids)]
    for text in texts:
        assert "KEPT_FOR_TEST=kept" in text
        assert "s3cr3t" not in text
        assert "EVTRACK_DSN" not in text


ENQUEUES = """
import os
import evtrack

@evtrack.handler("scripted")
def scripted(item):
    assert "EVTRACK_DSN" not in os.environ
    return evtrack.enqueue([{"n": 1}], handler="another")
"""


@pytest.mark.integration
@pytest.mark.parametrize("how", ["--dsn", "EVTRACK_DSN"])
def test_a_handler_submits_to_the_database_of_its_worker(how: str, dsn: str, queue: Client, tmp_path: Path) -> None:
    (tmp_path / "enqueues.py").write_text(ENQUEUES)
    job = submit(queue, "{}")
    words = ["work", "--import", "enqueues", "--slots", "1", "--drain"]
    where = {"EVTRACK_DSN": dsn} if how == "EVTRACK_DSN" else {}
    ended = evtrack(*words, *([] if where else ["--dsn", dsn]), env=where, cwd=tmp_path)
    assert 0 == ended.returncode, ended.stderr
    assert {"completed": 1} == statuses(queue, job)
    assert 1 == queue.one("SELECT count(*) FROM evtrack.job WHERE handler = 'another'")


@pytest.fixture
def _limits_as_before() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("_limits_as_before")
def test_the_limit_of_open_files_is_raised_for_the_worker_and_not_for_slots() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    assert 256 == reserve_open_files(100)
    assert 64 + 4 * 201 == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert 64 + 4 * 201 == reserve_open_files(1), "it is never lowered"
    program = ["/bin/sh", "-c", "cat >/dev/null; ulimit -Sn"]
    client = fork_server_client.ForkServerClient
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("slot_driver.ForkServerClient", lambda: client(open_files=256))
        with slot(Setup([], {"program": program}, [], HANDLER_DIRECTORY)) as one:
            one.give(claimed_batch({}, handler="program"))
            (frame,) = one.receive(1)
    assert [b"256"] == frame.results


def test_slots_that_do_not_fit_are_refused_with_how_many_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (512, 1024))
    raised = list[tuple[int, int]]()
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: raised.append(limits))
    with pytest.raises(BadArgument, match=r"256 slots need 1092 open files, .* 1024: at most 239 slots fit"):
        reserve_open_files(256)
    assert [] == raised
    assert 512 == reserve_open_files(239)
    assert [(1024, 1024)] == raised


@pytest.mark.integration
def test_a_worker_that_may_not_open_enough_files_says_so_before_it_registers(dsn: str, queue: Client) -> None:

    words = evtrack_command("work", "--dsn", dsn, "--import", "misbehaving_handlers", "--slots", "256")
    ended = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -n 512; exec "$@"', "sh", *words],
        check=False,
        capture_output=True,
        text=True,
        env=environment(),
        cwd=HANDLER_DIRECTORY,
        timeout=30,
    )
    assert 1 == ended.returncode
    assert "at most 111 slots fit" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert 0 == queue.one("SELECT count(*) FROM evtrack.worker")
