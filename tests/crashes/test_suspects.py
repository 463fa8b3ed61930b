"""What becomes of the batches of a lost worker: suspects, marks, reports of a death, and who is blamed in the end."""

from collections.abc import Sequence
from typing import Any

import pytest

from client import Claim, Client
from event_streams import data_of
from suspects import Left, batches, fates, lose, mark, marker, report_death, results

pytestmark = pytest.mark.integration


def suspects(client: Client, job: int) -> tuple[int, list[Claim]]:
    """Lose a worker with all batches of a job, and claim them again for a worker that marks."""
    first = marker(client)
    client.claim(first, job)
    lose(client, first)
    worker = marker(client)
    return worker, sorted(client.claim(worker, job))


def at(client: Client, job: int, items: str) -> int:
    """Find the batch that has exactly these items."""
    return next(number for number, b in client.batches(job).items() if str(b.ordinals) == items and b.status != "split")


# What had not begun


def test_what_had_not_begun_is_a_suspect_and_nothing_else(client: Client) -> None:
    job = client.job(2, items=3)
    worker, claims = suspects(client, job)
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


# What was in hand


def test_the_item_in_hand_is_separated_and_what_is_done_stays_done(client: Client) -> None:
    job = client.job(items=5)
    worker, (claim,) = suspects(client, job)
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
    worker, (claim,) = suspects(client, job)
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
    worker, (claim,) = suspects(client, job)
    mark(client, worker, claim, 1)
    mark(client, worker, claim, None, done=1)
    if done is None:
        client.conn.execute("DELETE FROM evtrack.item_mark WHERE job_id = %s", [job])
    lose(client, worker)
    assert (
        [("pending", "{[1,4)}", "marked")]
        if done is None
        else [
            ("completed", "{[1,2)}", "marked"),
            ("pending", "{[2,4)}", "marked"),
        ]
        == batches(client, job)
    )
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


# Who is blamed


def exclusive(client: Client, job: int, batch: int) -> tuple[int, Claim]:
    """Let a new worker run only this batch."""
    worker = marker(client)
    others = [claim for claim in client.claim(worker, job, returning=100) if claim.batch_no != batch]
    claim = Claim(job, batch, client.batch(job, batch).attempt)
    while client.batch(job, batch).worker_id != worker:
        others += [claim for claim in client.claim(worker, job, returning=100) if claim.batch_no != batch]
        claim = Claim(job, batch, client.batch(job, batch).attempt)
    client.requeue(worker, others)
    return worker, claim


def test_an_item_that_was_alone_at_two_deaths_is_poison_and_rings_with_its_key(client: Client) -> None:
    job = client.job(items=3)
    worker, (claim,) = suspects(client, job)
    mark(client, worker, claim, 2)
    lose(client, worker)
    number = at(client, job, "{[2,3)}")
    for status, count in (("pending", 1), ("crashed", 2)):
        worker, claim = exclusive(client, job, number)
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
    worker, (claim,) = suspects(client, job)
    mark(client, worker, claim, 1)
    lose(client, worker)
    assert [("pending", "{[1,2)}", "exclusive")] == batches(client, job), "in hand, but not alone"
    worker, claim = exclusive(client, job, 1)
    mark(client, worker, claim, 1, exclusive=True)
    lose(client, worker)
    assert [("crashed", "{[1,2)}", "exclusive")] == batches(client, job)


def test_who_was_not_alone_or_had_not_begun_is_not_blamed(client: Client) -> None:
    job = client.job(max_losses=1)
    worker, (claim,) = suspects(client, job)
    mark(client, worker, claim, 1)
    lose(client, worker)
    for begins, alone in ((False, False), (True, False), (False, True)):
        worker, claim = exclusive(client, job, 1)
        if begins:
            mark(client, worker, claim, 1, exclusive=alone)
        lose(client, worker)
        assert ("pending", 0) == (client.batch(job).status, client.batch(job).exclusive_losses)
    client.check(job)


def test_whole_batches_are_halved_and_run_exclusively_from_the_second_loss_on(client: Client) -> None:
    job = client.job(items=8)
    worker, (claim,) = suspects(client, job)
    mark(client, worker, claim, 0)
    lose(client, worker)
    # That was the second loss already, as nothing was known of the first.
    assert [("pending", "{[1,5)}", "exclusive"), ("pending", "{[5,9)}", "exclusive")] == batches(client, job)
    for items in ("{[1,5)}", "{[3,5)}"):
        worker, claim = exclusive(client, job, at(client, job, items))
        mark(client, worker, claim, 0, exclusive=True)
        lose(client, worker)
    assert [("pending", "{[3,4)}", "exclusive"), ("pending", "{[4,5)}", "exclusive")] == batches(client, job)[-2:]
    number = at(client, job, "{[3,4)}")
    for count in (1, 2):
        worker, claim = exclusive(client, job, number)
        mark(client, worker, claim, 0, exclusive=True)
        lose(client, worker)
        assert count == client.batch(job, number).exclusive_losses
    assert "crashed" == client.batch(job, number).status
    assert {n: "crashed" if n == 3 else "pending" for n in range(1, 9)} == fates(client, job)
    client.check(job)


def test_an_item_without_payload_is_separated_too(client: Client) -> None:
    job = client.job(items=2)
    worker, (claim,) = suspects(client, job)
    mark(client, worker, claim, 1)
    client.conn.execute("DELETE FROM evtrack.payload WHERE job_id = %s", (job,))
    lose(client, worker)
    assert [("pending", "{[1,2)}", "exclusive"), ("pending", "{[2,3)}", "marked")] == batches(client, job)
    assert "item_key" not in data_of(client.events(job, 1)[-2])


# Jobs that were cancelled, workers that were asked to stop


def test_in_a_cancelled_job_only_the_item_in_hand_crashes(client: Client) -> None:
    job = client.job(2, items=3)
    worker, claims = suspects(client, job)
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
    worker, (claim,) = suspects(client, job)
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
    worker, (one, two) = suspects(client, job)
    assert ["split"] == client.crash_with(worker, [one], [{"cause": "signal", "ordinal": 2}], done=["{[1,2)}"])
    assert [("pending", "{[2,3)}", "exclusive"), ("pending", "{[3,4)}", "marked")] == batches(client, job)[2:]
    assert ["split"] == client.crash(worker, [two], cause="signal", ordinal=5, blame="none")
    assert [("pending", "{[5,6)}", "exclusive"), ("pending", "{[4,5),[6,7)}", "marked")] == batches(client, job)[3:]
    assert [1, 0] == [client.batch(job, at(client, job, items)).crashes for items in ("{[2,3)}", "{[5,6)}")]
    client.check(job)


# Marks


def test_a_mark_of_a_batch_that_another_worker_holds_is_refused(client: Client) -> None:
    job = client.job(items=2)
    worker, (claim,) = suspects(client, job)
    rival = marker(client)
    assert "lost" == mark(client, rival, claim, 1)
    assert "lost" == mark(client, worker, Claim(job, 1, claim.attempt + 1), 1)
    assert "lost" == mark(client, worker, Claim(10**9, 1, 1), 1)
    lose(client, worker)
    assert "lost" == mark(client, worker, claim, 1)
    assert 0 == client.one("SELECT count(*) FROM evtrack.item_mark")
    with pytest.raises(Exception, match="no such worker"):
        mark(client, 10**9, claim, 1)


def test_a_new_attempt_forgets_the_marks_of_the_last(client: Client) -> None:
    job = client.job(items=3)
    worker, (claim,) = suspects(client, job)
    mark(client, worker, claim, 1)
    mark(client, worker, claim, 2, done=1)
    client.requeue(worker, [claim])
    (again,) = client.claim(worker, job)
    mark(client, worker, again, 3)
    lose(client, worker)
    assert [("pending", "{[3,4)}", "exclusive"), ("pending", "{[1,3)}", "marked")] == batches(client, job)


def test_marks_of_batches_that_ended_are_removed_by_the_reaper(client: Client) -> None:
    job = client.job(2, items=1)
    worker, (one, two) = suspects(client, job)
    mark(client, worker, one, 1)
    mark(client, worker, two, 2)
    client.complete(worker, [one])
    client.conn.execute("UPDATE evtrack.item_mark SET begun_at = begun_at - interval '1 hour'")
    client.conn.execute("UPDATE evtrack.upkeep SET reaped_at = reaped_at - interval '1 s'")
    client.rows("SELECT * FROM evtrack.reap('1 hour', '1 hour')")
    assert [{"batch_no": 2}] == client.rows("SELECT batch_no FROM evtrack.item_mark")
    client.complete(worker, [two])


# Reports of a death


def test_a_report_names_the_items_in_hand_after_the_first_death(client: Client) -> None:
    job, dead, reporter = client.job(4, items=4), marker(client), marker(client)
    one, two, three, _ = client.claim(dead, job)
    left = [Left(one, 2, [1]), Left(two, None, [5, 6, 7, 8]), Left(three, None, begun=False)]
    assert ["completed", "completed", "retry"] == report_death(client, dead, reporter, left, {"oom_kills": 1})
    assert [
        ("completed", "{[1,2)}", "none"),
        ("completed", "{[5,9)}", "none"),
        ("pending", "{[9,13)}", "marked"),
        ("pending", "{[13,17)}", "marked"),
        ("pending", "{[2,3)}", "exclusive"),
        ("pending", "{[3,5)}", "marked"),
    ] == batches(client, job)
    assert {n: f'"{n}"' for n in (1, 5, 6, 7, 8)} == results(client, job)
    facts = data_of(client.events(job, 1)[2])
    assert ("process died", 1, reporter, "key:2") == (
        facts["why"],
        facts["oom_kills"],
        facts["reported_by"],
        facts["item_key"],
    )
    assert client.one("SELECT lost_at IS NOT NULL FROM evtrack.worker WHERE worker_id = %s", dead)
    (alert,) = client.rows("SELECT facts FROM evtrack.alert WHERE kind = 'worker_lost' AND subject = %s", str(dead))
    assert ("process died", 4) == (alert["facts"]["why"], alert["facts"]["batches"])
    before = client.batches(job)
    assert ["completed", "completed", "retry"] == report_death(client, dead, reporter, left), "the same report again"
    assert before == client.batches(job)
    client.check(job)


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        ((2, [1]), [("pending", "{[2,3)}", "exclusive"), ("pending", "{[3,5)}", "marked")]),
        ((2, []), [("pending", "{[2,3)}", "exclusive"), ("pending", "{[1,2),[3,5)}", "marked")]),
        ((None, [1, 2]), [("pending", "{[3,5)}", "marked")]),
        ((None, [1, 2, 3, 4]), []),
        ((4, [1, 2, 3]), [("pending", "{[4,5)}", "exclusive")]),
        ((0, []), [("pending", "{[1,3)}", "marked"), ("pending", "{[3,5)}", "marked")]),
    ],
)
@pytest.mark.parametrize("reaped", [True, False])
def test_a_report_says_the_same_before_and_after_the_reaper(
    client: Client,
    reaped: bool,  # noqa: FBT001
    left: tuple[int | None, Sequence[int]],
    expected: Any,
) -> None:
    job, dead, reporter = client.job(items=4), marker(client), marker(client)
    (claim,) = client.claim(dead, job)
    if reaped:
        lose(client, dead)
    report_death(client, dead, reporter, [Left(claim, *left)])
    done = left[1]
    assert [*dict.fromkeys(done, "completed"), *[n for n in range(1, 5) if n not in done]] == sorted(fates(client, job))
    assert {n: "completed" if n in done else "pending" for n in range(1, 5)} == fates(client, job)
    assert expected == [each for each in batches(client, job) if each[0] == "pending"]
    assert {n: f'"{n}"' for n in done} == results(client, job)
    client.check(job)
    assert (0, 1) == (client.batch(job).crashes, max(batch.losses for batch in client.batches(job).values()) or 1)


def test_a_single_item_that_was_reaped_first_still_runs_exclusively(client: Client) -> None:
    job, dead, reporter = client.job(), marker(client), marker(client)
    (claim,) = client.claim(dead, job)
    lose(client, dead)
    assert ["split"] == report_death(client, dead, reporter, [Left(claim, 1)])
    assert [("pending", "{[1,2)}", "exclusive")] == batches(client, job)
    client.check(job)


def test_a_late_report_of_what_others_have_changes_nothing(client: Client) -> None:
    job, dead, reporter = client.job(3, items=2), marker(client), marker(client)
    one, two, three = client.claim(dead, job)
    client.complete(dead, [three])
    lose(client, dead)
    held = client.claim(reporter, job, returning=1)
    before = client.batches(job)
    (taken,) = [claim for claim in (one, two) if claim.batch_no == held[0].batch_no]
    left = [Left(taken, taken.batch_no * 2), Left(three, 6), Left(Claim(job, 99, 1), 1), Left(Claim(job, 1, 9), 1)]
    assert ["late", "completed", "late", "late"] == report_death(client, dead, reporter, left)
    assert before == client.batches(job)
    client.check(job)


def test_a_live_worker_is_not_reported_dead(client: Client, shared_dsn: str) -> None:
    from evtrack.storage.connection.connect import connect  # noqa: PLC0415

    job, worker, reporter = client.job(), marker(client), marker(client)
    (claim,) = client.claim(worker, job)
    with connect(shared_dsn, purpose="test worker") as conn:
        Client(conn).one("SELECT pg_advisory_lock(hashtextextended('evtrack.worker', %s))", worker)
        assert ["alive"] == report_death(client, worker, reporter, [Left(claim, 1)])
        assert ("running", None) == (
            client.batch(job).status,
            client.one("SELECT lost_at FROM evtrack.worker WHERE worker_id = %s", worker),
        )
    client.one("SELECT evtrack.stop_worker(%s)", worker)
    assert ["running"] == report_death(client, worker, reporter, [Left(claim, 1)]), "it stopped"
    assert ["late"] == report_death(client, 10**9, reporter, [Left(claim, 1)])
    with pytest.raises(Exception, match="no such worker"):
        report_death(client, worker, 10**9, [])


def test_a_report_knows_more_than_the_marks_and_they_add_up(client: Client) -> None:
    job = client.job(items=6)
    dead, (claim,) = suspects(client, job)
    mark(client, dead, claim, 1)
    mark(client, dead, claim, 2, done=1, line="1")
    reporter = marker(client)
    report_death(client, dead, reporter, [Left(claim, 4, [2, 3])])
    assert [
        ("completed", "{[1,4)}", "marked"),
        ("pending", "{[4,5)}", "exclusive"),
        ("pending", "{[5,7)}", "marked"),
    ] == batches(client, job)
    assert {1: "1", 2: '"2"', 3: '"3"'} == results(client, job)


# A crash that counts against nobody, or not for poison


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
    single = at(client, job, "{[2,3)}")
    for _ in range(3):
        worker, claim = exclusive(client, job, single)
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
    number = at(client, job, "{[1,2)}")
    assert ("pending", 1, "fresh_slot") == (
        client.batch(job, number).status,
        client.batch(job, number).crashes,
        client.batch(job, number).isolation,
    )
    worker, claim = exclusive(client, job, number)
    assert ["retry"] == client.crash(worker, [claim], **facts, isolated=False)
    worker, claim = exclusive(client, job, number)
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
