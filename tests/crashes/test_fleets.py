"""Fleets in memory whose workers die whole, at random: no innocent item is blamed, the poison ones are soon known."""

from math import ceil, log2
from random import Random

import pytest

from client import Client
from fleet import Fleet
from suspects import fates, results

pytestmark = pytest.mark.integration

SEEDS = [*range(6), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 60))]


def check(fleet: Fleet, items: int) -> None:
    """Exactly the poison crashed; all else is done once in the log, with its results."""
    client, job = fleet.client, fleet.job
    assert {n: "crashed" if n in fleet.poison else "completed" for n in range(1, items + 1)} == fates(client, job)
    assert {n: f'"{n}"' for n in range(1, items + 1) if n not in fleet.poison} == results(client, job)
    assert 0 == client.one("SELECT count(*) FROM evtrack.item_mark m WHERE job_id = %s AND NOT EXISTS (SELECT FROM"
                           " evtrack.batch b WHERE b.job_id = m.job_id AND b.batch_no = m.batch_no"
                           " AND b.status = 'completed')", job)  # fmt: skip
    keys = client.rows("SELECT item_key FROM evtrack.crash WHERE job_id = %s AND poison", job)
    assert sorted(f"key:{n}" for n in fleet.poison) == sorted(row["item_key"] for row in keys)
    client.check(job)


@pytest.mark.parametrize("seed", SEEDS)
def test_per_item_each_poison_item_costs_three_deaths_or_four(client: Client, seed: int) -> None:
    random = Random(seed)
    size, count = random.choice([1, 4, 10, 20]), random.randint(1, 5)
    items = size * count
    state = random.random() < 0.5
    poison = set(random.sample(range(1, items + 1), min(random.randint(1, 3), items)))
    job = client.job(count, items=size)
    fleet = Fleet(
        client=client,
        job=job,
        random=random,
        workers=random.randint(1, 3),
        slots=random.randint(1, 4),
        poison=poison,
        state=state,
    )
    fleet.run()
    check(fleet, items)
    assert len(poison) * 2 < fleet.deaths <= len(poison) * (3 if state else 4)
    # Each death leaves one item in hand for each slot; each death beside an exclusive item lets it run once more.
    assert fleet.alone <= fleet.slots * fleet.deaths + fleet.deaths
    innocent = [times for item, times in fleet.began.items() if item not in poison]
    if state:
        assert max(innocent, default=0) <= 1 + fleet.deaths


@pytest.mark.parametrize("seed", SEEDS)
def test_whole_batches_are_halved_within_their_bound(client: Client, seed: int) -> None:
    random = Random(seed)
    size = random.choice([2, 7, 16, 50])
    state = random.random() < 0.5
    job = client.job(2, items=size)
    poison = {random.randint(1, 2 * size)}
    slots = random.randint(1, 3)
    fleet = Fleet(
        client=client, job=job, random=random, workers=1, slots=slots, poison=poison, per_item=False, state=state
    )
    fleet.run()
    check(fleet, 2 * size)
    assert fleet.deaths <= ceil(log2(size)) + 2 + 1


@pytest.mark.parametrize("per_item", [True, False])
@pytest.mark.parametrize("seed", SEEDS)
def test_no_innocent_item_is_blamed_however_often_workers_are_killed(client: Client, seed: int, per_item: bool) -> None:  # noqa: FBT001
    random = Random(seed)
    size, count = random.choice([1, 5, 10]), random.randint(1, 6)
    job = client.job(count, items=size)
    poison = set(random.sample(range(1, size * count + 1), random.randint(0, 1)))
    fleet = Fleet(
        client=client,
        job=job,
        random=random,
        workers=random.randint(1, 3),
        slots=random.randint(1, 4),
        poison=poison,
        per_item=per_item,
        state=random.random() < 0.5,
        chance=random.choice([0.02, 0.05, 0.1]),
    )
    fleet.run()
    check(fleet, size * count)
