"""Run the command line: `evtrack`, or `python -m evtrack`."""

import signal
from importlib import import_module


def main() -> None:
    """Import the command line, run it and exit."""
    # Imports take most of a second on a busy machine. Ctrl-C ends them without a word, not with a traceback from
    # wherever they are; where it is ignored, as below nohup, it stays so.
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if usual:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    run = import_module("evtrack.interfaces.cli").main
    if usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
