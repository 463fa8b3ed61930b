"""What a worker leaves on its host: its directory, its pages, and the evidence of why it died."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from evtrack.runtime.slot.shared_page import PAGE_BYTES, RESULT_BYTES, SharedPage
from evtrack.runtime.worker.slots.oom_kills import kill_counters
from evtrack.runtime.worker.state import description as descriptions
from evtrack.runtime.worker.state.batches_at_death import BatchOnPage, batches_at_death, batches_on_page
from evtrack.runtime.worker.state.description import describe_this_process
from evtrack.runtime.worker.state.evidence import evidence
from evtrack.runtime.worker.state.kernel_log import find_kill
from evtrack.runtime.worker.state.remains import locked_remains, remains_of
from evtrack.runtime.worker.state.state_directory import StateDirectory, default_state_dir
from evtrack.storage.queue.workers import BatchAtDeath
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
        assert 1 == len(eventually(lambda: remains.read_pages(batches_on_page) or [], 10))


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


@pytest.fixture
def page() -> SharedPage:
    found = SharedPage(-1, content=bytearray(PAGE_BYTES))
    found.assigned.record(1, [(9, number, 1) for number in range(1, 6)])
    return found


def test_a_page_tells_what_had_begun_what_was_in_hand_and_what_was_done(page: SharedPage) -> None:
    assert [] == batches_on_page(page), "nothing had begun"
    page.begin(1, 1.0)
    page.outcomes.add(1, 0.5, b"1\n2")
    page.outcomes.clear()
    assert [BatchOnPage((9, 1, 1), is_completed=True, lines=b"1\n2")] == batches_on_page(page)
    page.begin(2, 1.0)
    page.end()
    page.begin(3, 1.0)
    first = BatchOnPage((9, 1, 1), is_completed=True, lines=b"1\n2")
    assert [first, BatchOnPage((9, 3, 1))] == batches_on_page(page), "the second had failed"
    page.begin_item(0)
    page.add_result(0, b"7")
    assert [first, BatchOnPage((9, 3, 1), results={0: b"7"})] == batches_on_page(page), "the item had just ended"
    page.begin_item(1)
    assert [first, BatchOnPage((9, 3, 1), item=1, results={0: b"7"})] == batches_on_page(page)
    waiting = page.wait()
    assert [first, BatchOnPage((9, 3, 1), results={0: b"7"})] == batches_on_page(page), "the item had no permit yet"
    page.go_on(waiting)
    page.begin_item(1)
    page.end()
    assert [first, BatchOnPage((9, 3, 1), results={0: b"7"})] == batches_on_page(page), "it had failed"
    page.begin(4, 1.0)
    page.begin_whole()
    page.begin_item(2)
    assert [first, BatchOnPage((9, 4, 1), is_whole=True)] == batches_on_page(page), "a batch handler may read ahead"
    page.wait()
    assert [first, BatchOnPage((9, 4, 1))] == batches_on_page(page)


def test_indexes_become_ordinals() -> None:
    ordinals = {(9, 1, 1): [11, 13, 14], (9, 2, 1): [20]}
    translated = [
        (
            BatchOnPage((9, 1, 1), item=1, results={0: b"7", 2: b""}),
            BatchAtDeath((9, 1, 1), True, 13, "{[11,12),[14,15)}", "7\n"),
        ),
        (BatchOnPage((9, 1, 1), results={0: b""}), BatchAtDeath((9, 1, 1), True, None, "{[11,12)}", None)),
        (BatchOnPage((9, 1, 1), is_whole=True), BatchAtDeath((9, 1, 1), True, 0, None, None)),
        (BatchOnPage((9, 2, 1), is_whole=True), BatchAtDeath((9, 2, 1), True, 0, None, None)),
        (BatchOnPage((9, 1, 1), is_completed=True), BatchAtDeath((9, 1, 1), True, None, "{[11,12),[13,15)}", None)),
        (BatchOnPage((9, 2, 1), is_completed=True, lines=b"1"), BatchAtDeath((9, 2, 1), True, None, "{[20,21)}", "1")),
        (BatchOnPage((9, 2, 1), is_completed=True, lines=b"{"), BatchAtDeath((9, 2, 1), True, None, None, None)),
        (BatchOnPage((9, 2, 1), is_completed=True, lines=b"1\n2"), BatchAtDeath((9, 2, 1), True, None, None, None)),
        (
            BatchOnPage((9, 1, 1), item=3, results={0: b"a\nb", 9: b"1"}),
            BatchAtDeath((9, 1, 1), True, None, None, None),
        ),
    ]
    for batch, expected in translated:
        assert [expected] == batches_at_death([batch], ordinals)
    assert [] == batches_at_death([BatchOnPage((9, 3, 1)), BatchOnPage((9, 1, 2))], ordinals)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), share=st.sampled_from([0.0, 0.001, 0.01, 0.5, 1.0]), words=st.booleans())
def test_garbage_never_raises_and_never_names_a_batch_that_was_not_held(seed: int, share: float, words: bool) -> None:  # noqa: FBT001
    dice = random.Random(seed)
    content = bytearray(PAGE_BYTES)
    page = SharedPage(-1, content=content)
    page.assigned.record(1, [(9, number, 1) for number in range(1, 6)])
    page.begin(dice.randrange(7), 1.0)
    page.add_result(0, b"7")
    page.outcomes.add(1, 0.5, None)
    for _ in range(int(share * PAGE_BYTES)):
        content[dice.randrange(PAGE_BYTES)] = dice.randrange(256)
    if words:
        content[:96] = dice.randbytes(96)
    held = {(9, number, 1): [number] for number in range(1, 6)}
    found = batches_at_death(batches_on_page(page), held)
    assert {batch.key for batch in found} <= held.keys()
    for batch in found:
        assert batch.in_hand in {None, 0, *held[batch.key]}


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


def test_the_evidence_names_the_counter_that_rose_and_what_the_parent_reports(tmp_path: Path) -> None:
    counter, calm = tmp_path / "memory.events", tmp_path / "calm"
    counter.write_text("low 0\noom_kill 3\n")
    calm.write_text("oom_kill 9\n")
    worker = msgspec.structs.replace(describe_this_process(), oom_kills={str(counter): 1, str(calm): 9, "/gone": 0})
    found = evidence(worker, pids=[], base=tmp_path, previous_exit="137")
    assert [{"file": str(counter), "from": 1, "to": 3}] == found["oom_kills"]
    assert f"oom_kill rose from 1 to 3 in {counter}; its parent reports: exit code 137 (SIGKILL)" == found["why"]
    assert (worker.host, worker.pid) == (found["host"], found["pid"])
    calmer = msgspec.structs.replace(worker, oom_kills={str(calm): 9})
    for text, words in {"SIGKILL": "SIGKILL", "3": "exit code 3", "255": "exit code 255"}.items():
        assert f"its parent reports: {words}" == evidence(calmer, pids=[], base=tmp_path, previous_exit=text)["why"]
    assert "unknown" in evidence(calmer, pids=[], base=tmp_path)["why"]


def test_the_evidence_includes_what_systemd_wrote_about_this_run(tmp_path: Path) -> None:
    worker = msgspec.structs.replace(describe_this_process(), oom_kills={}, invocation_id="ab12")
    file = tmp_path / "exit"
    file.write_text("SERVICE_RESULT=oom-kill\nEXIT_CODE=killed\nEXIT_STATUS=KILL\nINVOCATION_ID=ab12\n")
    found = evidence(worker, pids=[], base=tmp_path)
    assert "SERVICE_RESULT=oom-kill, EXIT_CODE=killed, EXIT_STATUS=KILL" == found["previous_exit"]
    assert found["previous_exit"] in found["why"]
    file.write_text(file.read_text().replace("ab12", "cd34"))
    assert "previous_exit" not in evidence(worker, pids=[], base=tmp_path), "that was another unit's"
    file.write_text("SERVICE_RESULT=signal\n")
    assert "SERVICE_RESULT=signal" == evidence(worker, pids=[], base=tmp_path)["previous_exit"]
    os.utime(file, (0, worker.started_at - 60))
    assert "previous_exit" not in evidence(worker, pids=[], base=tmp_path), "that was before it started"


def test_a_restart_of_the_host_is_evidence_and_another_host_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = describe_this_process()
    assert (True, True) == (worker.is_of_this_boot, worker.is_of_this_host)
    before = msgspec.structs.replace(worker, boot_id="before")
    assert (False, True) == (before.is_of_this_boot, before.is_of_this_host)
    assert "the host restarted" == evidence(before, pids=[], base=Path("/nonexistent"))["why"]
    container = msgspec.structs.replace(worker, host="an earlier container")
    assert container.is_of_this_host, "the same kernel runs it"
    assert not msgspec.structs.replace(before, host="elsewhere").is_of_this_host
    monkeypatch.setattr(descriptions, "_BOOT_ID", Path("/nonexistent"))
    unknown = describe_this_process()
    assert unknown.is_of_this_boot
    assert not msgspec.structs.replace(unknown, host="elsewhere").is_of_this_host


def test_the_kernels_log_is_searched_for_the_workers_processes_since_it_started(tmp_path: Path) -> None:
    log = tmp_path / "kmsg"
    log.write_text("")
    records = [
        b"6,1,1000000,-;Memory cgroup out of memory: Killed process 7 (python)\n",
        b"6,2,9000000,-;Out of memory: Killed process 70 (python)\n",
        b"6,3,9000000,-;Memory cgroup out of memory: Killed process 7 (evtrack) total-vm:1kB\n SUBSYSTEM=x\n",
    ]
    read = iter([*records, b""])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "read", lambda *_: next(read))
        assert "Memory cgroup out of memory: Killed process 7 (evtrack) total-vm:1kB" == find_kill(
            {7}, since=5, path=log
        )
    assert "" == find_kill({7}, since=0, path=log)
    assert "" == find_kill({7}, since=0, path=tmp_path / "none")
    begun = time.monotonic()
    find_kill({1}, since=0)
    assert time.monotonic() - begun < 2


def test_counters_include_those_of_the_groups_around(tmp_path: Path) -> None:
    proc, root = tmp_path / "cgroup", tmp_path / "root"
    proc.write_text("4:memory:/docker/x\n0::/system.slice/evtrack.service\n")
    for place, count in {"": 9, "system.slice": 5, "system.slice/evtrack.service": 2}.items():
        (root / place).mkdir(parents=True, exist_ok=True)
        (root / place / "memory.events").write_text(f"oom_kill {count}\n")
    (root / "memory/docker/x").mkdir(parents=True)
    for place, count in {"memory": 8, "memory/docker": 4, "memory/docker/x": 1}.items():
        (root / place / "memory.oom_control").write_text(f"oom_kill_disable 0\noom_kill {count}\n")
    found = {str(Path(file).relative_to(root)): count for file, count in kill_counters(proc=proc, root=root).items()}
    assert {
        "system.slice/evtrack.service/memory.events": 2,
        "system.slice/memory.events": 5,
        "memory/docker/x/memory.oom_control": 1,
        "memory/docker/memory.oom_control": 4,
        "memory/memory.oom_control": 8,
    } == found


def test_the_default_is_chosen_like_the_data_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert Path("/var/lib/evtrack/state") == default_state_dir()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    assert Path("/somewhere/evtrack") == default_state_dir()


def test_results_that_no_longer_fit_on_the_page_are_behind_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "page"
    ours = SharedPage.create(path)

    def read() -> dict[int, bytes]:
        with path.open("rb") as file:
            found = SharedPage.read(file.fileno())
        return {**found.spilled_results, **found.results()}

    for seq in (1, 2):
        ours.begin(seq, 1.0)
        assert {} == read(), "those of another batch do not count"
        lines = {index: b"%d" % index * 9_000 for index in range(20)} | {20: b"x" * 2 * RESULT_BYTES, 21: b"1"}
        for index, line in lines.items():
            ours.begin_item(index)
            if not ours.add_result(index, line):
                ours.spill_results(index, line)
        assert lines == read()
    spilled = SharedPage.spill_results

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    spilled(ours, 22, b"2")
    assert {index: line for index, line in lines.items() if index < 21} == read(), "the disk is full"
    ours._words[13] = 2**63
    assert {} == read()
    ours.close()
