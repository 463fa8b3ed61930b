"""A worker that is killed before its grace is over, as `docker stop` and a drained node do it, blames nobody."""

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from client import Client
from polling import eventually
from workers import alive, descendants, items_begun, running_worker, statuses, submit, worker_process

pytestmark = [pytest.mark.integration, pytest.mark.crash]


@pytest.mark.parametrize("order", ["supervisor first", "slots first"])
@pytest.mark.parametrize("successor", ["same host", "elsewhere"])
def test_what_is_killed_while_it_stops_returns_to_the_queue(
    queue: Client, dsn: str, tmp_path: Path, order: str, successor: str
) -> None:
    trace = tmp_path / "trace"
    batch = [json.dumps({"do": "sleep", "s": 60, "trace": str(trace)}), '{"return": 1}']
    job = submit(queue, *batch * 2, batch_size=2, per_item=True)
    state = str(tmp_path / "state")
    with worker_process(dsn, "--slots", "2", "--state-dir", state) as worker:
        eventually(lambda: items_begun(trace, 2), 30)
        every = [worker.pid, *descendants(worker.pid)]
        worker.send_signal(signal.SIGTERM)
        assert any("worker_stopping" in line for line in iter(worker.stderr.readline, ""))
        eventually(lambda: queue.one("SELECT stopping_at IS NOT NULL FROM evtrack.worker"))
        for pid in every if order == "supervisor first" else reversed(every):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        worker.wait(20)
        eventually(lambda: not any(alive(pid) for pid in every), 20)
    other = ["--state-dir", state if successor == "same host" else str(tmp_path / "other")]
    with worker_process(dsn, "--handler", "echo", "--lose-grace", "0.1", *other):
        eventually(lambda: statuses(queue, job) == {"pending": 2}, 40)
    assert [] == queue.rows("SELECT * FROM evtrack.crash")
    assert [] == queue.rows("SELECT data FROM evtrack.event WHERE type = 'crashed'")
    found = queue.rows("SELECT DISTINCT isolation::text, crashes, losses, exclusive_losses FROM evtrack.batch")
    assert [{"isolation": "none", "crashes": 0, "losses": 0, "exclusive_losses": 0}] == found
    reasons = queue.rows("SELECT DISTINCT data ->> 'reason' AS reason FROM evtrack.event WHERE type = 'requeued'")
    assert [{"reason": "stopping"}] == reasons


def test_a_whole_batch_is_not_split_by_a_stop(queue: Client, dsn: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    item = json.dumps({"do": "sleep", "s": 60, "trace": str(trace)})
    job = submit(queue, item, '{"return": 1}', batch_size=2, handler="scripted batch")
    with worker_process(dsn, "--slots", "1", "--state-dir", str(tmp_path / "state")) as worker:
        eventually(lambda: items_begun(trace, 1), 30)
        every = [worker.pid, *descendants(worker.pid)]
        worker.send_signal(signal.SIGTERM)
        assert any("worker_stopping" in line for line in iter(worker.stderr.readline, ""))
        eventually(lambda: queue.one("SELECT stopping_at IS NOT NULL FROM evtrack.worker"))
        for pid in reversed(every):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        worker.wait(20)
    with running_worker(dsn, only=["echo"], lose_grace_s=0.1):
        eventually(lambda: statuses(queue, job) == {"pending": 1}, 40)
    assert [] == queue.rows("SELECT * FROM evtrack.crash")
    assert [{"isolation": "none", "crashes": 0}] == queue.rows("SELECT isolation::text, crashes FROM evtrack.batch")
