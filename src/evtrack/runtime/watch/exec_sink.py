"""A program as a sink: it reads each alert as a line of JSON on stdin, within a bounded time."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.errors import BadArgument
from evtrack.domain.text import printable, quoted
from evtrack.runtime.watch.sink import SinkError, label_of

if TYPE_CHECKING:
    from evtrack.domain.alerts.alert import Alert

LIMIT_S: Final = 30.0
"""How long the program may take for one alert."""

_MOST_LINES: Final = 20
_LINE_LIMIT: Final = 2000
_SECRETS: Final = frozenset({"EVTRACK_WEBHOOK_SECRET", "EVTRACK_WATCH_WEBHOOK", "EVTRACK_WATCH_SLACK"})
"""What other sinks need, and a program that pages somebody does not."""

_log = structlog.get_logger()


class ExecSink:
    """Starts a program for each alert; exit code 0 means that it accepted the alert.

    Args:
        command: The program and its arguments, split as a shell splits them; no shell runs.
        limit_s: After this time it is killed, with everything that it started.

    Raises:
        BadArgument: No program is named, or it cannot be run.
    """

    name = "exec"

    def __init__(self, command: str, *, limit_s: float = LIMIT_S) -> None:
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise BadArgument(f"--exec {quoted(command)} cannot be split into words: {error}") from None
        if not self._words:
            raise BadArgument("--exec needs a program")
        if shutil.which(self._words[0]) is None:
            raise BadArgument(
                f"--exec: no executable program {quoted(self._words[0])}",
                hint="Give the name of a program on the PATH, or the path of an executable file.",
            )
        self.label = label_of(self.name, Path(self._words[0]).name, command)
        self.limit_s = limit_s
        self._process: subprocess.Popen[bytes] | None = None

    def send(self, alert: Alert) -> None:
        """Run the program for one alert.

        Raises:
            SinkError: It cannot be started, fails, or takes too long.
        """
        with _temporary_file() as output:
            try:
                self._run(alert, output)
            finally:
                _log_lines(output, alert)

    def _run(self, alert: Alert, output: IO[bytes]) -> None:
        try:
            process = subprocess.Popen(  # noqa: S603  the operator's own program
                self._words,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={name: value for name, value in os.environ.items() if name not in _SECRETS},
            )
        except OSError as error:
            raise SinkError(f"cannot start {self._words[0]}: {error.strerror}") from None
        self._process = process
        try:
            # A program that does not read its stdin is judged by its exit code.
            process.communicate(alert.text().encode() + b"\n", timeout=self.limit_s)
        except subprocess.TimeoutExpired:
            self.abort()
            process.communicate()
            raise SinkError(f"{self._words[0]} took more than {self.limit_s:g} s and was killed") from None
        finally:
            self._process = None
        if process.returncode:
            raise SinkError(f"{self._words[0]} ended with {_how(process.returncode)}")

    def abort(self) -> None:
        """Kill the program and all that it started."""
        process = self._process
        # It was not reaped yet, so no other process can have its pid.
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)


def _temporary_file() -> IO[bytes]:
    """Open what the program writes to. Not a pipe: what the program leaves running may keep that open."""
    try:
        return tempfile.TemporaryFile()
    except OSError:
        # A full disk costs the output, not the alert.
        return Path(os.devnull).open("w+b")


def _log_lines(output: IO[bytes], alert: Alert) -> None:
    output.seek(0)
    for line in output.read(_MOST_LINES * _LINE_LIMIT).splitlines()[:_MOST_LINES]:
        if text := line.decode("utf-8", "replace").strip():
            _log.info(log_names.ALERT_SINK_OUTPUT, line=printable(text, _LINE_LIMIT), alert_id=alert.alert_id)


def _how(code: int) -> str:
    return f"exit code {code}" if code > 0 else signal.Signals(-code).name
