"""What workers report to have in hand, checked and bounded, and the alert about what runs much longer than usual."""

from typing import Any

import pytest
from psycopg import Error
from psycopg.types.json import Jsonb

from client import Claim, Client, columns

pytestmark = pytest.mark.integration

REPORT = "SELECT evtrack.report_in_hand(%s, %s)"


def in_hand(claim: Claim, running_s: float, **facts: Any) -> dict[str, Any]:
    return {**claim._asdict(), "handler": "h", "running_s": running_s, "slot": 77, **facts}


def report(client: Client, worker: int, *items: Any) -> bool:
    return client.one(REPORT, worker, Jsonb(list(items)))


def running(client: Client, job: int) -> list[dict[str, Any]]:
    return client.view("running_item", job, "running_s DESC")


def alerts(client: Client, job: int) -> list[dict[str, Any]]:
    return client.rows("SELECT * FROM evtrack.alert WHERE kind = 'runs_long' AND job_id = %s ORDER BY alert_id", job)


def with_history(client: Client, worker: int, *, run_s: float = 1.0, batches: int = 20, items: int = 1) -> Claim:
    """Return a running batch of a job in which as many others have been completed before it."""
    job = client.job(batches + 1, items=items)
    *done, last = client.claim(worker, job)
    client.complete(worker, done, run_s=run_s)
    return last


def test_what_is_in_hand_is_shown_with_the_history_of_its_handler(client: Client) -> None:
    worker = client.worker()
    claim = with_history(client, worker, run_s=4.0, items=2)
    assert report(client, worker, in_hand(claim, 12.5, item_key="key:41", ordinal=41))
    (row,) = running(client, claim.job_id)
    assert ("key:41", 41, 2, 77, "test", "host", 20, 2.0, 2.0) == columns(
        [row],
        *("item_key", "ordinal", "item_count", "slot", "worker", "host", "known_attempts", "p50_s", "p99_s"),
    )[0]
    assert 12.5 <= row["running_s"] < 60
    assert report(client, worker, in_hand(claim, 12.5))
    (row,) = running(client, claim.job_id)
    assert (None, None, 4.0) == (row["item_key"], row["ordinal"], row["p99_s"]), "the whole batch, as whole batches ran"
    (status,) = client.rows("SELECT in_hand FROM evtrack.worker_status WHERE worker_id = %s", worker)
    assert [claim.batch_no] == [item["batch_no"] for item in status["in_hand"]]


def test_the_history_of_a_new_job_is_that_of_the_handlers_jobs_before(client: Client) -> None:
    worker = client.worker()
    for _ in range(3):
        client.complete(worker, client.claim(worker, client.job(5)), run_s=2.0)
    Client(client.conn, "another").job()
    (claim,) = client.claim(worker, client.job())
    report(client, worker, in_hand(claim, 5.0))
    assert [(15, 2.0)] == columns(running(client, claim.job_id), "known_attempts", "p99_s")


def test_what_is_over_is_not_shown_whatever_the_last_report_says(client: Client) -> None:
    worker = client.worker()
    job = client.job(3)
    one, two, three = client.claim(worker, job)
    report(client, worker, *(in_hand(claim, 5.0) for claim in (one, two, three)))
    assert 3 == len(running(client, job))
    client.complete(worker, [one])
    client.requeue(worker, [two])
    client.claim(worker, job)
    assert [three.batch_no] == [row["batch_no"] for row in running(client, job)]
    client.conn.execute("UPDATE evtrack.worker SET lost_at = now() WHERE worker_id = %s", [worker])
    assert [] == running(client, job)
    assert not report(client, worker, in_hand(three, 5.0)), "it was declared lost"
    with pytest.raises(Error, match="no such worker: 0"):
        report(client, 0)


@pytest.mark.parametrize("nothing", ["null", "[]", None])
def test_nothing_in_hand_clears_the_report(client: Client, nothing: str | None) -> None:
    worker = client.worker()
    (claim,) = client.claim(worker, client.job())
    report(client, worker, in_hand(claim, 5.0))
    assert client.one(REPORT, worker, nothing)
    query = "SELECT in_hand IS NULL AND in_hand_at IS NOT NULL FROM evtrack.worker WHERE worker_id = %s"
    assert client.one(query, worker)


@pytest.mark.parametrize(
    "wrong",
    [
        {"running_s": -1},
        {"running_s": 1e300},
        {"running_s": "5"},
        {"running_s": None},
        {"job_id": "one"},
        {"batch_no": 2**40},
        {"attempt": 1.5},
        {"ordinal": {"a": 1}},
        {"handler": None},
        {"slot": -5},
    ],
)
def test_an_invalid_report_is_rejected(client: Client, wrong: dict[str, Any]) -> None:
    worker = client.worker()
    with pytest.raises(Error, match="in_hand has an object") as caught:
        report(client, worker, in_hand(Claim(1, 1, 1), 5.0) | wrong)
    assert "EV007" == caught.value.sqlstate


@pytest.mark.parametrize("wrong", ["{}", '"x"', "7", "[" + ",".join(["{}"] * 1001) + "]"])
def test_a_report_is_an_array_of_bounded_length(client: Client, wrong: str) -> None:
    with pytest.raises(Error, match="must be an array of at most 1000 objects"):
        client.one(REPORT, client.worker(), wrong)


def test_texts_of_a_report_are_cut(client: Client) -> None:
    worker = client.worker()
    (claim,) = client.claim(worker, client.job())
    report(client, worker, in_hand(claim, 5.0, item_key="k" * 5000, extra="x" * 100_000))
    assert client.one("SELECT octet_length(in_hand::text) FROM evtrack.worker WHERE worker_id = %s", worker) < 1000


def test_an_alert_begins_when_an_item_runs_much_longer_than_usual_and_ends_with_it(client: Client) -> None:
    worker = client.worker()
    claim = with_history(client, worker, run_s=10.0)
    job = claim.job_id
    for running_s in (59.0, 99.0):
        report(client, worker, in_hand(claim, running_s, item_key="key:21", ordinal=21))
        client.one("SELECT evtrack.check_alerts()")
        assert [] == alerts(client, job), "not ten times as long as usual"
    report(client, worker, in_hand(claim, 101.0, item_key="key:21", ordinal=21))
    assert 1 == client.one("SELECT evtrack.check_alerts()")
    client.one("SELECT evtrack.check_alerts()")
    (row,) = alerts(client, job)
    assert ("warning", claim.batch_no, f"{job}/{claim.batch_no}/21", None) == columns(
        [row], "severity", "batch_no", "subject", "cleared_at"
    )[0]
    facts = row["facts"]
    assert ("key:21", 77, "test", 10, 20) == tuple(
        facts[name] for name in ("item_key", "pid", "worker", "p99_s", "known_attempts")
    )
    client.complete(worker, [claim])
    client.one("SELECT evtrack.check_alerts()")
    (row,) = alerts(client, job)
    assert row["cleared_at"] is not None


def test_short_handlers_have_a_minute_and_unknown_ones_no_limit(client: Client) -> None:
    worker = client.worker()
    short, unknown = with_history(client, worker, run_s=0.01), Client(client.conn)
    report(client, worker, in_hand(short, 59.0))
    client.one("SELECT evtrack.check_alerts()")
    assert [] == alerts(client, short.job_id)
    client.one("SELECT evtrack.check_alerts(runs_long => '30 s')")
    assert 1 == len(alerts(client, short.job_id))
    novice = unknown.worker()
    claim = with_history(unknown, novice, batches=19)
    report(unknown, novice, in_hand(claim, 9999.0))
    unknown.one("SELECT evtrack.check_alerts()")
    assert [] == alerts(unknown, claim.job_id), "19 attempts are too few to know"
    unknown.one("SELECT evtrack.check_alerts(least_attempts => 19, runs_long_factor => 100000)")
    assert [] == alerts(unknown, claim.job_id)
    unknown.one("SELECT evtrack.check_alerts(least_attempts => 19)")
    assert 1 == len(alerts(unknown, claim.job_id))


@pytest.mark.parametrize("wrong", ["runs_long => NULL", "runs_long => '-1 s'", "runs_long_factor => 'NaN'"])
def test_invalid_thresholds_are_rejected(client: Client, wrong: str) -> None:
    with pytest.raises(Error, match="thresholds must be 0 or greater"):
        client.one(f"SELECT evtrack.check_alerts({wrong})")
