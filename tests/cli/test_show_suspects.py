"""`evtrack show` explains in plain words how carefully a batch runs, and why; a lost worker's item rings once."""

from typing import Any

import pytest

from client import Client
from suspects import lose, mark, marker

pytestmark = pytest.mark.integration


def text(run: Any, job: int, number: int) -> str:
    return " ".join(run("show", str(job), str(number)).stdout.split())


def test_a_suspect_says_that_its_worker_was_lost(run: Any, run_json: Any, client: Client) -> None:
    job, worker = client.job(items=3), marker(client)
    client.claim(worker, job)
    lose(client, worker)
    expected = (
        f"was held by worker {worker} when it died; runs alone in its slot, and what each item does is recorded as it"
        " happens next"
    )
    assert expected in text(run, job, 1)
    assert expected == run_json("show", str(job), "1")["explanation"]
    assert "returned to the queue because its worker was lost, to run alone in its slot" in text(run, job, 1)
    client.claim(marker(client), job)
    assert expected.removesuffix("next") + "now" in text(run, job, 1)


def test_an_item_in_hand_says_that_it_runs_alone_and_ends_as_one_alert(run: Any, run_json: Any, client: Client) -> None:
    job, first = client.job(items=3), marker(client)
    client.claim(first, job)
    lose(client, first)
    worker = marker(client)
    (claim,) = client.claim(worker, job)
    mark(client, worker, claim, 2)
    lose(client, worker)
    number = next(n for n, b in client.batches(job).items() if b.isolation == "exclusive")
    assert f"was in hand when worker {worker} died; runs alone in its worker next" in text(run, job, number)
    for deaths in range(1, 3):
        worker = marker(client)
        claim = next(each for each in client.claim(worker, job) if each.batch_no == number)
        mark(client, worker, claim, 2, exclusive=True)
        lose(client, worker)
        if deaths == 1:
            assert "its worker died once while it ran nothing else" in text(run, job, number)
    assert "poison" in text(run, job, number)
    assert run_json("show", str(job), str(number))["explanation"] is None
    found = client.rows("SELECT kind, facts FROM evtrack.alert WHERE job_id = %s", job)
    assert [("item_poisoned", "worker_lost", "key:2", 2)] == [
        (row["kind"], row["facts"]["cause"], row["facts"]["item_key"], row["facts"]["crashes"]) for row in found
    ]
    assert ["poison"] == [crash["fate"] for crash in run_json("status", str(job))["crashes"] if crash["ordinal"] == 2]
    lost = client.rows("SELECT subject FROM evtrack.alert WHERE kind = 'worker_lost'")
    assert 4 == len(lost) == len({row["subject"] for row in lost})


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("signal", "its process died; runs in a slot that has run nothing before next"),
        (
            "memory_limit",
            "its process was killed for its memory; runs in a new slot, with its worker to itself next",
        ),
    ],
)
def test_a_crashed_item_says_how_it_runs_next(run: Any, client: Client, cause: str, words: str) -> None:
    job, worker = client.job(items=2, max_crashes=3), client.worker()
    client.crash(worker, client.claim(worker, job), cause=cause, ordinal=1)
    assert words in text(run, job, 2)


def test_a_crash_that_counts_against_no_item_says_so(run: Any, client: Client) -> None:
    job, worker = client.job(), client.worker()
    client.crash(worker, client.claim(worker, job), cause="memory_limit", blame="none")
    assert "memory limit at key:1; counts against no item" in text(run, job, 1)


def test_a_batch_like_any_other_explains_nothing(run_json: Any, client: Client) -> None:
    assert run_json("show", str(client.job()), "1")["explanation"] is None
