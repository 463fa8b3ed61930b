"""A worker starts the same way, whatever signals its parent ignores or blocks."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from client import Client
from command_line import environment, evtrack_command
from polling import eventually
from workers import HANDLER_DIRECTORY, items_begun, statuses, submit

pytestmark = [pytest.mark.integration, pytest.mark.crash]

_IGNORE = """
import os, signal, sys
for name in sys.argv[1].split(","):
    signal.signal(getattr(signal, name), signal.SIG_IGN)
os.execv(sys.argv[2], sys.argv[2:])
"""
_BLOCK = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {getattr(signal, name) for name in sys.argv[1].split(",")})
os.execv(sys.argv[2], sys.argv[2:])
"""


def below(parent: str, names: str, dsn: str, *options: str) -> subprocess.Popen[str]:
    """Run a worker whose parent has changed signals before it started it."""
    words = evtrack_command("work", "--dsn", dsn, "--import", "misbehaving_handlers", "--slots", "1", *options)
    argv = [sys.executable, "-c", parent, names, *words]
    return subprocess.Popen(argv, cwd=HANDLER_DIRECTORY, env=environment(), stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("parent", [_IGNORE, _BLOCK], ids=["ignored", "blocked"])
def test_a_crash_costs_one_item(queue: Client, dsn: str, parent: str) -> None:
    items = ['{"return": 1}', '{"do": "segv"}', '{"return": 3}']
    job = submit(queue, *items, batch_size=3, handler="scripted", max_crashes=1, per_item=True)
    with below(parent, "SIGCHLD,SIGTERM,SIGSEGV,SIGUSR1", dsn, "--drain") as worker:
        _, stderr = worker.communicate(timeout=60)
        assert 0 == worker.returncode, stderr
    assert {"completed": 2, "crashed": 1} == statuses(queue, job)
    crashes = queue.rows("SELECT DISTINCT signal, item_key FROM evtrack.crash")
    assert [{"signal": "SIGSEGV", "item_key": "k2"}] == crashes


def test_a_blocked_signal_stops_the_worker(queue: Client, dsn: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    job = submit(queue, json.dumps({"do": "sleep", "s": 1, "trace": str(trace)}))
    with below(_BLOCK, "SIGCHLD,SIGTERM,SIGINT", dsn) as worker:
        eventually(lambda: items_begun(trace, 1), 30)
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=20)
        assert 0 == worker.returncode
    assert {"completed": 1} == statuses(queue, job)


def test_under_nohup_a_worker_survives_sighup(queue: Client, dsn: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    job = submit(queue, json.dumps({"do": "sleep", "s": 1, "trace": str(trace)}))
    with below(_IGNORE, "SIGHUP", dsn) as worker:
        eventually(lambda: items_begun(trace, 1), 30)
        worker.send_signal(signal.SIGHUP)
        eventually(lambda: statuses(queue, job) == {"completed": 1}, 20)
        job = submit(queue, '{"return": 1}')
        eventually(lambda: statuses(queue, job) == {"completed": 1}, 20)
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=20)
        assert 0 == worker.returncode
