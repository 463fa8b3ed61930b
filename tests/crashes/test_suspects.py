"""What becomes of the batches of a lost worker: suspects, the marks of their items, and what was in hand."""

import pytest

from client import Claim, Client
from event_streams import data_of
from suspects import batch_of, batches, claimed_suspects, fates, lose, mark, marker, results

pytestmark = pytest.mark.integration


def test_what_had_not_begun_is_a_suspect_and_nothing_else(client: Client) -> None:
    job = client.job(2, items=3)
    worker, claims = claimed_suspects(client, job)
    assert [("running", "{[1,4)}", "marked"), ("running", "{[4,7)}", "marked")] == batches(client, job)
    assert "held" == mark(client, worker, claims[0], 1)
    assert 2 == lose(client, worker)
    first, second, third, rest = client.batches(job).values()
    assert ("split", "pending", "pending", "pending") == (first.status, second.status, third.status, rest.status)
    assert ("marked", "{[4,7)}", 2, 0) == (
        second.isolation,
        str(second.ordinals),
        second.losses,
        second.exclusive_losses,
    )
    client.check(job)


def test_a_claim_of_a_lost_batch_that_needed_memory_runs_exclusively(client: Client) -> None:
    job, worker = client.job(max_crashes=9), marker(client)
    client.crash(worker, client.claim(worker, job), cause="memory_limit")
    assert "memory" == client.batch(job).isolation
    client.claim(worker, job)
    lose(client, worker)
    assert ("pending", "exclusive") == (client.batch(job).status, client.batch(job).isolation)


def test_the_item_in_hand_is_separated_and_what_is_done_stays_done(client: Client) -> None:
    job = client.job(items=5)
    worker, (claim,) = claimed_suspects(client, job)
    mark(client, worker, claim, 1)
    mark(client, worker, claim, 2, done=1, line='"one"')
    mark(client, worker, claim, 3, done=2)
    lose(client, worker)
    assert [
        ("completed", "{[1,3)}", "marked"),
        ("pending", "{[3,4)}", "exclusive"),
        ("pending", "{[4,6)}", "marked"),
    ] == batches(client, job)
    assert {1: '"one"'} == results(client, job)
    crashed, completed = (data_of(event) for event in client.events(job, 1)[-2:])
    assert (3, "key:3", "worker_lost", None) == tuple(
        crashed.get(name) for name in ("ordinal", "item_key", "cause", "exclusive")
    )
    assert "run_s" not in completed
    assert 0 == client.one("SELECT count(*) FROM evtrack.item_mark WHERE job_id = %s", job)
    client.check(job)


def test_a_batch_whose_items_are_all_done_is_completed(client: Client) -> None:
    job = client.job(items=2)
    worker, (claim,) = claimed_suspects(client, job)
    mark(client, worker, claim, 1)
    mark(client, worker, claim, 2, done=1, line="1")
    mark(client, worker, claim, None, done=2, line="2")
    lose(client, worker)
    assert [("completed", "{[1,3)}", "marked")] == batches(client, job)
    assert {1: "1", 2: "2"} == results(client, job)
    assert ["started", "completed"] == client.types(job)[-2:]
    client.check(job)


@pytest.mark.parametrize("done", [None, 1])
def test_between_two_items_nobody_is_in_hand(client: Client, done: int | None) -> None:
    job = client.job(items=3)
    worker, (claim,) = claimed_suspects(client, job)
    mark(client, worker, claim, 1)
    mark(client, worker, claim, None, done=1)
    if done is None:
        client.conn.execute("DELETE FROM evtrack.item_mark WHERE job_id = %s", [job])
    lose(client, worker)
    expected = (
        [("pending", "{[1,4)}", "marked")]
        if done is None
        else [("completed", "{[1,2)}", "marked"), ("pending", "{[2,4)}", "marked")]
    )
    assert expected == batches(client, job)
    client.check(job)


def test_several_suspects_of_one_worker_each_lose_the_item_in_hand(client: Client) -> None:
    job, other = client.job(3, items=3), client.job(1, items=1)
    first = marker(client)
    client.claim(first, job, other)
    lose(client, first)
    worker = marker(client)
    claims = sorted(client.claim(worker, job, other))
    for claim, item in zip(claims, (1, 5, None, 1), strict=True):
        if item:
            mark(client, worker, claim, item)
    assert 4 == lose(client, worker)
    assert sorted(
        [
            ("pending", "{[1,2)}", "exclusive"),
            ("pending", "{[2,4)}", "marked"),
            ("pending", "{[5,6)}", "exclusive"),
            ("pending", "{[4,5),[6,7)}", "marked"),
            ("pending", "{[7,10)}", "marked"),
        ]
    ) == sorted(batches(client, job))
    assert [("pending", "{[1,2)}", "exclusive")] == batches(client, other)
    client.check(job, other)


def test_an_item_without_payload_is_separated_too(client: Client) -> None:
    job = client.job(items=2)
    worker, (claim,) = claimed_suspects(client, job)
    mark(client, worker, claim, 1)
    client.conn.execute("DELETE FROM evtrack.payload WHERE job_id = %s", (job,))
    lose(client, worker)
    assert [("pending", "{[1,2)}", "exclusive"), ("pending", "{[2,3)}", "marked")] == batches(client, job)
    assert "item_key" not in data_of(client.events(job, 1)[-2])


@pytest.mark.parametrize("items", [1, 3])
def test_in_a_cancelled_job_a_loss_blames_nobody(client: Client, items: int) -> None:
    job = client.job(items=items)
    worker, (claim,) = claimed_suspects(client, job)
    mark(client, worker, claim, 1)
    client.one("SELECT evtrack.cancel(%s)", job)
    lose(client, worker)
    assert dict.fromkeys(range(1, items + 1), "cancelled") == fates(client, job)
    client.check(job)


def test_in_a_cancelled_job_what_is_done_stays_done(client: Client) -> None:
    job = client.job(2, items=3)
    worker, claims = claimed_suspects(client, job)
    mark(client, worker, claims[0], 1)
    mark(client, worker, claims[0], 2, done=1)
    client.one("SELECT evtrack.cancel(%s)", job)
    lose(client, worker)
    assert {1: "completed", **dict.fromkeys(range(2, 7), "cancelled")} == fates(client, job)
    assert 0 == client.one("SELECT count(*) FROM evtrack.item_mark WHERE job_id = %s", job)
    client.check(job)


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_worker_that_was_asked_to_stop_leaves_no_suspects(client: Client, cancelled: bool) -> None:  # noqa: FBT001
    job, other = client.job(items=3), client.job(items=2)
    worker, (claim,) = claimed_suspects(client, job)
    client.claim(worker, other)
    mark(client, worker, claim, 1)
    mark(client, worker, claim, 2, done=1, line="1")
    client.one("SELECT evtrack.begin_stop(%s)", worker)
    if cancelled:
        client.one("SELECT evtrack.cancel(%s)", job)
        client.one("SELECT evtrack.cancel(%s)", other)
    lose(client, worker)
    status = "cancelled" if cancelled else "pending"
    assert [("completed", "{[1,2)}", "marked"), (status, "{[2,4)}", "marked")] == batches(client, job)
    assert [(status, "{[1,3)}", "none")] == batches(client, other)
    assert {1: "1"} == results(client, job)
    assert [] == client.rows("SELECT 1 FROM evtrack.crash WHERE job_id = %s", other)
    assert ["requeued", *["cancelled"] * cancelled] == client.types(other)[2:]
    client.check(job, other)


def test_a_crash_of_its_slot_leaves_a_suspect_a_suspect(client: Client) -> None:
    job = client.job(2, items=3, max_crashes=3)
    worker, (one, two) = claimed_suspects(client, job)
    assert ["split"] == client.crash_with(worker, [one], [{"cause": "signal", "ordinal": 2}], done=["{[1,2)}"])
    assert [("pending", "{[2,3)}", "exclusive"), ("pending", "{[3,4)}", "marked")] == batches(client, job)[2:]
    assert ["split"] == client.crash(worker, [two], cause="signal", ordinal=5, blame="none")
    assert [("pending", "{[5,6)}", "exclusive"), ("pending", "{[4,5),[6,7)}", "marked")] == batches(client, job)[3:]
    assert [1, 0] == [client.batch(job, batch_of(client, job, items)).crashes for items in ("{[2,3)}", "{[5,6)}")]
    client.check(job)


def test_a_mark_of_a_batch_that_another_worker_holds_is_refused(client: Client) -> None:
    job = client.job(items=2)
    worker, (claim,) = claimed_suspects(client, job)
    rival = marker(client)
    assert "lost" == mark(client, rival, claim, 1)
    assert "lost" == mark(client, worker, Claim(job, 1, claim.attempt + 1), 1)
    assert "lost" == mark(client, worker, Claim(10**9, 1, 1), 1)
    lose(client, worker)
    assert "lost" == mark(client, worker, claim, 1)
    assert 0 == client.one("SELECT count(*) FROM evtrack.item_mark WHERE job_id = %s", job)
    with pytest.raises(Exception, match="no such worker"):
        mark(client, 10**9, claim, 1)


def test_a_new_attempt_forgets_the_marks_of_the_last(client: Client) -> None:
    job = client.job(items=3)
    worker, (claim,) = claimed_suspects(client, job)
    mark(client, worker, claim, 1)
    mark(client, worker, claim, 2, done=1)
    client.requeue(worker, [claim])
    (again,) = client.claim(worker, job)
    mark(client, worker, again, 3)
    lose(client, worker)
    assert [("pending", "{[3,4)}", "exclusive"), ("pending", "{[1,3)}", "marked")] == batches(client, job)


def test_marks_of_batches_that_ended_are_removed_by_the_reaper(client: Client) -> None:
    job = client.job(2, items=1)
    worker, (one, two) = claimed_suspects(client, job)
    mark(client, worker, one, 1)
    mark(client, worker, two, 2)
    client.complete(worker, [one])
    client.conn.execute("UPDATE evtrack.item_mark SET begun_at = begun_at - interval '1 hour'")
    client.conn.execute("UPDATE evtrack.upkeep SET reaped_at = reaped_at - interval '1 s'")
    client.rows("SELECT * FROM evtrack.reap('1 hour', '1 hour')")
    assert [{"batch_no": 2}] == client.rows("SELECT batch_no FROM evtrack.item_mark")
    client.complete(worker, [two])
