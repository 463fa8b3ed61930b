"""A worker that cannot start reports why."""

from pathlib import Path

import pytest

from client import Client
from evtrack.domain.errors import EvtrackError, HandlerImportError
from evtrack.runtime.slot.protocol import Setup
from evtrack.runtime.worker.supervisor import Supervisor
from workers import HANDLER_DIRECTORY

pytestmark = pytest.mark.integration


def test_a_module_that_does_not_import_ends_the_worker_before_it_registers(
    queue: Client, dsn: str, tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text("1 / 0\n")
    with pytest.raises(HandlerImportError, match="ZeroDivisionError"):
        Supervisor(dsn=dsn, setup=Setup(["broken"], {}, [], str(tmp_path)), slots=2).run()
    assert 0 == queue.one("SELECT count(*) FROM evtrack.worker")


def test_slots_that_die_while_importing_end_the_worker_with_their_stderr(dsn: str, tmp_path: Path) -> None:
    (tmp_path / "deadly.py").write_text(
        "import os, sys\nprint('last words', file=sys.stderr, flush=True)\nos._exit(9)\n"
    )
    with pytest.raises(EvtrackError, match=r"^Slots died 3 times in a row .* with exit code 9:\nlast words\n"):
        Supervisor(dsn=dsn, setup=Setup(["deadly"], {}, [], str(tmp_path)), slots=4).run()


def test_invalid_numbers_are_refused_with_their_value(dsn: str) -> None:
    setup = Setup(["misbehaving_handlers"], {}, [], HANDLER_DIRECTORY)
    with pytest.raises(ValueError, match="at least 1 slot, got 0"):
        Supervisor(dsn=dsn, setup=setup, slots=0)
    with pytest.raises(ValueError, match="grace_s must not be negative, got -1"):
        Supervisor(dsn=dsn, setup=setup, grace_s=-1)
    with pytest.raises(ValueError, match="max_batches must not be negative, got -1"):
        Supervisor(dsn=dsn, setup=setup, max_batches=-1)
