"""Run watchers and read what they print."""

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from command_line import environment, evtrack_command


class WatcherProcess:
    """An `evtrack watch` in a process of its own, whose lines are read as they come.

    Args:
        dsn: The database.
        options: More options.
        env: Variables on top of a clean environment.
    """

    def __init__(self, dsn: str, *options: str, **env: str) -> None:
        self.lines: list[dict[str, Any]] = []
        self.log: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            evtrack_command("watch", "--dsn", dsn, *options),
            env=environment(**env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._readers = [
            threading.Thread(target=_read, args=(self.process.stdout, self.lines), daemon=True),
            threading.Thread(target=_read, args=(self.process.stderr, self.log), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def alerts(self, kind: str) -> list[dict[str, Any]]:
        """Return the lines of a kind so far."""
        return [line for line in self.lines if line["event"] == kind]

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return the log lines of a name so far."""
        return [line for line in self.log if line["event"] == event]

    def end(self, number: int = signal.SIGTERM, timeout_s: float = 20) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(timeout_s)
        for reader in self._readers:
            reader.join(timeout_s)
        return code


def _read(stream: Any, into: list[dict[str, Any]]) -> None:
    for line in stream:
        try:
            into.append(json.loads(line))
        except ValueError:
            # A watcher that is killed may leave half a line.
            into.append({"event": "no JSON", "text": line})
    stream.close()


@contextmanager
def running_watcher(dsn: str, *options: str, **env: str) -> Iterator[WatcherProcess]:
    """Run a watcher; kill it when the block ends."""
    one = WatcherProcess(dsn, *options, **env)
    try:
        yield one
    finally:
        if one.process.poll() is None:
            one.end(signal.SIGKILL)
