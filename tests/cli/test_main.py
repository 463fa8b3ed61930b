"""Interrupting a command while it is still importing its modules."""

import signal
import subprocess
import sys

import pytest

# Ctrl-C comes in the middle of the imports.
PROGRAM = """
import signal, sys

class Interrupting:
    def find_spec(self, name, *_):
        if name == "evtrack.interfaces.cli":
            signal.raise_signal(signal.SIGINT)

if sys.argv[1] == "ignored":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.meta_path.insert(0, Interrupting())
from evtrack.__main__ import main

sys.argv[1:] = ["--version"]
main()
"""


@pytest.mark.parametrize(("given", "code"), [("usual", -signal.SIGINT), ("ignored", 0)])
def test_ctrl_c_during_imports_ends_without_a_traceback(given: str, code: int) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, given], capture_output=True, text=True, check=False)
    assert (code, "") == (done.returncode, done.stderr)
