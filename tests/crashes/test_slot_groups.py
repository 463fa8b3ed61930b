"""Slots have control groups of their own where that is possible: the kernel kills the slot that took too much."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from client import Client
from evtrack.runtime.slot.process_tree import command_name, is_kept
from evtrack.runtime.worker.slots import own_group as own_group_module
from evtrack.runtime.worker.slots.memory_limits import MemoryLimits
from evtrack.runtime.worker.slots.own_group import members
from evtrack.runtime.worker.slots.slot_groups import SlotGroups
from evtrack.storage.connection.connect import Connection
from memory_cgroup import memory_cgroup, parent, run_in
from polling import eventually
from slot_driver import claimed_batch
from workers import alive

ABOVE = parent()
MIB = 1 << 20
GROW = 'import os; f = os.memfd_create("hoard"); [os.write(f, b"x" * (1 << 20)) for _ in range(1 << 20)]'
HOARD = f"python3 -I -S -c '{GROW}'"


@pytest.mark.integration
@pytest.mark.crash
@pytest.mark.skipif(isinstance(ABOVE, str), reason=f"no container with a memory limit here: {ABOVE}")
@pytest.mark.parametrize("handler", ["scripted", "program"])
def test_the_kernel_kills_the_slot_that_took_too_much_and_no_other(
    conn: Connection, dsn: str, tmp_path: Path, handler: str
) -> None:
    assert isinstance(ABOVE, Path)
    queue = Client(conn, "scripted")
    long, hoarder = (
        queue.one("SELECT evtrack.enqueue(%s, '{k}', %s, policy => '{\"max_crashes\": 1}')", name, [json.dumps(item)])
        for name, item in [("timed", {"s": 3, "trace": str(tmp_path / "trace")}), (handler, {"do": "hoard"})]
    )
    words = ["work", "--dsn", dsn, "--import", "misbehaving_handlers", "--slots", "2", "--max-rss", "150", "--drain"]
    words += ["--log-format", "json", "--exec", f"program={HOARD}"]
    with memory_cgroup(ABOVE, 1000 * MIB) as members:
        stderr = run_in(members, words, EVTRACK_SLOT_CGROUPS="1")
        left = [path for path in members.parent.iterdir() if path.is_dir()]
    assert [] == left
    (created,) = [line for line in map(json.loads, stderr.splitlines()) if line["event"] == "slot_groups_created"]
    assert str(members.parent) == created["group"]
    (crash,) = queue.rows("SELECT job_id, cause, dossier FROM evtrack.crash")
    assert (hoarder, "out_of_memory") == (crash["job_id"], crash["cause"])
    # It counts although another slot was busy: the memory was this slot's alone.
    assert "blame" not in crash["dossier"]
    # The kernel may have killed the program too.
    assert re.search(f"oom_kill rose from 0 to [12] in {members.parent}/evtrack-slot-", crash["dossier"]["why"])
    assert "at its limit of 214 MiB" in crash["dossier"]["why"]
    fates = queue.rows("SELECT job_id, status::text, attempt FROM evtrack.item_status ORDER BY job_id")
    assert [(long, "completed", 1), (hoarder, "crashed", 1)] == [
        (row["job_id"], row["status"], row["attempt"]) for row in fates
    ]
    assert 1 == len((tmp_path / "trace").read_text().splitlines())


@pytest.mark.integration
@pytest.mark.skipif(isinstance(ABOVE, str) or ABOVE.parts[4:5] != ("memory",), reason="no groups of version 1 here")
def test_what_a_slot_leaves_ends_with_its_group_but_for_what_may_outlive_it() -> None:
    script = "read go; setsid env -i sleep 600 & setsid env -i EVTRACK_SLOT=none sleep 600 & read go"
    groups = SlotGroups(wanted=True)
    groups.open()
    # Waits until it is a member, as a slot does.
    with subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.PIPE) as process:
        slot = groups.admit(process.pid)
        assert slot is not None
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        eventually(lambda: [command_name(int(pid)) for pid in members(slot.path)].count("sleep") == 2)
        left = [int(pid) for pid in members(slot.path) if int(pid) != process.pid]
        process.kill()
    kept = [pid for pid in left if is_kept(pid)]
    try:
        groups.release(slot)
        groups.close()
        assert not slot.path.exists()
        assert 1 == len(kept)
        assert kept == [pid for pid in left if alive(pid)]
    finally:
        for pid in kept:
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A group of version 2 made of ordinary files, which this process is a member of."""
    (tmp_path / "cgroup").write_text("0::/unit\n")
    group = tmp_path / "fs" / "unit"
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text(f"{os.getpid()}\n")
    (group / "cgroup.controllers").write_text("cpu memory pids\n")
    # The kernel removes a group's files with its directory.
    monkeypatch.setattr(Path, "rmdir", shutil.rmtree)
    return group


def groups_of(group: Path, *, wanted: bool | None = None, fork_server: int | None = None) -> SlotGroups:
    groups = SlotGroups(wanted=wanted, proc=group.parents[1] / "cgroup", root=group.parent)
    groups.open(*filter(None, [fork_server]))
    return groups


def test_a_delegated_group_of_version_2_is_divided(group: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_group_module, "_attribute", lambda _, name: b"1" if name == "user.delegate" else b"")
    groups = groups_of(group, fork_server=4242)
    # The file holds what was written last: the fork server, after this process.
    assert "4242" == (group / "worker" / "cgroup.procs").read_text()
    assert "+memory" == (group / "cgroup.subtree_control").read_text()
    slot = groups.admit(1 << 30)
    assert slot is not None
    assert {"memory.oom.group": "1", "cgroup.procs": str(1 << 30)} == {
        path.name: path.read_text() for path in slot.path.iterdir()
    }
    for allowed, expected in [(300, "300"), (200, "300"), (400, "400"), (None, "max"), (300, "max")]:
        slot.allow(allowed)
        assert expected == (slot.path / "memory.max").read_text()
    groups.release(slot)
    assert not slot.path.exists()
    groups.close()
    assert "-memory" == (group / "cgroup.subtree_control").read_text()
    assert "4242" == (group / "cgroup.procs").read_text()
    assert not [path for path in group.iterdir() if path.is_dir()]


def test_a_kill_is_the_slots_own_only_if_its_own_limit_was_reached(group: Path) -> None:
    made = []
    mkdir = Path.mkdir

    def with_counter(path: Path, **options: bool) -> None:
        mkdir(path, **options)
        (path / "memory.events").write_text("max 0\noom 0\noom_kill 0\n")
        made.append(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "mkdir", with_counter)
        groups = groups_of(group, wanted=True)
        slots = [groups.admit(1 << 30), groups.admit(1 << 30)]
    first, second = slots
    assert first is not None
    assert second is not None
    first.allow(300 * MIB)
    (first.path / "memory.events").write_text("max 9\noom 1\noom_kill 1\n")
    assert not second.take_oom_kill()
    assert first.has_reached_limit
    assert first.take_oom_kill().endswith("at its limit of 300 MiB")
    assert not first.take_oom_kill(), "a kill explains one death"
    (second.path / "memory.events").write_text("max 0\noom 0\noom_kill 1\n")
    assert not second.has_reached_limit
    assert f"oom_kill rose from 0 to 1 in {second.path}/memory.events" == second.take_oom_kill()
    groups.close()


def test_a_group_that_is_not_delegated_stays_as_it_is(group: Path) -> None:
    before = sorted(group.iterdir())
    for wanted in (None, False):
        groups = groups_of(group, wanted=wanted)
        assert groups.admit(1 << 30) is None
        groups.close()
    assert before == sorted(group.iterdir())


def test_the_groups_of_killed_workers_are_removed(group: Path) -> None:
    stale, old, new = (group / f"evtrack-slot-{name}" for name in (f"{1 << 30}-ab-1", "1-ab-1", "1-ab-2"))
    for path in (stale, old, new):
        path.mkdir()
    os.utime(old, (0, 0))
    groups_of(group, wanted=True)
    assert [False, False, True] == [path.exists() for path in (stale, old, new)]


def test_a_group_that_others_use_too_is_left_as_it_was(group: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text = Path.write_text

    def refuse(path: Path, text: str, **options: str) -> int:
        if path.name == "cgroup.subtree_control":
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        return write_text(path, text, **options)

    monkeypatch.setattr(Path, "write_text", refuse)
    groups = groups_of(group, wanted=True)
    assert groups.admit(1 << 30) is None
    assert str(os.getpid()) == (group / "cgroup.procs").read_text()
    assert not [path for path in group.iterdir() if path.is_dir()]


def test_a_group_bounds_more_than_the_limit_of_its_slot() -> None:
    of_job = [claimed_batch({})]
    assert [None, 164 * MIB, 1250 * MIB] == [
        MemoryLimits(max_rss_bytes=most and most * MIB).group_limit(of_job) for most in (None, 100, 1000)
    ]
