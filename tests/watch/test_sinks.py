"""Programs as sinks: each gets an alert on stdin, within a bounded time; and the labels of sinks."""

import json
import sys
import tempfile
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from evtrack.domain.errors import BadArgument
from evtrack.runtime.watch.exec_sink import ExecSink
from evtrack.runtime.watch.sink import SinkError
from evtrack.runtime.watch.slack_sink import SlackSink
from evtrack.runtime.watch.webhook_sink import WebhookSink
from polling import eventually
from webhook_server import ALERT


def test_a_program_gets_the_alert_on_stdin(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = f"import sys; open({str(out)!r}, 'wb').write(sys.stdin.buffer.read())"
    ExecSink(f"{sys.executable} -c {json.dumps(script)}").send(ALERT)
    assert ALERT.text() + "\n" == out.read_text(encoding="utf-8")
    assert 7 == json.loads(out.read_text(encoding="utf-8"))["batch_no"]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("sh -c 'exit 3'", "sh ended with exit code 3"),
        ("sh -c 'kill -9 $$'", "sh ended with SIGKILL"),
    ],
)
def test_a_program_that_fails_is_reported(command: str, why: str) -> None:
    with pytest.raises(SinkError, match=why):
        ExecSink(command).send(ALERT)


def test_a_program_that_was_removed_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "page-me"
    path.touch(mode=0o755)
    program = ExecSink(str(path))
    path.unlink()
    with pytest.raises(SinkError, match=r"cannot start .*: No such file"):
        program.send(ALERT)


def test_a_program_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    begun = time.monotonic()
    with pytest.raises(SinkError, match=r"took more than 0\.5 s and was killed"):
        ExecSink(f"sh -c 'sleep 60 & echo $! > {pids}; wait'", limit_s=0.5).send(ALERT)
    assert time.monotonic() - begun < 5
    pid = int(pids.read_text(encoding="utf-8"))
    eventually(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2])


@pytest.mark.parametrize("command", ["", "sh -c 'no end", "/no/such/program"])
def test_an_invalid_program_is_refused(command: str) -> None:
    with pytest.raises(BadArgument, match="--exec"):
        ExecSink(command)


def test_a_program_does_not_get_the_secrets_of_other_sinks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name in ("EVTRACK_WEBHOOK_SECRET", "EVTRACK_WATCH_WEBHOOK", "EVTRACK_WATCH_SLACK", "PAGE_ME"):
        monkeypatch.setenv(name, "hidden")
    ExecSink(f"sh -c 'env >{out}'").send(ALERT)
    assert ["PAGE_ME=hidden"] == [line for line in out.read_text(encoding="utf-8").splitlines() if "=hidden" in line]


def test_a_label_names_a_sink_without_its_secret() -> None:
    labels = [
        WebhookSink("https://hooks.example.com/T0/token").label,
        WebhookSink("https://hooks.example.com/T0/other").label,
        SlackSink("https://hooks.example.com/T0/token").label,
        ExecSink("sh -c 'page --token token'").label,
    ]
    assert [
        "webhook:hooks.example.com:443",
        "webhook:hooks.example.com:443",
        "slack:hooks.example.com:443",
        "exec:sh",
    ] == [label.rpartition(":")[0] for label in labels]
    assert 4 == len(set(labels)), "the whole target counts"
    assert "token" not in str(labels)
    assert labels[0] == WebhookSink("https://hooks.example.com/T0/token").label, "the same in each watcher"


def test_what_a_program_prints_becomes_log_lines(capfd: pytest.CaptureFixture[str]) -> None:
    with capture_logs() as logs, pytest.raises(SinkError):
        ExecSink(r"""sh -c 'printf "bad \000 \377\n" >&2; yes | head -c 100000; sleep 9 & exit 3'""").send(ALERT)
    assert ("", "") == tuple(capfd.readouterr())
    lines = [line["line"] for line in logs if line["event"] == "alert_sink_output"]
    assert r"bad \x00 �" == lines[0]
    assert 20 == len(lines)


def test_without_a_place_for_its_output_a_program_runs_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/directory")
    with capture_logs() as logs:
        ExecSink("sh -c 'echo lost'").send(ALERT)
    assert [] == logs
