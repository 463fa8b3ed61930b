"""Run the command line: `evtrack`, or `python -m evtrack`."""

import atexit
import gc
import os
import signal
import sys
from importlib import import_module
from io import TextIOWrapper


def main() -> None:
    """Import the command line, run it and exit."""
    # Whoever starts a process decides about these: ignored, or blocked, they would hide how child processes ended.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    # Imports take up to a second on a busy machine. Until they are done, Ctrl-C ends the process silently instead of
    # with a traceback. If the caller had it ignored, as shells do for background jobs, it stays ignored.
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if usual:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    _open_streams()
    # What is imported stays. The garbage collector would look through it again and again, for a tenth of the start.
    gc.disable()
    run = import_module("evtrack.interfaces.cli").main
    gc.freeze()
    gc.enable()
    # At its end the interpreter would look through all of it once more, for longer than the kernel takes to free it.
    atexit.register(gc.freeze)
    if usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _open_streams() -> None:
    # If the caller closed a stream, the next file or socket would get its number.
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            # If the file got that number at once, it would be closed in each program that this process starts.
            os.set_inheritable(number, True)  # noqa: FBT003  the signature of os
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
    # A character that the locale lacks is escaped: better than a traceback.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
