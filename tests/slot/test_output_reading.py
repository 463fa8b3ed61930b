"""The output of a slot is read until nobody can write to it any more, whatever else arrives at the same moment."""

import os
import selectors
from typing import Any

from structlog.testing import capture_logs

from evtrack.runtime.slot.protocol import BatchesDone
from evtrack.runtime.slot.shared_page import SharedPage
from evtrack.runtime.worker.slots.stderr import SlotStderr
from polling import eventually
from served_pool import served_pool
from slot_driver import claimed_batch, slot


def is_readable(fileobj: Any) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(fileobj, selectors.EVENT_READ)
        return bool(selector.select(0))


def test_a_slot_whose_output_arrives_together_with_an_outcome_is_read_on() -> None:
    with served_pool() as served, capture_logs():
        slot = served.ready_slot()
        slot.assign([claimed_batch({"do": "print"})], 0.0)
        # As when the supervisor was kept from the processor for a moment.
        eventually(lambda: is_readable(slot.channel.socket) and is_readable(slot.stderr.fd))
        served.await_ended(1)
        # More than the pipe holds: the slot goes on only if somebody reads.
        slot.assign([claimed_batch({"do": "print much"}, batch_no=2)], 0.0)
        served.await_ended(2)


def test_a_program_that_makes_the_output_non_blocking_fails_no_item() -> None:
    with slot() as one, capture_logs():
        one.give(claimed_batch({"do": "print after a program made stderr non-blocking"}))
        (done,) = one.receive(1)
        assert isinstance(done, BatchesDone), done
        assert "\n999 x" in one.process.stderr.tail


def test_a_pipe_without_news_is_not_taken_for_one_that_has_ended() -> None:
    read_end, write_end = os.pipe()
    stderr = SlotStderr(fd=read_end, pid=1, page=SharedPage.create(), find_batch=lambda _: None)
    assert (False, False) == (stderr.read(), stderr.has_ended)
    os.write(write_end, b"0123456789abcdef and a line\n")
    assert (True, False) == (stderr.read(), stderr.has_ended)
    os.close(write_end)
    assert (False, True) == (stderr.read(), stderr.has_ended)
    stderr.close()


def test_output_that_never_ends_does_not_hold_the_worker_when_its_slot_has_ended() -> None:
    endless = os.open("/dev/zero", os.O_RDONLY)
    stderr = SlotStderr(fd=endless, pid=1, page=SharedPage.create(), find_batch=lambda _: None)
    with capture_logs():
        stderr.finish()
    assert not stderr.has_ended
    stderr.close()
