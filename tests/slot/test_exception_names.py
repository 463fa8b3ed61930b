"""A handler's exception is judged by its class, whatever the class is called."""

from pathlib import Path

import pytest

from evtrack.runtime.slot.protocol import BatchErrored, Setup
from slot_driver import claimed_batch, slot

MODULE = """
import evtrack

def fail(name):
    raise type(name, (Exception,), {"number": 9, "stderr": "", "frame": None, "lines": [], "failures": []})("of mine")

evtrack.handler("item")(fail)
evtrack.batch_handler("batch")(lambda batch: fail(batch.items[0]))
"""


@pytest.mark.parametrize("kind", ["item", "batch"])
@pytest.mark.parametrize("name", ["CommandDied", "PartialFailure", "KeyboardInterrupt", "SystemExit", "CommandFailed"])
def test_an_exception_that_is_named_like_one_of_evtracks_is_a_plain_failure(
    name: str, kind: str, tmp_path: Path
) -> None:
    (tmp_path / "named.py").write_text(MODULE)
    with slot(Setup(["named"], {}, [], str(tmp_path))) as one:
        one.give(claimed_batch(name, handler=kind))
        (frame,) = one.receive(1)
    assert isinstance(frame, BatchErrored)
    assert (name, "of mine", False) == (frame.type, frame.message, frame.interrupted)
    assert "raise type(name" in frame.traceback


@pytest.mark.parametrize("kind", ["item", "batch"])
@pytest.mark.parametrize(("number", "interrupted"), [(-15, True), (-2, True), (-11, False), (3, False)])
def test_a_process_that_died_of_a_request_to_stop_may_have_been_one_of_many(
    kind: str, number: int, tmp_path: Path, *, interrupted: bool
) -> None:
    (tmp_path / "named.py").write_text(
        "import subprocess\nfrom evtrack import batch_handler, handler\n"
        f"@handler('item')\ndef item(_): raise subprocess.CalledProcessError({number}, 'x')\n"
        "@batch_handler('batch')\ndef batch(_): item(None)\n"
    )
    with slot(Setup(["named"], {}, [], str(tmp_path))) as one:
        one.give(claimed_batch("x", handler=kind))
        (frame,) = one.receive(1)
    assert isinstance(frame, BatchErrored)
    assert interrupted == frame.interrupted
