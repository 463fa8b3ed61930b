"""A server whose clock steps under live workers: nobody is declared lost, and no item crashes."""

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from client import Client
from evtrack.storage.connection.connect import connect
from evtrack.storage.embedded.shared_server import EmbeddedServer
from evtrack.storage.schema import migrations
from polling import eventually
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
