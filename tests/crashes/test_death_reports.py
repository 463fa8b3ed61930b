"""Reports of a dead worker by its successor: what they settle, before and after the reaper."""

from collections.abc import Sequence
from typing import Any

import pytest

from client import Claim, Client
from event_streams import data_of
from evtrack.storage.connection.connect import connect
from suspects import (
    Left,
    batches,
    claimed_suspects,
    fates,
    lose,
    mark,
    marker,
    report_death,
    results,
)

pytestmark = pytest.mark.integration


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
    dead, (claim,) = claimed_suspects(client, job)
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
