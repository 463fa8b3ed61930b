"""The fork server starts slots, reports how each ended, and takes them with it when it dies."""

import os
import resource
import signal
import subprocess
import sys

import pytest

from evtrack.runtime.worker.slots import fork_server_client
from evtrack.runtime.worker.slots.fork_server_client import (
    ForkServerClient,
    ForkServerGone,
    close_ahead,
    start_ahead,
    take_fork_server,
)
from polling import eventually
from slot_driver import claimed_batch, slot
from workers import alive

pytestmark = pytest.mark.crash


def test_slots_do_not_share_imported_modules() -> None:
    with slot() as one, slot() as other:
        assert one.process.pid != other.process.pid
        assert os.getpgid(one.process.pid) == one.process.pid, "a kill reaches what it has started, and no other slot"
        one.give(claimed_batch({"do": "exit"}))
        assert 3 == os.waitstatus_to_exitcode(one.wait_for_exit().wait_status or 0)
        other.give(claimed_batch({"return": 1}))
        assert other.receive(1)


def test_a_fork_server_that_does_not_answer_is_killed_with_its_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fork_server_client, "_REPLY_S", 0.2)
    with slot() as one:
        os.kill(one.process._fork_server.pid, signal.SIGSTOP)
        death = one.wait_for_exit(10)
        assert death.wait_status is None
        eventually(lambda: not alive(one.process.pid))


def test_a_dead_fork_server_starts_no_slots() -> None:
    forks = ForkServerClient()
    forks.close()
    forks.close()
    with pytest.raises(ForkServerGone):
        forks.start(0, 0, 0)
    with pytest.raises(ForkServerGone):
        forks.poll(1)


def test_a_fork_server_that_is_started_ahead_is_the_workers_unless_its_slots_would_inherit_other_things(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    monkeypatch.setenv("OF_SLOTS", "1")
    for open_files, differs in ((limit, "OF_SLOTS"), (limit - 1, "HOME")):
        start_ahead()
        (ahead,) = fork_server_client._ahead
        monkeypatch.setenv(differs, "2")
        other = take_fork_server(open_files, [])
        other.close()
        assert other.pid != ahead.pid
        assert not alive(ahead.pid), "nothing of the worker stays beside the one that it uses"
    start_ahead()
    (ahead,) = fork_server_client._ahead
    assert take_fork_server(limit, []) is ahead
    ahead.close()
    start_ahead()
    (unused,) = fork_server_client._ahead
    close_ahead()
    assert not alive(unused.pid)


def test_a_slot_starts_without_the_packages_that_only_the_supervisor_needs() -> None:
    script = "import sys, evtrack.runtime.slot.fork_server; print({'pydantic', 'psycopg', 'psutil'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "set()\n" == done.stdout
