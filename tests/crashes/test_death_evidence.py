"""The evidence of why a worker died: counters, its service manager, its host and the kernel's log."""

import os
import time
from pathlib import Path

import msgspec
import pytest

from evtrack.runtime.worker.slots.oom_kills import kill_counters
from evtrack.runtime.worker.state import description as descriptions
from evtrack.runtime.worker.state.description import describe_this_process
from evtrack.runtime.worker.state.evidence import evidence
from evtrack.runtime.worker.state.kernel_log import find_kill


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
    assert time.monotonic() - begun < 10


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
