"""Ctrl-C and SIGTERM end a command with their exit code and leave no embedded server behind."""

import json
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest

from command_line import environment, evtrack_command
from evtrack.storage.embedded.shared_server import EmbeddedServer
from polling import eventually

pytestmark = [pytest.mark.integration, pytest.mark.crash]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_command_says_so_and_stops_its_server(sent: signal.Signals, code: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="evtrack-test-"))
    server = EmbeddedServer(folder)
    # It reads a source that never ends.
    command = evtrack_command("submit", "-", "--handler", "count", "--key", "id", "--log-format", "json")
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(EVTRACK_DATA_DIR=str(folder)),
    ) as process:
        try:
            eventually(lambda: server.pid and process.poll() is None and _in_use(server), timeout_s=60)
            process.send_signal(sent)
            _, stderr = process.communicate(timeout=60)
        finally:
            process.kill()
    assert code == process.returncode, stderr
    said = [json.loads(line)["event"] for line in stderr.splitlines()]
    assert (["interrupted"] if sent == signal.SIGINT else []) == said
    assert server.pid is None
    shutil.rmtree(folder)


def _in_use(server: EmbeddedServer) -> bool:
    try:
        with psycopg.connect(server.dsn) as conn:
            asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'evtrack submit'"
            return conn.execute(asked).fetchone() != (0,)
    except psycopg.OperationalError:
        return False
