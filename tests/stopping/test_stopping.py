"""The hint that a first Ctrl-C prints."""

import io
import signal
import sys

from rich.console import Console
from rich.progress import Progress

from evtrack.interfaces.cli.shared.signals import stop_on_signals


def test_the_hint_is_printed_once_above_the_progress_bar() -> None:
    drawn, stops = io.StringIO(), []
    with (
        Progress(console=Console(file=drawn, force_terminal=True, width=80)),
        stop_on_signals(lambda: stops.append(1), hint="Once more stops at once.") as received,
    ):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        sys.stderr.flush()
    assert [signal.SIGINT, signal.SIGINT] == received.numbers
    assert [1, 1] == stops
    assert 1 == drawn.getvalue().count("Once more stops at once.\n")
