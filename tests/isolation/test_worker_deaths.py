"""Items that take the whole worker down: exactly these are blamed, after few deaths, and everything else completes."""

import json
import math
import time
from pathlib import Path
from statistics import mean

import pytest

from client import Client
from polling import eventually
from restarted_workers import KILLING_PROGRAM, fates, restarted_workers, results, runs, work_off

pytestmark = [pytest.mark.integration, pytest.mark.crash]

BUDGET = 2
"""Deaths of a worker that an item survives: the default of max_losses."""


def submit(queue: Client, handler: str, trace: Path, *, items: int, batch_size: int, poison: set[int]) -> int:
    """Enqueue items that say when they run; the poisonous ones then kill their whole worker."""
    texts = [
        json.dumps({"trace": str(trace), "return": n} | ({"do": "kill worker"} if n in poison else {}))
        for n in range(1, items + 1)
    ]
    keys = [f"k{n}" for n in range(1, items + 1)]
    return int(queue.one("SELECT evtrack.enqueue(%s, %s, %s, batch_size => %s)", handler, keys, texts, batch_size))


def account(queue: Client, job: int, poison: set[int], items: int) -> None:
    """Check that exactly the poison items crashed, that the others are completed, and that all sums agree."""
    innocent = [f"k{n}" for n in range(1, items + 1) if n not in poison]
    assert {"crashed": [f"k{n}" for n in sorted(poison)], "completed": innocent} == fates(queue, job)
    assert {key: int(key[1:]) for key in innocent} == {key: int(value) for key, value in results(queue, job).items()}
    queue.check(job)
    blamed = queue.rows("SELECT item_key, cause FROM evtrack.crash WHERE poison")
    assert {(f"k{n}", "worker_lost") for n in poison} == {(row["item_key"], row["cause"]) for row in blamed}


def deaths_and_runs(
    queue: Client,
    dsn: str,
    tmp_path: Path,
    handler: str,
    *,
    items: int,
    batch_size: int,
    poison: set[int],
    workers: int,
    slots: int,
    state: bool = True,
) -> tuple[int, int, float]:
    """Work a job off; return the deaths of workers, and the most and the average runs of an item."""
    trace = tmp_path / "trace"
    job = submit(queue, handler, trace, items=items, batch_size=batch_size, poison=poison)
    program = tmp_path / "program.py"
    program.write_text(KILLING_PROGRAM, encoding="utf-8")
    options = ["--exec", f"program=python3 -I -S {program}"]
    begun = time.monotonic()
    with restarted_workers(dsn, tmp_path, count=workers, slots=slots, state=state, options=options) as fleet:
        work_off(queue, fleet, job, 120)
        deaths = fleet.deaths
    account(queue, job, poison, items)
    count = runs(trace)
    most, average = max(count.values()), mean(count.values())
    print(  # noqa: T201
        f"{handler}, {items} items in batches of {batch_size}, {len(poison)} poison, {workers} x {slots} slots,"
        f" {'with' if state else 'without'} state: {deaths} deaths, runs an item max {most}, mean {average:.3f},"
        f" {time.monotonic() - begun:.1f} s"
    )
    return deaths, most, average


@pytest.mark.parametrize("state", [True, False])
def test_an_item_that_kills_its_worker_is_the_only_one_blamed(
    queue: Client, dsn: str, tmp_path: Path, *, state: bool
) -> None:
    deaths, most, average = deaths_and_runs(
        queue, dsn, tmp_path, "scripted", items=60, batch_size=20, poison={33}, workers=1, slots=2, state=state
    )
    assert deaths <= (3 if state else 4)
    assert most <= (3 if state else 4)
    assert average < 2


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("state", [True, False])
@pytest.mark.parametrize(
    ("batch_size", "workers", "slots"), [(50, 1, 2), (50, 2, 4), (10, 1, 2), (10, 2, 4), (1, 1, 2), (200, 1, 1)]
)
def test_the_number_of_deaths_is_bounded_whatever_the_shape(
    queue: Client, dsn: str, tmp_path: Path, *, state: bool, batch_size: int, workers: int, slots: int
) -> None:
    shape = {"batch_size": batch_size, "workers": workers, "slots": slots}
    deaths, most, _ = deaths_and_runs(
        queue,
        dsn,
        tmp_path,
        "scripted",
        items=200,
        poison={77},
        state=state,
        **shape,  # type: ignore[arg-type]
    )
    assert deaths <= (3 if state else 4)
    assert most <= (3 if state else 4)


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("state", [True, False])
def test_several_items_that_kill_their_worker_are_all_found_and_no_other(
    queue: Client, dsn: str, tmp_path: Path, *, state: bool
) -> None:
    poison = {17, 77, 178}
    deaths, _, _ = deaths_and_runs(
        queue, dsn, tmp_path, "scripted", items=200, batch_size=50, poison=poison, workers=1, slots=4, state=state
    )
    assert deaths <= (3 if state else 4) * len(poison)


@pytest.mark.parametrize("handler", ["scripted batch", "program"])
def test_a_whole_batch_that_kills_its_worker_is_halved(queue: Client, dsn: str, tmp_path: Path, handler: str) -> None:
    deaths, _, _ = deaths_and_runs(queue, dsn, tmp_path, handler, items=8, batch_size=4, poison={3}, workers=1, slots=2)
    assert deaths <= math.ceil(math.log2(4)) + BUDGET + 1


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("state", [True, False])
@pytest.mark.parametrize("handler", ["scripted batch", "program"])
@pytest.mark.parametrize(("workers", "slots"), [(1, 2), (2, 4)])
def test_halving_a_large_batch_takes_few_deaths(
    queue: Client, dsn: str, tmp_path: Path, *, state: bool, handler: str, workers: int, slots: int
) -> None:
    deaths, _, _ = deaths_and_runs(
        queue,
        dsn,
        tmp_path,
        handler,
        items=200,
        batch_size=50,
        poison={77},
        workers=workers,
        slots=slots,
        state=state,
    )
    assert deaths <= math.ceil(math.log2(50)) + BUDGET + 1


def killed_by_chance(
    queue: Client, dsn: str, tmp_path: Path, *, items: int, slots: int, kill: bool, sleep_s: float
) -> float:
    """Work healthy items off, killing the worker in the middle or not; return how long it took."""
    tmp_path.mkdir()
    texts = [json.dumps({"return": n, "do": "sleep", "s": sleep_s}) for n in range(1, items + 1)]
    keys = [f"k{n}" for n in range(1, items + 1)]
    job = int(queue.one("SELECT evtrack.enqueue('scripted', %s, %s, batch_size => 10)", keys, texts))
    done = "SELECT coalesce(sum(done), 0) FROM evtrack.job_progress WHERE job_id = %s"
    with restarted_workers(dsn, tmp_path, slots=slots) as fleet:
        fleet.tend()
        begun = time.monotonic()
        if kill:
            eventually(lambda: queue.one(done, job) >= items // 2, 60)
            fleet.kill_one()
        work_off(queue, fleet, job, 120)
        took_s = time.monotonic() - begun
    statuses = fates(queue, job)
    assert {"completed": items} == {status: len(found) for status, found in statuses.items()}
    queue.check(job)
    return took_s


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_worker_killed_by_chance_costs_no_item_and_little_time(queue: Client, dsn: str, tmp_path: Path) -> None:
    shape = {"items": 1600, "slots": 16, "sleep_s": 0.02}
    calm_s = killed_by_chance(queue, dsn, tmp_path / "calm", kill=False, **shape)  # type: ignore[arg-type]
    killed_s = killed_by_chance(queue, dsn, tmp_path / "killed", kill=True, **shape)  # type: ignore[arg-type]
    print(f"1600 items, 16 slots: {calm_s:.1f} s, with the worker killed once in the middle {killed_s:.1f} s")  # noqa: T201
    assert [] == queue.rows("SELECT 1 FROM evtrack.crash WHERE poison")
