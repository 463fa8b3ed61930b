"""What the views say is wrong now: errors by fingerprint, each item's own error, and the fate of items that crashed."""

import pytest

from client import Client, columns

pytestmark = pytest.mark.integration

TRACEBACK = 'Traceback (most recent call last):\n  File "/app/tasks.py", line {}, in parse\n    raise\nValueError: no\n'


def failures(*ordinals: int, traced: int = 20) -> list[dict[str, object]]:
    """Return the error of each item, the first ones with a traceback, as a slot reports them."""
    return [
        {"ordinal": ordinal, "key": f"key:{ordinal}", "type": "ValueError", "message": f"bad page {ordinal} of 'x'"}
        | ({"traceback": TRACEBACK.format(ordinal)} if place < traced else {})
        for place, ordinal in enumerate(ordinals)
    ]


def test_one_fault_of_many_items_is_one_row(client: Client) -> None:
    job, worker = client.job(2, items=8, max_errors=1), client.worker()
    one, two = client.claim(worker, job)
    client.complete_partly(worker, one, "{[2,9)}", errors=failures(*range(2, 9), traced=2))
    client.fail(worker, [two], {"type": "ValueError", "message": "no", "items": failures(*range(9, 17))})
    (row,) = client.view("error_summary", job)
    assert ("ValueError", "bad page <n> of <text>", "tasks.py in parse", 15, 2, 15, 0) == columns(
        [row], "type", "shape", "place", "failures", "batches", "items_failed", "items_retrying"
    )[0]
    fingerprint = client.one(
        "SELECT evtrack.error_fingerprint('ValueError', 'bad page 99 of \"y\"', evtrack.error_place(%s))",
        TRACEBACK.format(1),
    )
    assert fingerprint == row["fingerprint"]
    items = client.view("item_failures", job, "ordinal")
    assert [("ValueError: bad page 2 of 'x'", fingerprint), ("ValueError: bad page 3 of 'x'", fingerprint)] == columns(
        items[:2], "last_error", "last_fingerprint"
    )
    assert {fingerprint} == {item["last_fingerprint"] for item in items}


def test_the_example_of_an_error_is_an_item_that_is_failed_now(client: Client) -> None:
    job, worker = client.job(3, items=2, max_errors=1), client.worker()
    one, two, three = client.claim(worker, job)
    for claim, first in ((one, 1), (two, 3), (three, 5)):
        client.fail(worker, [claim], {"type": "ValueError", "message": "x", "items": failures(first, first + 1)})
    client.one("SELECT evtrack.retry(%s, '{failed}', '{1}')", job)
    assert [(2, "key:3", 4, 2)] == columns(
        client.view("error_summary", job), "example_batch_no", "example_item_key", "items_failed", "items_retrying"
    )


def test_the_same_message_at_two_places_is_two_errors(client: Client) -> None:
    job, worker = client.job(2, max_errors=1), client.worker()
    for claim, function in zip(client.claim(worker, job), ("parse", "store"), strict=True):
        text = TRACEBACK.format(1).replace("parse", function)
        client.fail(worker, [claim], {"type": "ValueError", "message": "no", "traceback": text})
    rows = client.view("error_summary", job, "place")
    assert ["tasks.py in parse", "tasks.py in store"] == [row["place"] for row in rows]
    assert 2 == len({row["fingerprint"] for row in rows})


def test_an_error_is_failed_then_retrying_then_solved(client: Client) -> None:
    job, worker = client.job(items=3, max_errors=1), client.worker()
    client.fail(worker, client.claim(worker, job), {"type": "E", "message": "all"})
    now = "SELECT items_failed, items_retrying FROM evtrack.error_summary WHERE job_id = %s"
    assert [{"items_failed": 3, "items_retrying": 0}] == client.rows(now, job)
    client.one("SELECT evtrack.retry(%s)", job)
    assert [{"items_failed": 0, "items_retrying": 3}] == client.rows(now, job)
    claims = client.claim(worker, job)
    assert [{"items_failed": 0, "items_retrying": 3}] == client.rows(now, job)
    client.complete(worker, claims)
    assert [{"items_failed": 0, "items_retrying": 0}] == client.rows(now, job)


def test_an_error_that_another_one_follows_is_not_the_present_one(client: Client) -> None:
    job, worker = client.job(items=1, max_errors=2, backoff_s=0), client.worker()
    client.fail(worker, client.claim(worker, job), {"type": "First", "message": "no"})
    client.fail(worker, client.claim(worker, job), {"type": "Second", "message": "no"})
    assert [("First", 0), ("Second", 1)] == columns(client.view("error_summary", job, "type"), "type", "items_failed")


def test_each_item_that_failed_together_with_others_has_its_own_error(client: Client) -> None:
    job, worker = client.job(2, items=3, max_errors=2, backoff_s=0), client.worker()
    one, two = client.claim(worker, job)
    client.complete_partly(worker, one, "{[2,4)}", errors=failures(2, 3))
    client.fail(worker, [two], {"type": "ValueError", "message": "whole batch"})
    own = [
        (1, None),
        (2, "bad page 2 of 'x'"),
        (3, "bad page 3 of 'x'"),
        (4, "whole batch"),
        (5, "whole batch"),
        (6, "whole batch"),
    ]
    assert own == columns(client.view("item_status", job, "ordinal"), "ordinal", "error")
    back = {claim.batch_no: claim for claim in client.claim(worker, job)}
    client.fail(worker, [back[3]], {"type": "ValueError", "message": "x", "items": failures(2, 3)})
    client.crash(worker, [back[2]], cause="exit_code", exit_code=7)
    crashed = [(4, "exit_code 7"), (5, "exit_code 7"), (6, "exit_code 7")]
    found = columns(client.view("item_status", job, "ordinal"), "ordinal", "error")
    assert own[:3] == found[:3]
    assert [(ordinal, None) for ordinal, _ in crashed] == found[3:], "halves begin without an error"


def test_malformed_items_of_an_error_do_not_break_the_views(client: Client) -> None:
    job, worker = client.job(items=2, max_errors=1), client.worker()
    items = [{"ordinal": "two", "message": {"a": 1}}, 7, None, {"ordinal": 1e12}, {"key": ["x"], "traceback": 3}]
    client.fail(worker, client.claim(worker, job), {"type": ["E"], "message": None, "items": items})
    assert client.view("error_summary", job)
    assert [2, 2] == [len(client.view(name, job)) for name in ("item_status",) * 2]
    client.view("item_failures", job)
    text = client.job(max_errors=1)
    client.fail(worker, client.claim(worker, text), "only a text")
    assert [("only a text", 1)] == columns(client.view("error_summary", text), "message", "items_failed")


def test_a_crash_shows_the_fate_of_its_item(client: Client) -> None:
    job, worker = client.job(items=4, backoff_s=0), client.worker()
    look = "SELECT fate FROM evtrack.crash WHERE job_id = %s ORDER BY at"
    dossier = {"cause": "signal", "ordinal": 2}
    client.crash_with(worker, client.claim(worker, job), [dossier], done=["{[1,2)}"])
    assert ["pending"] == [row["fate"] for row in client.rows(look, job)]
    back = {claim.batch_no: claim for claim in client.claim(worker, job)}
    assert ["running"] == [row["fate"] for row in client.rows(look, job)]
    client.crash(worker, [back[2]], cause="signal")
    # The old batch is completed, with the item that was done before the crash.
    assert ["poison", "poison"] == [row["fate"] for row in client.rows(look, job)]
    assert "completed" == client.batch(job, 1).status
    client.one("SELECT evtrack.retry(%s)", job)
    client.complete(worker, client.claim(worker, job))
    assert ["completed", "completed"] == [row["fate"] for row in client.rows(look, job)]


def test_a_crash_without_an_item_in_hand_has_the_fate_of_its_batch(client: Client) -> None:
    job, worker = client.job(items=4), client.worker()
    client.crash(worker, client.claim(worker, job), cause="signal", ordinal=99)
    assert ["split"] == [row["fate"] for row in client.view("crash", job)]
    other = client.job()
    client.crash(worker, client.claim(worker, other))
    client.one("SELECT evtrack.cancel(%s)", other)
    assert ["cancelled"] == [row["fate"] for row in client.view("crash", other)]
