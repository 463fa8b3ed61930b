"""A real out-of-memory kill is reported as such, with its evidence."""

import json
from pathlib import Path

import pytest

from client import Client
from evtrack.runtime.worker.slots.container_memory import RESERVE_BYTES
from evtrack.storage.connection.connect import Connection
from memory_cgroup import memory_cgroup, parent, run_in
from polling import eventually

ABOVE = parent()
MIB = 1 << 20
HOG = "python3 -I -S -c 'x = [b\"x\" * (1 << 20) for _ in range(1 << 20)]'"

pytestmark = [pytest.mark.integration, pytest.mark.crash]


@pytest.mark.skipif(isinstance(ABOVE, str), reason=f"no real kill for want of memory here: {ABOVE}")
def test_an_out_of_memory_kill_is_distinguished_from_another_kill(conn: Connection, dsn: str) -> None:
    assert isinstance(ABOVE, Path)
    queue = Client(conn, "scripted")
    leak, hog, kill = (
        queue.one(
            "SELECT evtrack.enqueue(%s, %s, %s, policy => '{\"max_crashes\": 1}')",
            handler,
            [do],
            [json.dumps({"do": do})],
        )
        for handler, do in [("scripted", "leak"), ("hog", "hog"), ("scripted", "kill")]
    )
    words = [
        "work",
        "--dsn",
        dsn,
        "--import",
        "misbehaving_handlers",
        "--exec",
        f"hog={HOG}",
        "--slots",
        "1",
        "--max-rss",
        "none",
        "--drain",
    ]
    with memory_cgroup(ABOVE, 250 * MIB) as members:
        run_in(members, words)
        told = {row["job_id"]: row["dossier"] for row in queue.rows("SELECT job_id, dossier FROM evtrack.crash")}
    assert {leak: "out_of_memory", hog: "out_of_memory", kill: "signal"} == {
        job: dossier["cause"] for job, dossier in told.items()
    }
    assert {"SIGKILL"} == {dossier["signal"] for dossier in told.values()}
    for job in (leak, hog):
        assert f" in {members.parent}/memory." in told[job]["why"]
        assert told[job]["peak_rss_bytes"] > 50 * MIB
    assert "cause unknown" in told[kill]["why"]
    eventually(lambda: queue.phase(kill) == "finished", 5)


@pytest.mark.skipif(isinstance(ABOVE, str), reason=f"no container with a memory limit here: {ABOVE}")
def test_the_slots_of_a_container_share_its_memory(conn: Connection, dsn: str) -> None:
    assert isinstance(ABOVE, Path)
    queue = Client(conn, "scripted")
    keys = [f"k{number}" for number in range(1, 21)]
    items = [json.dumps({"do": "leak" if key == "k7" else ""}) for key in keys]
    job = queue.one("SELECT evtrack.enqueue('scripted', %s, %s, batch_size => 5)", keys, items)
    words = [
        "work",
        "--dsn",
        dsn,
        "--import",
        "misbehaving_handlers",
        "--slots",
        "2",
        "--drain",
        "--log-format",
        "json",
    ]
    with memory_cgroup(ABOVE, 500 * MIB) as members:
        stderr = run_in(members, words)
    lines = [json.loads(line) for line in stderr.splitlines()]
    (shared,) = [line for line in lines if line["event"] == "memory_shared"]
    assert (500 * MIB, (500 * MIB - RESERVE_BYTES) // 3) == (shared["container_bytes"], shared["max_rss_bytes"])
    assert shared["file"].startswith(str(members.parent))
    assert shared["max_rss_bytes"] < shared["isolated_max_rss_bytes"] < 500 * MIB - RESERVE_BYTES
    fates = queue.rows("SELECT item_key, status::text FROM evtrack.item_status WHERE job_id = %s", job)
    assert {key: "crashed" if key == "k7" else "completed" for key in keys} == {
        row["item_key"]: row["status"] for row in fates
    }
    assert {"memory_limit"} == {
        row["cause"] for row in queue.rows("SELECT cause FROM evtrack.crash WHERE job_id = %s", job)
    }
