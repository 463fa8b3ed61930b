"""The fork server starts slots, reports how each ended, and takes them with it when it dies."""

import os
import signal
import subprocess
import sys

import pytest

from evtrack.runtime.worker.slots import fork_server_client
from evtrack.runtime.worker.slots.fork_server_client import ForkServerClient, ForkServerGone
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


def test_a_slot_starts_without_the_packages_that_only_the_supervisor_needs() -> None:
    script = "import sys, evtrack.runtime.slot.fork_server; print({'pydantic', 'psycopg', 'psutil'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "set()\n" == done.stdout
