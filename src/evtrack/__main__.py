"""Run the command line: `evtrack`, or `python -m evtrack`."""

import os
import signal
import sys
from importlib import import_module
from io import TextIOWrapper


def main() -> None:
    """Import the command line, run it and exit."""
    # Imports take most of a second on a busy machine. Ctrl-C ends them without a word, not with a traceback from
    # wherever they are; where it is ignored, as below nohup, it stays so.
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if usual:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    _open_streams()
    run = import_module("evtrack.interfaces.cli").main
    if usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _open_streams() -> None:
    # Of a stream that the caller has closed, the next file or socket would take the number.
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
    # In a locale without the letter, its number is better than a traceback.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
