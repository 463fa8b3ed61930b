"""A completed batch stays completed, whatever happens to its slot next."""

import json
from collections import Counter
from pathlib import Path

import pytest

from client import Client
from slot_driver import claimed_batch, slot
from workers import running_worker

pytestmark = [pytest.mark.integration, pytest.mark.crash]


@pytest.mark.parametrize("do", ["segv", "kill", "_exit"])
def test_a_dead_slot_leaves_the_outcomes_that_it_had_not_sent(do: str) -> None:
    count = 300
    with slot() as one:
        batches = [claimed_batch({"return": n} if n % 2 else {}, batch_no=n) for n in range(1, count + 1)]
        one.give(*batches, claimed_batch({"do": do}, batch_no=count + 1))
        one.wait_for_exit()
        known: dict[int, bytes | None] = {}
        for frame in one.frames:
            known |= {frame.first + n: (frame.results or [None] * len(frame.run_s))[n] for n in range(len(frame.run_s))}
            one.process.release(len(frame.run_s))
        left = one.process.unsent_outcomes()
        if left is not None:
            assert len(known) + 1 == left.first, "none is there twice"
            known |= {left.first + n: (left.results or [])[n] for n in range(len(left.run_s))}
        assert {n: str(n).encode() if n % 2 else None for n in range(1, count + 1)} == known


def test_no_batch_runs_twice_but_the_one_that_kills_its_slot(queue: Client, dsn: str, tmp_path: Path) -> None:
    trace, count, ill = tmp_path / "trace", 4_000, {800, 1_777, 3_210, 3_999}
    items = [
        json.dumps({"trace": str(trace), "return": n} | ({"do": "segv"} if n in ill else {}))
        for n in range(1, count + 1)
    ]
    keys = [f"k{n}" for n in range(1, count + 1)]
    job = int(queue.one("SELECT evtrack.enqueue('scripted', %s, %s, batch_size => 1)", keys, items))
    with running_worker(dsn, slots=2, until_job=job) as one:
        one.join(120)
    runs = Counter(line.split(" ", 1)[0] for line in trace.read_text(encoding="utf-8").splitlines())
    assert count == len(runs)
    assert set() == {key for key, times in runs.items() if times > 1} - {f"k{n}" for n in ill}
    fates = queue.rows("SELECT status::text, count(*) FROM evtrack.item_status WHERE job_id = %s GROUP BY 1", job)
    assert {"completed": count - len(ill), "crashed": len(ill)} == {row["status"]: row["count"] for row in fates}
    results = queue.rows("SELECT item_key, result FROM evtrack.item_result WHERE job_id = %s", job)
    assert {f"k{n}": n for n in range(1, count + 1) if n not in ill} == {
        row["item_key"]: int(row["result"]) for row in results
    }
