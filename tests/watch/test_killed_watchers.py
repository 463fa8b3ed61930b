"""No alert is lost to a sink: not with a killed watcher, nor while the sink is down or only another watcher runs."""

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from client import Client
from command_line import evtrack
from evtrack.runtime.doctor.checkup import checkup
from evtrack.runtime.doctor.findings import Finding
from polling import eventually
from watchers import running_watcher

pytestmark = pytest.mark.integration

SCRIPT = """
import pathlib, sys, time
here = pathlib.Path({here!r})
text = sys.stdin.read()
with open(here / "begun", "a") as begun:
    begun.write(text)
while (here / "hang").exists():
    time.sleep(0.01)
if (here / "down").exists():
    sys.exit(3)
with open(here / "out", "a") as out:
    out.write(text)
"""


def program(here: Path) -> str:
    """Return a program that hangs or fails while there are files of that name, and else keeps what it gets."""
    (here / "page-me.py").write_text(SCRIPT.format(here=str(here)), encoding="utf-8")
    return f"{sys.executable} {here / 'page-me.py'}"


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the alerts in a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def poisoned(queue: Client, number: int) -> None:
    """Raise alerts."""
    job, worker = queue.job(number + 1, max_crashes=1), queue.worker()
    queue.crash(worker, queue.claim(worker, job, fresh=number, returning=0))


def sinks_found(dsn: str) -> list[Finding]:
    """Return what the doctor says about sinks."""
    return [finding for finding in checkup(dsn, canary_s=None) if finding.check == "sinks"]


def test_a_killed_watcher_loses_no_alert_to_a_sink(queue: Client, dsn: str, tmp_path: Path) -> None:
    command = program(tmp_path)
    (tmp_path / "hang").touch()
    with running_watcher(dsn, "--exec", command) as one:
        eventually(lambda: one.logged("watcher_started"), 30)
        poisoned(queue, 3)
        eventually(lambda: lines(tmp_path / "begun"), 20)
        eventually(lambda: 3 == len(one.lines), 20)
        one.process.kill()
        # The program that the killed watcher left fails, which nobody sees.
        (tmp_path / "down").touch()
        (tmp_path / "hang").unlink()
        one.end(signal.SIGKILL)
    assert 3 == queue.one("SELECT count(*) FROM evtrack.alert_delivery WHERE state = 'pending'")
    # As when its lease is over.
    queue.conn.execute("UPDATE evtrack.delivery SET retry_at = now()")
    with running_watcher(dsn, "--exec", command) as two:
        failed = eventually(lambda: two.logged("alert_sink_failed"), 20)
        assert ("exec", f"{sys.executable} ended with exit code 3") == (
            failed[0]["sink"],
            failed[0]["error"],
        )
        (tmp_path / "down").unlink()
        eventually(lambda: 3 == len(lines(tmp_path / "out")), 30)
        assert [] == two.lines, "stdout has had them"
        assert 0 == two.end()
    assert 3 == len({line["alert_id"] for line in lines(tmp_path / "out")})


def test_an_alert_that_another_watcher_wrote_still_reaches_the_sink(queue: Client, dsn: str, tmp_path: Path) -> None:
    command = program(tmp_path)
    assert 0 == evtrack("watch", "--once", "--exec", command, "--dsn", dsn).returncode
    poisoned(queue, 2)
    told = evtrack("watch", "--once", "--dsn", dsn)
    assert 2 == len(told.stdout.splitlines())
    assert [] == lines(tmp_path / "out")
    told = evtrack("watch", "--once", "--exec", command, "--dsn", dsn)
    assert (0, "") == (told.returncode, told.stdout), told.stderr
    assert ["item_poisoned"] * 2 == [line["event"] for line in lines(tmp_path / "out")]


def test_deliveries_are_listed(
    queue: Client, dsn: str, tmp_path: Path, run: Callable[..., Result], run_json: Callable[..., Any]
) -> None:
    (tmp_path / "down").touch()
    poisoned(queue, 1)
    evtrack("watch", "--once", "--exec", program(tmp_path), "--slack", "http://127.0.0.1:9/secret", "--dsn", dsn)
    (alert,) = run_json("alerts")
    python = Path(sys.executable).name
    assert [
        (f"exec:{python}", "pending", 1, f"{sys.executable} ended with exit code 3"),
        ("slack:127.0.0.1:9", "pending", 1, "127.0.0.1: ConnectionRefusedError: [Errno 111] Connection refused"),
    ] == [
        (each["sink"].rpartition(":")[0], each["state"], each["attempts"], each["error"])
        for each in alert["deliveries"]
    ]
    shown = run("alerts")
    assert " 0/2 sinks" in shown.stdout
    assert "1 alert waits for exec:" in shown.stderr
    assert "secret" not in shown.stdout + shown.stderr + json.dumps(alert)
    assert [] == sinks_found(dsn), "it has only just failed"
    queue.conn.execute("UPDATE evtrack.delivery SET created_at = created_at - interval '10 minutes'")
    assert [("problem", "exec"), ("problem", "slack")] == [
        (one.level, one.message.removeprefix("1 alert waits for ").partition(":")[0]) for one in sinks_found(dsn)
    ]
    queue.conn.execute("UPDATE evtrack.delivery SET gave_up_at = now()")
    assert "1 alert was given up for exec:" in run("alerts").stderr
    assert ["note", "note"] == [one.level for one in sinks_found(dsn)]
