"""A server whose clock steps under live workers: nobody is declared lost, and no item crashes."""

import shutil
import struct
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from client import Claim, Client
from evtrack.storage.connection.connect import connect
from evtrack.storage.embedded.shared_server import EmbeddedServer
from evtrack.storage.schema import migrations
from polling import eventually
from reaping import session
from workers import running_worker

pytestmark = [pytest.mark.integration, pytest.mark.crash]

SOURCE = Path(__file__).parents[1] / "support" / "clock_step.c"


@pytest.fixture
def stepping_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Callable[[float], None]]]:
    """Run a server of its own, and return its DSN and what sets its clock ahead by seconds."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    # The user who runs the server for root must be able to read it.
    folder = Path(tempfile.mkdtemp(prefix="evtrack-clock-"))
    folder.chmod(0o755)
    library, clock = folder / "clock_step.so", folder / "clock"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    clock.write_bytes(struct.pack("d", 0.0))
    server = EmbeddedServer(folder / "data")
    with monkeypatch.context() as patch:
        patch.setenv("LD_PRELOAD", str(library))
        patch.setenv("CLOCK_STEP_FILE", str(clock))
        dsn = server.acquire()
    try:
        with connect(dsn, purpose="test setup") as conn:
            migrations.up(conn)

        def step(seconds: float) -> None:
            with clock.open("r+b") as file:
                file.write(struct.pack("d", seconds))

        yield dsn, step
    finally:
        server.release()
        shutil.rmtree(folder, ignore_errors=True)


def test_workers_survive_steps_of_the_clock_of_their_server(
    stepping_server: tuple[str, Callable[[float], None]],
) -> None:
    dsn, step = stepping_server
    with connect(dsn, purpose="test") as conn:
        client = Client(conn, "scripted")
        texts = ['{"do": "sleep", "s": 2}'] * 4
        job = client.one("SELECT evtrack.enqueue('scripted', '{a,b,c,d}', %s, batch_size => 1)", texts)
        alive = (
            "SELECT count(*) FROM evtrack.worker WHERE lost_at IS NULL AND seen_at > clock_timestamp() - interval '5 s'"
        )
        with running_worker(dsn, lease_s=6), running_worker(dsn, lease_s=6):
            eventually(lambda: client.one("SELECT count(*) FROM evtrack.event WHERE type = 'started'") >= 2, 20)
            before = client.one("SELECT clock_timestamp()")
            for ahead in (40.0, 65.0, 3665.0):
                step(ahead)
                eventually(lambda: client.one(alive) == 2, 20)
            assert client.one("SELECT clock_timestamp() - %s > interval '1 hour'", before), "the clock did step"
            eventually(lambda: client.phase(job) == "finished", 30)
        assert [] == client.rows("SELECT * FROM evtrack.worker WHERE lost_at IS NOT NULL")
        assert ["enqueued", "started", "completed"] * 4 == [
            str(event.type) for number in range(1, 5) for event in client.events(job, number)
        ]


def test_the_log_takes_events_while_the_clock_goes_back_all_the_time(
    stepping_server: tuple[str, Callable[[float], None]],
) -> None:
    dsn, step = stepping_server
    stopping = threading.Event()

    def step_back() -> None:
        behind = 0.0
        while not stopping.wait(0.01):
            behind -= 0.03
            step(behind)

    stepper = threading.Thread(target=step_back)
    with connect(dsn, purpose="test") as conn:
        client = Client(conn, "scripted")
        stepper.start()
        try:
            keys = [f"k{number}" for number in range(400)]
            texts = ['{"return": 1}'] * 400
            job = client.one("SELECT evtrack.enqueue('scripted', %s, %s, batch_size => 2)", keys, texts)
            with running_worker(dsn, slots=2):
                eventually(lambda: client.phase(job) == "finished", 60)
        finally:
            stopping.set()
            stepper.join()
        assert {"completed": 200} == {
            row["status"]: row["n"]
            for row in client.rows("SELECT status::text, count(*) AS n FROM evtrack.batch GROUP BY status")
        }
        client.check(job)


def test_the_dead_are_noticed_and_retries_are_due_though_the_clock_went_back_an_hour(
    stepping_server: tuple[str, Callable[[float], None]],
) -> None:
    dsn, step = stepping_server
    with connect(dsn, purpose="test") as conn:
        client = Client(conn, "other")
        job, reporter, dead = client.job(2, backoff_s=2), client.worker(), client.worker()
        for claim in client.claim(reporter, job, fresh=1):
            assert ["retry"] == client.fail(reporter, [claim])
        with running_worker(dsn, lose_grace_s=2):
            eventually(lambda: client.one("SELECT reaper IS NOT NULL FROM evtrack.upkeep"), 20)
            with session(dsn, dead):
                step(-3600)
                eventually(lambda: client.one("SELECT set_back > '50 min' FROM evtrack.upkeep"), 20)
            eventually(
                lambda: client.one("SELECT lost_at IS NOT NULL FROM evtrack.worker WHERE worker_id = %s", dead), 5
            )
            retried: list[Claim] = []
            eventually(lambda: retried.extend(client.claim(reporter, job, fresh=0, returning=5)) or retried, 5)
            assert [(1, 2)] == [(claim.batch_no, claim.attempt) for claim in retried]
            # What fails now waits by the new time.
            assert ["retry"] == client.fail(reporter, retried)
            assert [] == client.claim(reporter, job, fresh=0, returning=5)
            assert client.one("SELECT run_at < clock_timestamp() + '10 s' FROM evtrack.batch WHERE batch_no = 1")
