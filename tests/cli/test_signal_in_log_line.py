"""A signal that arrives in the middle of a log line harms neither the line nor the process."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.crash

SCRIPT = """
import signal, sys
import structlog
from evtrack.interfaces.cli.shared.signals import stop_on_signals
from evtrack.interfaces.logs import configure_logs, start_log_thread

class Interrupted:
    real, sent = sys.stderr, False

    def write(self, text):
        # While a lock for this line is held, if there is one.
        if not self.sent:
            self.sent = True
            signal.raise_signal(signal.SIGINT)
        return self.real.write(text)

    def flush(self):
        self.real.flush()

configure_logs(log_format="json")
start_log_thread()
sys.stderr = Interrupted()
with stop_on_signals(lambda: None, hint="Stopping.") as received:
    structlog.get_logger().info("first")
    while not received:
        pass
    structlog.get_logger().info("last")
"""


def test_ctrl_c_inside_a_log_line_does_not_block_and_shows_its_hint() -> None:
    ended = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True, timeout=30)
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert ["first", "last", "notice"] == sorted(line["event"] for line in lines)
    assert "Stopping." in [line.get("message") for line in lines]
