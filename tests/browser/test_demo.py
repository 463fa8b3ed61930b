"""`bin/demo --web` serves the dashboard while its job runs, and Ctrl-C ends both."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import psutil
import pytest

from polling import eventually
from world import CHECKOUT


@pytest.fixture
def demo() -> Iterator[subprocess.Popen[str]]:
    """The demo in a process group of its own, with its data in a directory that the server's own user may enter."""
    directory = Path(tempfile.mkdtemp(prefix="evtrack-test-demo-"))
    directory.chmod(0o755)
    own = {"EVTRACK_DATA_DIR": str(directory / "data"), "EVTRACK_STATE_DIR": str(directory / "state")}
    process = subprocess.Popen(
        [CHECKOUT / "bin" / "demo", "--web"],
        env={**os.environ, **own, "EVTRACK_DEMO_PORT": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    yield process
    _interrupt(process)
    shutil.rmtree(directory, ignore_errors=True)


def test_the_demo_shows_its_job_and_leaves_nothing_behind(demo: subprocess.Popen[str]) -> None:
    assert demo.stdout is not None
    address = next(line for line in demo.stdout if line.startswith("Dashboard: ")).split()[1]
    eventually(lambda: _splits(address))
    family = psutil.Process(demo.pid).children(recursive=True)
    assert family
    assert 130 == _interrupt(demo)
    assert eventually(lambda: not any(each.is_running() for each in family))


def _splits(address: str) -> int:
    """Return how many batches of the first job were split so far, as the dashboard shows it."""
    parts = urlsplit(address)
    [token] = parse_qs(parts.query)["token"]
    answer = httpx.get(f"http://{parts.netloc}/jobs/1.json", headers={"Authorization": f"Bearer {token}"})
    return int(answer.json()["page"]["progress"]["batches_split"]) if answer.is_success else 0


def _interrupt(process: subprocess.Popen[str]) -> int:
    """Press Ctrl-C, and return the exit code."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
    return process.wait()
