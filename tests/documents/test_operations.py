"""The commands in docs/operations.md run in order, and every kind of alert has one."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import environment
from evtrack.domain.alerts.alert import Alert
from evtrack.domain.alerts.models import ALERT_MODELS

pytestmark = [pytest.mark.integration, pytest.mark.crash]

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_commands_of_the_document_run_in_order(empty_dsn: str, tmp_path: Path) -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 10
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "evtrack").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m evtrack "$@"\n', encoding="utf-8")
    (programs / "evtrack").chmod(0o755)
    # Whatever fails, nothing that the blocks started stays.
    script = "set -euxo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "\n".join(blocks)
    ran = subprocess.run(
        ["/bin/bash", "-c", script.replace("9464", free_port())],
        cwd=tmp_path,
        env=environment(EVTRACK_DSN=empty_dsn, PATH=f"{programs}:{os.environ['PATH']}"),
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert 0 == ran.returncode, f"{ran.stdout[-3000:]}\n{ran.stderr[-3000:]}"
    alerts = [json.loads(line) for line in (tmp_path / "alerts.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {"item_poisoned", "batch_failed", "job_finished_with_errors"} <= {alert["event"] for alert in alerts}
    health = json.loads((tmp_path / "health.json").read_text(encoding="utf-8"))
    assert health["crashed"] >= 10
    assert "completed" in ran.stdout
    assert "CREATE TABLE evtrack.event" in (tmp_path / "migrations.sql").read_text(encoding="utf-8")


def command(model: type[Alert]) -> str:
    return model.advice.format(job_id="JOB", batch_no="BATCH", worker_id="WORKER", handler="NAME")


def test_every_kind_of_alert_names_the_documented_next_command() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| `(evtrack [^`]+)` \|$", TEXT, re.MULTILINE)
    assert {kind: command(model) for kind, model in ALERT_MODELS.items()} == dict(rows)
