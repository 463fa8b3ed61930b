"""How much memory slots may hold: limits that fit, slots replaced before they reach them, and all that counts."""

import json
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from client import Client
from command_line import evtrack
from evtrack.domain import log_names
from evtrack.domain.errors import BadArgument, LimitTooLow
from evtrack.interfaces.cli import cli
from evtrack.interfaces.cli.shared.parameter_types import Memory, MemoryPair
from evtrack.runtime.worker.slots.container_memory import RESERVE_BYTES, ContainerLimit, container_limit
from evtrack.runtime.worker.slots.limits import SlotLimits
from evtrack.runtime.worker.slots.memory_limits import MemoryLimits, policy_of
from polling import eventually
from slot_driver import claimed_batch, slot
from workers import HANDLER_DIRECTORY, running_worker, statuses, submit

MIB = 1 << 20
KEEPS = json.dumps({"do": "keep"})


def limits(**given: int) -> SlotLimits:
    return SlotLimits(memory=MemoryLimits(**given))  # type: ignore[arg-type]  of several types


def causes(queue: Client, job: int) -> list[tuple[str, bool]]:
    """Return the cause of each crash of a job, and whether it counts."""
    rows = queue.rows("SELECT data FROM evtrack.event WHERE job_id = %s AND type = 'crashed'", job)
    return [(row["data"]["cause"], row["data"].get("blame") != "none") for row in rows]


@pytest.mark.integration
@pytest.mark.parametrize("option", ["--max-rss", "--recycle-rss"])
def test_a_limit_below_what_the_import_takes_is_refused_at_start(dsn: str, queue: Client, option: str) -> None:
    words = ["work", "--dsn", dsn, "--import", "misbehaving_handlers", "--drain", option, "5"]
    done = evtrack(*words, cwd=Path(HANDLER_DIRECTORY))
    assert 2 == done.returncode, done.stderr
    assert f"{option} is 5 MiB, but a slot holds " in done.stderr
    assert f"Set {option} well above" in done.stderr
    assert 0 == queue.one("SELECT count(*) FROM evtrack.worker")


@pytest.mark.integration
def test_a_job_with_a_limit_below_what_the_import_takes_fails_and_crashes_nothing(queue: Client, dsn: str) -> None:
    job = submit(queue, "{}", max_rss_bytes=5 * MIB, max_errors=1)
    other = submit(queue, "{}")
    with running_worker(dsn, until_job=job) as one:
        one.join()
    assert {"failed": 1} == statuses(queue, job)
    (row,) = queue.rows("SELECT data FROM evtrack.event WHERE job_id = %s AND type = 'failed'", job)
    assert "the job's max_rss is 5 MiB, but a slot of this worker holds " in row["data"]["error"]["message"]
    assert [] == causes(queue, job) + causes(queue, other)


@pytest.mark.integration
@pytest.mark.parametrize("by_job", [False, True])
def test_a_slot_that_leaks_is_replaced_before_it_reaches_its_limit(queue: Client, dsn: str, *, by_job: bool) -> None:
    policy = {"max_rss_bytes": 120 * MIB} if by_job else {}
    job = submit(queue, *[KEEPS] * 150, batch_size=1, **policy)
    with (
        capture_logs() as lines,
        running_worker(
            dsn, slots=2, limits=limits() if by_job else limits(max_rss_bytes=120 * MIB), until_job=job
        ) as one,
    ):
        one.join(60)
    assert {"completed": 150} == statuses(queue, job)
    assert [] == [each for each in causes(queue, job) if each[1]], "none that counts"
    recycled = [line for line in lines if line["event"] == log_names.SLOT_RECYCLED]
    assert len(recycled) > 10
    assert all(96 * MIB < line["rss_bytes"] and line["recycle_rss_bytes"] == 96 * MIB for line in recycled)


@pytest.mark.integration
def test_items_that_leak_within_one_batch_are_not_poison(queue: Client, dsn: str) -> None:
    job = submit(queue, *[KEEPS] * 60, batch_size=60)
    with running_worker(dsn, slots=2, limits=limits(max_rss_bytes=120 * MIB), until_job=job) as one:
        one.join(90)
    fates = queue.rows("SELECT status::text, count(*) FROM evtrack.item_status WHERE job_id = %s GROUP BY 1", job)
    assert {"completed": 60} == {row["status"]: row["count"] for row in fates}
    assert {("memory_limit", False)} == set(causes(queue, job))


@pytest.mark.integration
def test_without_a_recycle_limit_the_slot_stays(queue: Client, dsn: str) -> None:
    job = submit(queue, *[KEEPS] * 10, batch_size=1)
    with capture_logs() as lines, running_worker(dsn, limits=limits(recycle_rss_bytes=0), until_job=job) as one:
        one.join()
    assert [] == [line for line in lines if line["event"] == log_names.SLOT_RECYCLED]


@pytest.mark.integration
def test_the_memory_of_a_handlers_child_processes_counts(queue: Client, dsn: str) -> None:
    job = submit(queue, json.dumps({"do": "start hog"}), max_crashes=1)
    with running_worker(dsn, limits=limits(max_rss_bytes=200 * MIB), until_job=job) as one:
        one.join(60)
    assert "memory_limit" in {cause for cause, _ in causes(queue, job)}
    assert {"crashed": 1} == statuses(queue, job)


@pytest.mark.integration
def test_memory_that_child_processes_share_counts_once(queue: Client, dsn: str) -> None:
    job = submit(queue, json.dumps({"do": "share with children"}), max_crashes=1)
    with running_worker(dsn, limits=limits(max_rss_bytes=150 * MIB), until_job=job) as one:
        one.join(60)
    assert {"completed": 1} == statuses(queue, job)


def test_slots_die_before_their_supervisor_when_memory_runs_out() -> None:
    own = int(Path("/proc/self/oom_score_adj").read_text())
    with slot() as one:
        assert min(own + 500, 1000) == int(Path(f"/proc/{one.process.pid}/oom_score_adj").read_text())
        one.give(claimed_batch({"do": "start hog"}))
        (hog,) = eventually(lambda: psutil.Process(one.process.pid).children())
        assert min(own + 500, 1000) == int(Path(f"/proc/{hog.pid}/oom_score_adj").read_text())


GIB = 1 << 30


def test_the_least_limit_of_the_group_and_those_above_applies(tmp_path: Path) -> None:
    proc, root = tmp_path / "cgroup", tmp_path / "fs"
    proc.write_text("0::/a/b\n")
    (root / "a" / "b").mkdir(parents=True)
    assert container_limit(proc=proc, root=root) is None
    (root / "a" / "b" / "memory.max").write_text("max\n")
    assert container_limit(proc=proc, root=root) is None
    (root / "a" / "b" / "memory.max").write_text(f"{4 * GIB}\n")
    (root / "a" / "memory.max").write_text(f"{2 * GIB}\n")
    assert (2 * GIB, root / "a" / "memory.max") == container_limit(proc=proc, root=root)


def test_the_limits_of_version_1_and_those_of_a_namespace_are_read(tmp_path: Path) -> None:
    proc, root = tmp_path / "cgroup", tmp_path / "fs"
    proc.write_text("3:cpu:/docker/x\n2:memory:/docker/x\n1:name=systemd:/\n")
    (root / "memory").mkdir(parents=True)
    (root / "memory" / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert container_limit(proc=proc, root=root) is None
    (root / "memory" / "memory.limit_in_bytes").write_text(f"{GIB}\n")
    assert (GIB, root / "memory" / "memory.limit_in_bytes") == container_limit(proc=proc, root=root)
    assert container_limit(proc=tmp_path / "none", root=root) is None


def test_the_slots_share_the_containers_memory() -> None:
    container = ContainerLimit(RESERVE_BYTES + 900 * MIB, Path("memory.max"))
    memory = MemoryLimits(container=container)
    with capture_logs() as lines:
        memory.learn_import(100 * MIB, slots=2)
    assert (300 * MIB, 700 * MIB) == (memory.max_rss_bytes, memory.isolated_max_rss_bytes)
    assert [log_names.MEMORY_SHARED] == [line["event"] for line in lines]
    crowded = MemoryLimits(container=container)
    with capture_logs() as lines:
        crowded.learn_import(100 * MIB, slots=8)
    assert (None, None) == (crowded.max_rss_bytes, crowded.isolated_max_rss_bytes)
    assert [("warning", log_names.MEMORY_NOT_LIMITED)] == [(line["log_level"], line["event"]) for line in lines]
    given = MemoryLimits(max_rss_bytes=200 * MIB, container=container)
    given.learn_import(100 * MIB, slots=2)
    assert 200 * MIB == given.max_rss_bytes


def test_a_batch_that_runs_alone_for_its_memory_may_have_more() -> None:
    memory = MemoryLimits(max_rss_bytes=100, isolated_max_rss_bytes=400)
    batch = claimed_batch({})
    levels = (None, b"fresh_slot", b"memory", b"marked", b"exclusive")
    found = [memory.limit_of(batch._replace(isolation=level), policy_of(None)) for level in levels]
    assert [100, 100, 400, 100, 400] == found
    policy = b'{"max_rss_bytes": 200, "max_rss_alone_bytes": 300}'
    found = [memory.limit_of(batch._replace(isolation=level), policy_of(policy)) for level in levels]
    assert [200, 200, 300, 200, 300] == found, "that of the job takes precedence"
    with pytest.raises(BadArgument, match="must not be below"):
        MemoryLimits(max_rss_bytes=400, isolated_max_rss_bytes=100)


def test_a_slot_is_replaced_at_a_share_of_the_limit_if_its_import_leaves_room() -> None:
    memory = MemoryLimits(max_rss_bytes=100 * MIB)
    memory.learn_import(70 * MIB, slots=1)
    assert 80 * MIB == memory.recycle_at([claimed_batch({})])
    memory.learn_import(90 * MIB, slots=1)
    assert 0 == memory.recycle_at([claimed_batch({})])
    assert 0 == MemoryLimits().recycle_at([claimed_batch({})])
    assert 7 == MemoryLimits(recycle_rss_bytes=7).recycle_at([claimed_batch({})])
    with pytest.raises(LimitTooLow, match="--max-rss is 100 MiB, but a slot holds 100 MiB"):
        memory.learn_import(100 * MIB, slots=1)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("512", 512 * MIB),
        ("0.5", MIB // 2),
        ("1e2", 100 * MIB),
        ("512MiB", 512 * MIB),
        ("2g", 2 * GIB),
        ("1.5 GiB", 3 * GIB // 2),
        ("64k", 1 << 16),
        ("1GB", 10**9),
        ("100B", 100),
        ("none", 0),
    ],
)
def test_sizes_are_numbers_of_mib_or_have_a_unit(text: str, count: int) -> None:
    assert count == Memory().convert(text, None, None)
    assert (count, count) == MemoryPair().convert(text, None, None)


@pytest.mark.parametrize("value", ["2GiB,1GiB", "none,1GiB", "1GiB,", "1,2,3", "5 parsecs", "", ".", "1.2.3MiB"])
def test_a_size_that_makes_no_sense_is_refused(value: str) -> None:
    said = CliRunner().invoke(cli, ["work", "--max-rss", value])
    assert (2, True) == (said.exit_code, "Invalid value for '--max-rss'" in said.stderr)


@pytest.mark.integration
def test_an_item_that_needs_more_gets_it_when_it_runs_alone(queue: Client, dsn: str, tmp_path: Path) -> None:
    source = tmp_path / "items.jsonl"
    source.write_text(
        "".join(json.dumps({"id": n, "do": "use for long" if n == 7 else ""}) + "\n" for n in range(1, 21))
    )
    words = ["run", str(source), "--dsn", dsn, "--handler", "scripted", "--import", "misbehaving_handlers"]
    done = evtrack(*words, "--slots", "2", "--batch-size", "5", "--max-rss", "80,300", cwd=Path(HANDLER_DIRECTORY))
    assert 0 == done.returncode, done.stderr
    (job,) = queue.rows("SELECT job_id, policy FROM evtrack.job")
    assert (80 * MIB, 300 * MIB) == (job["policy"]["max_rss_bytes"], job["policy"]["max_rss_alone_bytes"])
    assert {"memory_limit"} == {cause for cause, _ in causes(queue, job["job_id"])}
    assert [True] == [counts for _, counts in causes(queue, job["job_id"]) if counts], "once, as the first in its slot"
