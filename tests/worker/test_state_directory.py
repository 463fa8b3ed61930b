"""What a worker leaves on its host: its directory, its pages, and who may enter and read them."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from evtrack.runtime.worker.state.batches_at_death import BatchOnPage, batches_on_page
from evtrack.runtime.worker.state.remains import locked_remains, remains_of
from evtrack.runtime.worker.state.state_directory import StateDirectory, default_state_dir
from polling import eventually

LEAVE = r"""
import os, sys, time
from pathlib import Path
from evtrack.runtime.worker.state.state_directory import StateDirectory
state = StateDirectory(Path(sys.argv[1]))
state.open()
state.describe(worker_id=7, database="1/2")
page = state.new_page()
page.assigned.record(1, [(3, 4, 1)])
page.begin(1, 1.0)
page.begin_item(5)
if sys.argv[2] == "fork" and not os.fork():
    os.close(state._lock_fd)  # a slot is started by the fork server, which never had it
    os.write(1, b"slot %d\n" % os.getpid())
    time.sleep(60)
os.write(1, b"ready\n")
time.sleep(60)
"""


@contextmanager
def left(base: Path, how: str = "") -> Iterator[tuple[int, int]]:
    """Let a worker's process die that has a batch in hand; with "fork", its slot is another process, and lives on."""
    process = subprocess.Popen([sys.executable, "-c", LEAVE, str(base), how], stdout=subprocess.PIPE, text=True)
    slot = 0
    try:
        assert process.stdout is not None
        for line in [process.stdout.readline() for _ in range(2 if how else 1)]:
            slot = int(line.removeprefix("slot ")) if line.startswith("slot ") else slot
        with locked_remains(only(base)) as remains:
            assert remains is None, "its worker lives"
        process.kill()
        process.wait(10)
        yield process.pid, slot
    finally:
        process.kill()
        if slot:
            with suppress(ProcessLookupError):
                os.kill(slot, signal.SIGKILL)
        process.communicate(timeout=10)


def only(base: Path) -> Path:
    """Return the only worker's directory."""
    (path,) = remains_of(base, own="")
    return path


def test_a_clean_stop_leaves_nothing_and_others_may_not_enter(tmp_path: Path) -> None:
    base = tmp_path / "deep" / "state"
    state = StateDirectory(base)
    state.open()
    page = state.new_page()
    assert {0o700} == {path.stat().st_mode & 0o777 for path in (base, only(base))}
    assert {0o600} == {path.stat().st_mode & 0o777 for path in only(base).iterdir()}
    assert 3 == len(list(only(base).iterdir()))
    other = state.new_page()
    page.close()
    state.remove_closed(time.monotonic() - 60)
    assert 4 == len(list(only(base).iterdir())), "what its slot did may not be committed yet"
    state.remove_closed(time.monotonic())
    assert 3 == len(list(only(base).iterdir())), "the page of a slot goes with it"
    other.close()
    state.close()
    assert [] == list(base.iterdir())
    state.close()


def test_the_directory_of_a_live_worker_is_left_alone_and_a_dead_ones_is_read(tmp_path: Path) -> None:
    with left(tmp_path) as (pid, _), locked_remains(only(tmp_path)) as remains, locked_remains(only(tmp_path)) as again:
        assert remains is not None
        assert again is None, "only one reports it"
        found = remains.description()
        assert found is not None
        assert (7, "1/2", pid) == (found.worker_id, found.database, found.pid)
        assert found.is_of_this_boot
        assert [[BatchOnPage((3, 4, 1), item=5)]] == remains.read_pages(batches_on_page)
        remains.remove()
    assert [] == list(tmp_path.iterdir())


def test_a_slot_that_outlives_its_worker_keeps_its_page(tmp_path: Path) -> None:
    with left(tmp_path, "fork") as (_, slot), locked_remains(only(tmp_path)) as remains:
        assert remains is not None
        assert remains.read_pages(batches_on_page) is None, "it may still complete an item"
        os.kill(slot, signal.SIGKILL)
        assert 1 == len(eventually(lambda: remains.read_pages(batches_on_page) or []))


@pytest.mark.parametrize("name", ["a file", "\0", "/proc/nothing"])
def test_without_a_directory_pages_are_memory_and_one_warning_says_what_is_lost(tmp_path: Path, name: str) -> None:
    (tmp_path / "a file").touch()
    base = tmp_path / name if "\0" not in name else tmp_path / ("x" * 300)
    state = StateDirectory(base)
    with capture_logs() as logs:
        state.open()
        pages = [state.new_page(), state.new_page()]
        state.describe(worker_id=7, database="1/2")
        state.touch()
        state.close()
    for page in pages:
        page.begin(1, 1.0)
        assert 1 == page.seq
        page.close()
    assert ["state_directory_unavailable"] == [line["event"] for line in logs]
    assert "--state-dir" in logs[0]["hint"]
    assert not state.name


def test_on_a_full_disk_the_next_page_is_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = StateDirectory(tmp_path)
    state.open()

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with capture_logs() as logs:
        page, other = state.new_page(), state.new_page()
    page.begin(1, 1.0)
    assert ["state_directory_unavailable"] == [line["event"] for line in logs]
    assert not list(only(tmp_path).glob("*.page"))
    page.close()
    other.close()
    state.close()


def test_neither_links_nor_damaged_directories_nor_those_of_others_are_entered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, victim = tmp_path / "state", tmp_path / "victim"
    state = StateDirectory(victim)
    state.open()
    base.mkdir()
    (base / "worker-link").symlink_to(only(victim))
    (base / "worker-file").touch()
    (base / "unrelated").mkdir()
    for path in remains_of(base, own=""):
        with locked_remains(path) as remains:
            assert remains is None
    (base / "worker-empty").mkdir()
    with locked_remains(base / "worker-empty") as remains:
        assert remains is not None
        assert remains.description() is None
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with locked_remains(base / "worker-empty") as remains:
        assert remains is None, "it belongs to another user"
    state.close()


def test_a_description_is_whole_or_missing(tmp_path: Path) -> None:
    with left(tmp_path):
        pass
    path = only(tmp_path) / "worker.json"
    for damaged in (b"", path.read_bytes()[:-1], b"{}", b"\xff", b"[" * 100_000):
        path.write_bytes(damaged)
        with locked_remains(only(tmp_path)) as remains:
            assert remains is not None
            assert remains.description() is None
    path.unlink()
    os.mkfifo(path)
    with locked_remains(only(tmp_path)) as remains:
        assert remains is not None
        assert remains.description() is None, "no wait for a writer"


def test_a_file_of_the_wrong_size_is_no_page(tmp_path: Path) -> None:
    with left(tmp_path):
        pass
    (whole,) = only(tmp_path).glob("*.page")
    (only(tmp_path) / "slot-2.page").write_bytes(b"short")
    (only(tmp_path) / "slot-3.page").symlink_to(whole)
    (only(tmp_path) / "slot-4.page").mkdir()
    os.mkfifo(only(tmp_path) / "slot-5.page")
    with locked_remains(only(tmp_path)) as remains:
        assert remains is not None
        assert 1 == len(remains.read_pages(batches_on_page) or [])


def test_the_default_is_chosen_like_the_data_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert Path("/var/lib/evtrack/state") == default_state_dir()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    assert Path("/somewhere/evtrack") == default_state_dir()
