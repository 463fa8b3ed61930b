"""Who is blamed for a crash or a death: nobody, the item that was alone, or all that ran."""

import pytest

from client import Client
from event_streams import data_of
from suspects import batch_of, batches, claimed_alone, claimed_suspects, fates, lose, mark

pytestmark = pytest.mark.integration


def test_an_item_that_was_alone_at_two_deaths_is_poison_and_rings_with_its_key(client: Client) -> None:
    job = client.job(items=3)
    worker, (claim,) = claimed_suspects(client, job)
    mark(client, worker, claim, 2)
    lose(client, worker)
    number = batch_of(client, job, "{[2,3)}")
    for status, count in (("pending", 1), ("crashed", 2)):
        worker, claim = claimed_alone(client, job, number)
        assert "held" == mark(client, worker, claim, 2, exclusive=True)
        lose(client, worker)
        batch = client.batch(job, number)
        assert (status, count, 0, "exclusive") == (
            batch.status,
            batch.exclusive_losses,
            batch.crashes,
            batch.isolation,
        )
    assert {1: "pending", 2: "crashed", 3: "pending"} == fates(client, job)
    (crash,) = client.rows(
        "SELECT item_key, ordinal, cause, dossier FROM evtrack.crash WHERE job_id = %s AND poison", job
    )
    assert ("key:2", 2, "worker_lost") == (crash["item_key"], crash["ordinal"], crash["cause"])
    assert {"exclusive": True, "why": "no heartbeat", "host": "host", "pid": 1}.items() <= crash["dossier"].items()
    (alert,) = client.rows(
        "SELECT batch_no, facts FROM evtrack.alert WHERE kind = 'item_poisoned' AND job_id = %s", job
    )
    assert (number, "key:2") == (alert["batch_no"], alert["facts"]["item_key"])
    client.check(job)


@pytest.mark.parametrize("budget", [0, 1])
def test_a_small_budget_is_spent_by_the_first_exclusive_loss(client: Client, budget: int) -> None:
    job = client.job(max_losses=budget)
    worker, (claim,) = claimed_suspects(client, job)
    mark(client, worker, claim, 1)
    lose(client, worker)
    assert [("pending", "{[1,2)}", "exclusive")] == batches(client, job), "in hand, but not alone"
    worker, claim = claimed_alone(client, job, 1)
    mark(client, worker, claim, 1, exclusive=True)
    lose(client, worker)
    assert [("crashed", "{[1,2)}", "exclusive")] == batches(client, job)


def test_who_was_not_alone_or_had_not_begun_is_not_blamed(client: Client) -> None:
    job = client.job(max_losses=1)
    worker, (claim,) = claimed_suspects(client, job)
    mark(client, worker, claim, 1)
    lose(client, worker)
    for begins, alone in ((False, False), (True, False), (False, True)):
        worker, claim = claimed_alone(client, job, 1)
        if begins:
            mark(client, worker, claim, 1, exclusive=alone)
        lose(client, worker)
        assert ("pending", 0) == (client.batch(job).status, client.batch(job).exclusive_losses)
    client.check(job)


def test_whole_batches_are_halved_and_run_exclusively_from_the_second_loss_on(client: Client) -> None:
    job = client.job(items=8)
    worker, (claim,) = claimed_suspects(client, job)
    mark(client, worker, claim, 0)
    lose(client, worker)
    # That was the second loss already, as nothing was known of the first.
    assert [("pending", "{[1,5)}", "exclusive"), ("pending", "{[5,9)}", "exclusive")] == batches(client, job)
    for items in ("{[1,5)}", "{[3,5)}"):
        worker, claim = claimed_alone(client, job, batch_of(client, job, items))
        mark(client, worker, claim, 0, exclusive=True)
        lose(client, worker)
    assert [("pending", "{[3,4)}", "exclusive"), ("pending", "{[4,5)}", "exclusive")] == batches(client, job)[-2:]
    number = batch_of(client, job, "{[3,4)}")
    for count in (1, 2):
        worker, claim = claimed_alone(client, job, number)
        mark(client, worker, claim, 0, exclusive=True)
        lose(client, worker)
        assert count == client.batch(job, number).exclusive_losses
    assert "crashed" == client.batch(job, number).status
    assert {n: "crashed" if n == 3 else "pending" for n in range(1, 9)} == fates(client, job)
    client.check(job)


def test_a_crash_that_counts_against_nobody_leaves_budgets_and_rings_no_alert(client: Client) -> None:
    job, worker = client.job(2, items=4, max_crashes=1), client.worker()
    one, two = client.claim(worker, job)
    facts = {"cause": "memory_limit", "blame": "none"}
    assert ["split"] == client.crash_with(worker, [one], [facts | {"ordinal": 2}], done=["{[1,2)}"], results=["1"])
    assert ["retry"] == client.crash_with(worker, [two], [facts])
    assert [
        ("completed", "{[1,2)}", "none"),
        ("pending", "{[5,9)}", "fresh_slot"),
        ("pending", "{[2,3)}", "fresh_slot"),
        ("pending", "{[3,5)}", "none"),
    ] == batches(client, job)
    assert {0} == {batch.crashes for batch in client.batches(job).values()}
    assert [] == client.rows("SELECT kind FROM evtrack.alert WHERE job_id = %s", job)
    single = batch_of(client, job, "{[2,3)}")
    for _ in range(3):
        worker, claim = claimed_alone(client, job, single)
        assert ["retry"] == client.crash(worker, [claim], cause="out_of_memory", blame="none")
    assert (0, "memory") == (client.batch(job, single).crashes, client.batch(job, single).isolation)
    rates = client.rows("SELECT crashed FROM evtrack.crash_rates() WHERE handler = %s", client.handler)
    assert [] == [row for row in rates if row["crashed"]]
    client.check(job)


def test_between_items_a_blameless_crash_keeps_the_rest_together(client: Client) -> None:
    job, worker = client.job(items=4), client.worker()
    claims = client.claim(worker, job)
    assert ["split"] == client.crash_with(worker, claims, [{"blame": "none"}], done=["{[1,3)}"])
    assert [("completed", "{[1,3)}", "none"), ("pending", "{[3,5)}", "none")] == batches(client, job)


def test_a_blameless_crash_in_a_cancelled_job_is_cancelled(client: Client) -> None:
    job, worker = client.job(items=2), client.worker()
    claims = client.claim(worker, job)
    client.one("SELECT evtrack.cancel(%s)", job)
    client.crash(worker, claims, blame="none", ordinal=1)
    assert dict.fromkeys((1, 2), "cancelled") == fates(client, job)
    client.check(job)


def test_a_crash_after_or_beside_others_never_makes_an_item_poison(client: Client) -> None:
    job, worker = client.job(items=2, max_crashes=1), client.worker()
    facts = {"cause": "signal", "signal": "SIGSEGV"}
    assert ["split"] == client.crash(worker, client.claim(worker, job), **facts, ordinal=1, isolated=False)
    number = batch_of(client, job, "{[1,2)}")
    assert ("pending", 1, "fresh_slot") == (
        client.batch(job, number).status,
        client.batch(job, number).crashes,
        client.batch(job, number).isolation,
    )
    worker, claim = claimed_alone(client, job, number)
    assert ["retry"] == client.crash(worker, [claim], **facts, isolated=False)
    worker, claim = claimed_alone(client, job, number)
    assert ["crashed"] == client.crash(worker, [claim], **facts, isolated=True)
    assert ("crashed", 3) == (client.batch(job, number).status, client.batch(job, number).crashes)
    client.check(job)


def test_an_item_killed_for_memory_runs_next_with_its_worker_to_itself(client: Client) -> None:
    job, worker = client.job(2, items=1), client.worker()
    one, two = client.claim(worker, job)
    client.crash(worker, [one], cause="memory_limit")
    client.crash(worker, [two], cause="signal")
    assert ["memory", "fresh_slot"] == [client.batch(job, number).isolation for number in (1, 2)]


def test_a_client_cannot_report_an_exclusive_loss(client: Client) -> None:
    job, worker = client.job(), client.worker()
    client.crash(worker, client.claim(worker, job), exclusive=True, blame="all", isolated="no")
    crash = data_of(client.events(job, 1)[2])
    assert not {"exclusive", "blame", "isolated"} & crash.keys()
    assert 1 == client.batch(job).crashes
