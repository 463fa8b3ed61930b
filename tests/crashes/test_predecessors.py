"""Workers that are killed together with their slots: the next one on the host reports what they had in hand."""

import json
import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from client import Client
from command_line import environment, evtrack_command
from evtrack.runtime.slot.shared_page import SharedPage
from evtrack.storage.connection.connect import connect
from polling import eventually
from servers import cloned
from workers import HANDLER_DIRECTORY, items_begun, kill_all

pytestmark = [pytest.mark.integration, pytest.mark.crash]


class Worker:
    """A worker with a state directory, in a session of its own.

    Args:
        log: Where it writes its log.
        state: Its state directory.
        options: Of `evtrack work`.
        variables: Of its environment.
    """

    def __init__(self, dsn: str, log: Path, state: Path, options: Sequence[str], variables: dict[str, str]) -> None:
        self.log = log
        command = evtrack_command("work", "--dsn", dsn, "--import", "misbehaving_handlers", *options)
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                command,
                cwd=HANDLER_DIRECTORY,
                env={**environment(), "EVTRACK_STATE_DIR": str(state), **variables},
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return its log lines of one event."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def stop(self) -> None:
        """Stop it as an operator does."""
        self.process.send_signal(signal.SIGTERM)
        assert 0 == self.process.wait(30)


@contextmanager
def worker(dsn: str, tmp_path: Path, *options: str, state: str = "state", **variables: str) -> Iterator[Worker]:
    """Run a worker that declares no other lost by itself; kill it when the block ends."""
    log = tmp_path / f"log {len(list(tmp_path.glob('log *')))}"
    one = Worker(dsn, log, tmp_path / state, ["--lose-grace", "60", "--lease", "60", *options], variables)
    try:
        yield one
    finally:
        if one.process.poll() is None:
            kill_all(one.process)


def submit(queue: Client, tmp_path: Path, *, items: int, batch_size: int, waiting: Sequence[int], size: int = 1) -> int:
    """Enqueue items that say when they run, and of which some wait until the file "go" exists."""
    texts = []
    for number in range(1, items + 1):
        item = {"trace": str(tmp_path / "trace"), "return": f"{number} {'x' * size}"}
        if number in waiting:
            item |= {"do": "wait for", "path": str(tmp_path / "go")}
        texts.append(json.dumps(item))
    keys = [f"k{number}" for number in range(1, items + 1)]
    return int(queue.one("SELECT evtrack.enqueue('scripted', %s, %s, batch_size => %s)", keys, texts, batch_size))


def batches(queue: Client, job: int) -> dict[tuple[str, str], set[str]]:
    """Return the items of each status and isolation."""
    found: dict[tuple[str, str], set[str]] = {}
    for row in queue.rows(
        "SELECT i.item_key, b.status::text, b.isolation::text FROM evtrack.item_status i"
        " JOIN evtrack.batch b USING (job_id, batch_no) WHERE job_id = %s",
        job,
    ):
        found.setdefault((row["status"], row["isolation"]), set()).add(row["item_key"])
    return found


def finish(queue: Client, tmp_path: Path, job: int) -> Counter[str]:
    """Let the waiting items go on, wait until a job is finished, and return how often each item ran."""
    (tmp_path / "go").touch()
    eventually(lambda: queue.phase(job) == "finished", 40)
    queue.check(job)
    assert [] == queue.rows("SELECT 1 FROM evtrack.crash WHERE poison"), "nobody is to blame"
    results = queue.rows("SELECT item_key, status::text FROM evtrack.item_status WHERE job_id = %s", job)
    assert {"completed"} == {row["status"] for row in results}
    rows = queue.rows("SELECT item_key, result FROM evtrack.item_result WHERE job_id = %s", job)
    assert {row["item_key"]: row["item_key"][1:] for row in results} == {
        row["item_key"]: str(row["result"]).strip('"').split(" ")[0] for row in rows
    }
    return Counter(line.split()[0] for line in (tmp_path / "trace").read_text().splitlines())


def keys(*numbers: int) -> set[str]:
    return {f"k{number}" for number in numbers}


def dead_worker(dsn: str, tmp_path: Path, begun: int, *options: str, **more: Any) -> None:
    """Run a worker until this many items have begun, and kill it with its slots."""
    with worker(dsn, tmp_path, "--slots", "2", *options, **more) as one:
        eventually(lambda: items_begun(tmp_path / "trace", begun), 40)
        kill_all(one.process)


def test_the_items_in_hand_are_known_after_the_first_death(queue: Client, dsn: str, tmp_path: Path) -> None:
    job = submit(queue, tmp_path, items=20, batch_size=10, waiting=[3, 13])
    dead_worker(dsn, tmp_path, 6)
    with worker(dsn, tmp_path, "--slots", "2", EVTRACK_PREVIOUS_EXIT="137") as second:
        (report,) = eventually(lambda: second.events("predecessor_reported"), 40)
        assert (2, 2, 4) == (report["batches"], report["in_hand"], report["items_done"])
        assert "exit code 137 (SIGKILL)" in report["why"]
        suspects = eventually(lambda: {isolation: found for (_, isolation), found in batches(queue, job).items()})
        assert keys(3, 13) == suspects["exclusive"]
        assert keys(*range(4, 11), *range(14, 21)) <= suspects["marked"]
        ran = finish(queue, tmp_path, job)
        second.stop()
    assert keys(3, 13) == {key for key, count in ran.items() if count == 2}
    assert 22 == ran.total(), "nothing that was done ran again, and nothing that had not begun"
    crashes = queue.rows(
        "SELECT data ->> 'item_key' AS item_key, data ->> 'cause' AS cause, data ->> 'why' AS why"
        " FROM evtrack.event WHERE type = 'crashed' ORDER BY 1"
    )
    assert keys(3, 13) == {row["item_key"] for row in crashes}
    assert {"worker_lost"} == {row["cause"] for row in crashes}
    assert all("exit code 137 (SIGKILL)" in row["why"] for row in crashes)
    assert [] == list((tmp_path / "state").iterdir())


def test_finished_items_with_large_results_do_not_run_again(queue: Client, dsn: str, tmp_path: Path) -> None:
    job = submit(queue, tmp_path, items=12, batch_size=12, waiting=[11], size=20_000)
    dead_worker(dsn, tmp_path, 11)
    with worker(dsn, tmp_path):
        ran = finish(queue, tmp_path, job)
    assert {"k11": 2} == {key: count for key, count in ran.items() if count > 1}


def test_a_batch_whose_outcome_was_not_committed_does_not_run_again(queue: Client, dsn: str, tmp_path: Path) -> None:
    job = submit(queue, tmp_path, items=10, batch_size=5, waiting=[5, 10])

    def outcomes() -> int:
        found = 0
        for path in (tmp_path / "state").glob("*/*.page"):
            with path.open("rb") as file:
                found += len(SharedPage.read(file.fileno()).outcomes.latest())
        return found

    with worker(dsn, tmp_path, "--slots", "2") as first:
        eventually(lambda: items_begun(tmp_path / "trace", 10), 40)
        with connect(dsn, purpose="test") as other, other.transaction():
            other.execute("LOCK TABLE evtrack.batch IN EXCLUSIVE MODE")
            (tmp_path / "go").touch()
            eventually(lambda: outcomes() == 2)
            kill_all(first.process)
            # Its server processes still wait for the lock, and would commit what it had sent.
            other.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
    with worker(dsn, tmp_path) as second:
        ran = finish(queue, tmp_path, job)
        (report,) = second.events("predecessor_reported")
    assert (0, 10) == (report["in_hand"], report["items_done"])
    assert {1} == set(ran.values())


def test_a_report_after_the_worker_was_declared_lost_still_helps(queue: Client, dsn: str, tmp_path: Path) -> None:
    job = submit(queue, tmp_path, items=20, batch_size=10, waiting=[3, 13])
    dead_worker(dsn, tmp_path, 6)
    eventually(lambda: queue.rows("SELECT * FROM evtrack.reap('0 s', '1 h')"), 20, every_s=0.1)
    assert {("pending", "marked"): keys(*range(1, 21))} == batches(queue, job)
    with worker(dsn, tmp_path, "--slots", "2") as second:
        (report,) = eventually(lambda: second.events("predecessor_reported"), 40)
        assert (2, 2, 4) == (report["batches"], report["in_hand"], report["items_done"])
        ran = finish(queue, tmp_path, job)
    assert keys(3, 13) == {key for key, count in ran.items() if count == 2}
    assert 22 == ran.total(), "nothing that was done ran again"


def test_a_worker_that_is_killed_while_it_stops_leaves_no_suspects(queue: Client, dsn: str, tmp_path: Path) -> None:
    job = submit(queue, tmp_path, items=20, batch_size=10, waiting=[3, 13])
    with worker(dsn, tmp_path, "--slots", "2", "--grace", "60") as first:
        eventually(lambda: items_begun(tmp_path / "trace", 6), 40)
        first.process.send_signal(signal.SIGTERM)
        eventually(lambda: queue.rows("SELECT 1 FROM evtrack.worker WHERE stopping_at IS NOT NULL"), 20)
        kill_all(first.process)
    with worker(dsn, tmp_path, "--slots", "2") as second:
        (report,) = eventually(lambda: second.events("predecessor_reported"), 40)
        assert 4 == report["items_done"]
        assert {"none"} == {isolation for _, isolation in batches(queue, job)}
        ran = finish(queue, tmp_path, job)
    assert keys(3, 13) == {key for key, count in ran.items() if count == 2}
    assert 22 == ran.total(), "nothing that was done ran again"
    assert [] == queue.rows("SELECT 1 FROM evtrack.event WHERE type = 'crashed'")


def test_the_report_does_not_wait_for_a_slow_import(queue: Client, dsn: str, tmp_path: Path) -> None:
    job = submit(queue, tmp_path, items=2, batch_size=2, waiting=[1])
    dead_worker(dsn, tmp_path, 1)
    (tmp_path / "slow_module.py").write_text("import time\ntime.sleep(3600)\n")
    with (
        connect(dsn, purpose="test") as listener,
        worker(dsn, tmp_path, "--import", "slow_module", PYTHONPATH=str(tmp_path)) as second,
    ):
        listener.execute("LISTEN evtrack_work")
        eventually(lambda: second.events("predecessor_reported"), 20)
        assert [] == second.events("worker_registered")
        # Workers elsewhere look at once.
        eventually(lambda: "scripted" in {notice.payload for notice in listener.notifies(timeout=1)})
    assert keys(1) == batches(queue, job)["pending", "exclusive"]


def test_two_successors_report_once(queue: Client, dsn: str, tmp_path: Path) -> None:
    job = submit(queue, tmp_path, items=8, batch_size=4, waiting=[2, 6])
    dead_worker(dsn, tmp_path, 4)
    with worker(dsn, tmp_path) as one, worker(dsn, tmp_path) as other:
        eventually(lambda: one.events("predecessor_reported") + other.events("predecessor_reported"), 40)
        eventually(lambda: one.events("worker_registered") and other.events("worker_registered"), 40)
        ran = finish(queue, tmp_path, job)
        assert 1 == len(one.events("predecessor_reported") + other.events("predecessor_reported"))
        assert 2 == len(list((tmp_path / "state").iterdir())), "the directory of a live worker is left alone"
        for each in (one, other):
            each.stop()
    assert keys(2, 6) == {key for key, count in ran.items() if count == 2}
    assert [] == list((tmp_path / "state").iterdir()), "a clean stop leaves nothing"


def test_what_the_worker_of_another_database_left_is_left_alone(
    queue: Client, dsn: str, admin_dsn: str, template: str, tmp_path: Path
) -> None:
    job = submit(queue, tmp_path, items=2, batch_size=1, waiting=[1])
    dead_worker(dsn, tmp_path, 1)
    (before,) = (tmp_path / "state").iterdir()
    with cloned(admin_dsn, template) as other_dsn, worker(other_dsn, tmp_path) as stranger:
        eventually(lambda: stranger.events("worker_registered"), 40)
        with connect(other_dsn, purpose="test") as other:
            beats = "SELECT count(*) FROM evtrack.worker WHERE seen_at > started_at"
            eventually(lambda: other.execute(beats).fetchone() != (0,), 40)
        stranger.stop()
        assert [] == stranger.events("predecessor_reported")
        assert [before] == list((tmp_path / "state").iterdir())
    with worker(dsn, tmp_path) as second:
        eventually(lambda: second.events("predecessor_reported"), 40)
        finish(queue, tmp_path, job)


@pytest.mark.parametrize("how", ["the directory is gone", "it cannot be written"])
def test_without_the_directory_everything_runs_and_nobody_is_blamed(
    queue: Client, dsn: str, tmp_path: Path, how: str
) -> None:
    job = submit(queue, tmp_path, items=10, batch_size=5, waiting=[3, 8])
    state = "state" if how == "the directory is gone" else "log 0/state"
    dead_worker(dsn, tmp_path, 6, state=state)
    shutil.rmtree(tmp_path / "state", ignore_errors=True)
    with worker(dsn, tmp_path, "--lose-grace", "0.5", state=state) as second:
        eventually(lambda: second.events("worker_lost"), 40)
        ran = finish(queue, tmp_path, job)
        assert [] == second.events("predecessor_reported")
    assert {1, 2} == set(ran.values())


def test_old_and_damaged_directories_are_removed(queue: Client, dsn: str, tmp_path: Path) -> None:
    job = submit(queue, tmp_path, items=2, batch_size=1, waiting=[1])
    dead_worker(dsn, tmp_path, 1)
    (old,) = (tmp_path / "state").iterdir()
    os.utime(old / "lock", (0, 0))
    damaged = tmp_path / "state" / "worker-1-damaged"
    damaged.mkdir()
    with worker(dsn, tmp_path, "--lose-grace", "0.5") as second:
        found = eventually(
            lambda: len(second.events("predecessor_discarded")) == 2 and second.events("predecessor_discarded")
        )
        assert {str(old), str(damaged)} == {line["directory"] for line in found}
        eventually(lambda: not old.exists() and not damaged.exists())  # each is removed after its line
        finish(queue, tmp_path, job)
