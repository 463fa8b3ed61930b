"""`evtrack top`: watch what goes on, live."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click
from rich.live import Live

from evtrack.config import LONGEST_PAUSE_S
from evtrack.domain.errors import CannotConnect, TransientError
from evtrack.domain.states import JobPhase
from evtrack.domain.text import printable
from evtrack.interfaces.cli.shared.number_types import Number
from evtrack.interfaces.cli.shared.options import json_option, located, print_json
from evtrack.interfaces.cli.shared.stopping import Signals, stopping
from evtrack.interfaces.terminal.drawing import show, stdout
from evtrack.interfaces.terminal.keys import single_keys
from evtrack.interfaces.terminal.reports.top import Picture, frame
from evtrack.interfaces.terminal.text import duration
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.monitoring.diagnosis import server_time
from evtrack.storage.reports import batch_reports, job_reports, system_health, worker_reports

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

_HOUR_S: Final = 3600.0
_DAY_S: Final = 86_400.0
_JOBS: Final = 10
_WORKERS: Final = 10
_CRASHES: Final = 5
_KEY_S: Final = 0.1
"""How long a signal may wait to be seen."""

_UNDER_WAY: Final = (JobPhase.OPEN, JobPhase.ABANDONED, JobPhase.SEALED)


@click.command()
@click.option(
    "--interval", type=Number(0.1, LONGEST_PAUSE_S), default=1.0, show_default=True, help="Seconds between two looks."
)
@click.option("--once", is_flag=True, help="Print one frame and exit, as without a terminal.")
@json_option
@located()
def top(dsn: str, /, *, interval: float, once: bool, as_json: bool) -> None:
    """Watch jobs, progress, pace, workers and crashes, live; q or Ctrl-C ends it."""
    console = stdout()
    if once or as_json or not console.is_terminal:
        with connect(dsn, purpose="top") as conn, translated():
            picture = look(conn)
        if as_json:
            lists = {name: [asdict(row) for row in getattr(picture, name)] for name in ("jobs", "workers", "crashes")}
            print_json({"at": picture.at, "health": asdict(picture.health), **lists})
        else:
            show(frame(picture))
        return
    with stopping(lambda: None, hint="") as came:
        _watch(dsn, console, interval, came)


def look(conn: Connection) -> Picture:
    """Read what one frame shows; a handful of statements that cost the same however much there is.

    Args:
        conn: An open connection.

    Returns:
        What was read.
    """
    return Picture(
        at=server_time(conn),
        health=system_health.health(conn, span_s=_HOUR_S),
        jobs=job_reports.jobs(conn, limit=_JOBS, phases=_UNDER_WAY),
        workers=worker_reports.live_workers(conn, limit=_WORKERS),
        crashes=batch_reports.latest_crashes(conn, span_s=_DAY_S, limit=_CRASHES),
    )


class _Eye:
    """Looks through one connection, and through another one when that is lost."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._conn: Connection | None = None
        self._lost_at: float | None = None
        self._why = ""
        self.picture: Picture | None = None

    def look(self) -> None:
        try:
            if self._conn is None:
                self._conn = connect(self._dsn, purpose="top")
            with translated():
                self.picture = look(self._conn)
            self._lost_at = None
        except (TransientError, CannotConnect) as error:
            if self.picture is None:
                raise  # it never worked: say why, and leave
            self.close()
            self._lost_at = self._lost_at or time.monotonic()
            self._why = printable(error.message, 200)

    @property
    def trouble(self) -> str:
        if self._lost_at is None:
            return ""
        return f"no connection for {duration(time.monotonic() - self._lost_at)}, trying again: {self._why}"

    def close(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None


def _watch(dsn: str, console: Console, interval_s: float, came: Signals) -> None:
    eye = _Eye(dsn)
    try:
        eye.look()
        assert eye.picture is not None  # noqa: S101  else it has raised
        first = frame(eye.picture)
        with single_keys() as pressed, Live(first, console=console, screen=True, auto_refresh=False) as live:
            while not _leaves(pressed, came, interval_s):
                eye.look()
                live.update(frame(eye.picture, trouble=eye.trouble), refresh=True)
    finally:
        eye.close()


def _leaves(pressed: Callable[[float], str], came: Signals, for_s: float) -> bool:
    until = time.monotonic() + for_s
    while (left_s := until - time.monotonic()) > 0:
        if came.received or "q" in pressed(min(left_s, _KEY_S)).lower():
            return True
    return bool(came.received)
