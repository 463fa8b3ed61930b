"""`evtrack top`: a live view of jobs, workers, what they have in hand, and crashes."""

from __future__ import annotations

import os
import select
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click
from rich.live import Live

from evtrack.config import LONGEST_PAUSE_S
from evtrack.domain.database_errors import CannotConnect, TransientError
from evtrack.domain.text import printable
from evtrack.interfaces.cli.shared.options import json_option, print_json, with_dsn
from evtrack.interfaces.cli.shared.parameter_types import Number
from evtrack.interfaces.cli.shared.signals import ReceivedSignals, stop_on_signals
from evtrack.interfaces.terminal.drawing import show, stdout_console
from evtrack.interfaces.terminal.reports.top import SystemSnapshot, snapshot_view
from evtrack.interfaces.words.formatting import duration
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.connection.patience import ANSWER_S
from evtrack.storage.monitoring.doctor_facts import server_time
from evtrack.storage.reports import batch_reports, job_reports, system_health, worker_reports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

_HOUR_S: Final = 3600.0
_DAY_S: Final = 86_400.0
_JOBS: Final = 10
_WORKERS: Final = 10
_CRASHES: Final = 5
_RUNNING: Final = 10
_KEY_POLL_S: Final = 0.1
"""The longest time until a signal is noticed."""


@click.command()
@click.option(
    "--interval",
    type=Number(0.1, LONGEST_PAUSE_S, "SECONDS"),
    default=1.0,
    help="Time between two updates, at least 0.1.  [default: 1]",
)
@click.option("--once", is_flag=True, help="Print once and exit; the default if stdout is not a terminal.")
@json_option
@with_dsn()
def top(dsn: str, /, *, interval: float, once: bool, as_json: bool) -> None:
    """Watch jobs, workers, what they have in hand, and crashes live.

    Press q or Ctrl-C to quit.
    """
    console = stdout_console()
    if once or as_json or not console.is_terminal:
        with connect(dsn, purpose="top", reads=True) as conn:
            snapshot = _read_snapshot(conn)
        if as_json:
            lists = {
                name: [asdict(row) for row in getattr(snapshot, name)]
                for name in ("jobs", "workers", "crashes", "running")
            }
            print_json({"at": snapshot.at, "health": asdict(snapshot.health), **lists})
        else:
            show(snapshot_view(snapshot))
        return
    with stop_on_signals(lambda: None, hint="") as received:
        _watch(dsn, console, interval, received)


def _read_snapshot(conn: Connection) -> SystemSnapshot:
    # A few statements, whose cost does not grow with the log.
    return SystemSnapshot(
        at=server_time(conn),
        health=system_health.health(conn, span_s=_HOUR_S),
        jobs=job_reports.active_jobs(conn, limit=_JOBS),
        workers=worker_reports.live_workers(conn, limit=_WORKERS),
        crashes=batch_reports.latest_crashes(conn, span_s=_DAY_S, limit=_CRASHES),
        running=worker_reports.running_items(conn, limit=_RUNNING),
    )


class _SnapshotReader:
    """Reads snapshots through one connection, and opens another one when it is lost."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._conn: Connection | None = None
        self._lost_at: float | None = None
        self._reason = ""
        self.latest: SystemSnapshot | None = None

    def read(self) -> SystemSnapshot:
        """Return a new snapshot; the latest one while there is no connection."""
        try:
            if self._conn is None:
                self._conn = connect(self._dsn, purpose="top", reads=True, answer_s=ANSWER_S)
            self.latest = _read_snapshot(self._conn)
            self._lost_at = None
        except (TransientError, CannotConnect) as error:
            if self.latest is None:
                raise  # it never worked: end with the reason
            self.close()
            self._lost_at = self._lost_at or time.monotonic()
            self._reason = printable(error.message, 200)
        return self.latest

    @property
    def trouble(self) -> str:
        if self._lost_at is None:
            return ""
        return f"no connection for {duration(time.monotonic() - self._lost_at)}, retrying: {self._reason}"

    def close(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None


def _watch(dsn: str, console: Console, interval_s: float, received: ReceivedSignals) -> None:
    reader = _SnapshotReader(dsn)
    try:
        first = snapshot_view(reader.read())
        with _single_keys() as read_keys, Live(first, console=console, screen=True, auto_refresh=False) as live:
            while not _quits(read_keys, received, interval_s):
                snapshot = reader.read()
                live.update(snapshot_view(snapshot, trouble=reader.trouble), refresh=True)
    finally:
        reader.close()


def _quits(read_keys: Callable[[float], str], received: ReceivedSignals, for_s: float) -> bool:
    until = time.monotonic() + for_s
    while (left_s := until - time.monotonic()) > 0:
        if received or "q" in read_keys(min(left_s, _KEY_POLL_S)).lower():
            return True
    return bool(received)


@contextmanager
def _single_keys() -> Iterator[Callable[[float], str]]:
    """Read keys from the terminal without Enter and without echo; Ctrl-C stays a signal.

    Yields:
        A function that waits for a number of seconds and returns the keys pressed.
    """
    if not sys.stdin.isatty():
        yield _wait
        return
    import termios  # noqa: PLC0415  not on every system, and needed only here
    import tty  # noqa: PLC0415

    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd)
        yield lambda timeout_s: _pressed(fd, timeout_s)
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _pressed(fd: int, timeout_s: float) -> str:
    readable, _, _ = select.select([fd], [], [], timeout_s)
    if not readable:
        return ""
    # A closed terminal reads as its end: quit.
    return os.read(fd, 64).decode("utf-8", "replace") or "q"


def _wait(timeout_s: float) -> str:
    select.select([], [], [], timeout_s)
    return ""
