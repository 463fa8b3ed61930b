"""Huge values are refused or cut, and all functions refuse an unknown worker alike."""

from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from client import Client
from event_streams import data_of
from evtrack.storage.log import proof

pytestmark = pytest.mark.integration

HUGE = "x" * 3_000_000
NOBODY = 987_654_321
UNREADABLE = ["[" * 1500 + "]" * 1500, "1e30000"]


def refused(client: Client, statement: str, *parameters: Any, state: str = "EV007") -> str:
    """Run a refused statement, and return the error."""
    with pytest.raises(psycopg.Error) as caught:
        client.rows(statement, *parameters)
    assert state == caught.value.sqlstate, caught.value
    assert len(str(caught.value)) < 2000
    return str(caught.value)


def sizes(client: Client, job: int) -> dict[str, int]:
    """Return the largest event of each type, in bytes."""
    rows = client.rows(
        "SELECT type::text AS type, max(octet_length(data::text)) AS n FROM evtrack.event WHERE job_id = %s GROUP BY 1",
        job,
    )
    return {row["type"]: row["n"] for row in rows}


@pytest.mark.parametrize("argument", ["source", "policy"])
def test_a_job_with_huge_values_is_refused(client: Client, argument: str) -> None:
    create = f"SELECT * FROM evtrack.create_job(%s, {argument} => %s)"
    assert f"{argument} has 3000015 bytes" in refused(client, create, client.handler, Jsonb({"paths": [HUGE]}))


@pytest.mark.parametrize(
    ("argument", "value", "says"),
    [
        ("source_position", {"name": HUGE}, "position has"),
        ("notes", [{"source": "a", "reason": HUGE}], "the notes of a chunk have"),
    ],
)
def test_a_chunk_with_huge_values_is_refused(client: Client, argument: str, value: Any, says: str) -> None:
    (job,) = client.rows("SELECT * FROM evtrack.create_job(%s)", client.handler)
    add = f"SELECT evtrack.add_batches(%s, %s, 1, '{{}}', '{{}}', '{{}}', {argument} => %s)"
    assert says in refused(client, add, job["job_id"], job["submitter_token"], Jsonb(value))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": HUGE}, "name, host or version"),
        ({"name": ""}, "name, host or version"),
        ({"host": HUGE}, "name, host or version"),
        ({"version": None}, "name, host or version"),
        ({"handlers": [HUGE]}, "invalid handlers"),
        ({"handlers": ["a", None]}, "invalid handlers"),
        ({"handlers": ["h"] * 1001}, "invalid handlers"),
        ({"handlers": None}, "invalid handlers null"),
        ({"slots": -1}, "invalid slots -1"),
        ({"pid": None}, "or pid null"),
    ],
)
def test_a_worker_with_huge_values_is_refused(client: Client, changes: dict[str, Any], says: str) -> None:
    values = {"name": "n", "host": "h", "pid": 1, "slots": 1, "handlers": ["h"], "version": "0"} | changes
    register = "SELECT evtrack.register_worker(%s, %s, %s, %s, %s::text[], %s)"
    assert says in refused(client, register, *values.values())


def test_a_payload_of_two_lines_is_refused_with_a_clear_error(client: Client) -> None:
    said = refused(client, "SELECT evtrack.enqueue(%s, '{k}', %s)", client.handler, ["{\n}"])
    assert "has a newline" in said


@pytest.mark.parametrize("value", UNREADABLE, ids=["deep", "number"])
def test_a_job_with_unreadable_values_is_refused(client: Client, value: str) -> None:
    refused(client, "SELECT * FROM evtrack.create_job(%s, source => %s)", client.handler, f'{{"x": {value}}}')


@pytest.mark.parametrize("value", UNREADABLE, ids=["deep", "number"])
def test_an_unreadable_source_position_is_refused(client: Client, value: str) -> None:
    (job,) = client.rows("SELECT * FROM evtrack.create_job(%s)", client.handler)
    add = "SELECT evtrack.add_batches(%s, %s, 1, '{}', '{}', '{}', source_position => %s)"
    said = refused(client, add, job["job_id"], job["submitter_token"], f'{{"x": {value}}}')
    assert "position is nested more than 100 deep, or has a number beyond 1e308" in said


@pytest.mark.parametrize("value", UNREADABLE, ids=["deep", "number"])
def test_unreadable_values_are_left_out_of_errors_and_crash_reports(client: Client, value: str) -> None:
    job, worker = client.job(2, max_errors=1, max_crashes=1), client.worker()
    one, two = client.claim(worker, job)
    error, dossier = f'{{"type": "T", "mine": {value}}}', f'{{"cause": "signal", "mine": {value}, "pid": 7}}'
    fail = "SELECT evtrack.fail(%s, ARRAY[%s::bigint], ARRAY[%s], ARRAY[%s], NULL, ARRAY[%s::jsonb])"
    client.rows(fail, worker, job, one.batch_no, one.attempt, error)
    crash = "SELECT evtrack.crash(%s, ARRAY[%s::bigint], ARRAY[%s], ARRAY[%s], ARRAY[%s::jsonb])"
    client.rows(crash, worker, job, two.batch_no, two.attempt, dossier)
    assert {"type": "T"} == {name: said for name, said in data_of(client.events(job, 1)[-1])["error"].items() if said}
    data = data_of(client.events(job, 2)[-1])
    assert ("signal", 7, False) == (data["cause"], data["pid"], "mine" in data)
    assert [] == list(proof.verify(client.conn, job))


@pytest.mark.parametrize(
    "error",
    [HUGE, {"type": HUGE, "message": HUGE, "traceback": HUGE, "mine": HUGE}, [HUGE], {"items": [HUGE]}],
    ids=["text", "object", "array", "odd items"],
)
def test_a_huge_error_is_cut(client: Client, error: Any) -> None:
    job, worker = client.job(1, max_errors=1), client.worker()
    assert ["failed"] == client.fail(worker, client.claim(worker, job), error)
    assert sizes(client, job)["failed"] < 40_000
    assert [] == list(proof.verify(client.conn, job))


def test_a_small_error_is_kept_unchanged(client: Client) -> None:
    job, worker = client.job(1, max_errors=1), client.worker()
    error = {"type": "KeyError", "message": "m" * 30_000, "mine": {"a": [1, 2]}}
    client.fail(worker, client.claim(worker, job), error)
    assert error == data_of(client.events(job, 1)[-1])["error"]


def test_only_as_many_failed_items_as_fit_are_stored(client: Client) -> None:
    job, worker = client.job(1, items=7_000), client.worker()
    (claim,) = client.claim(worker, job)
    errors = [{"ordinal": n, "key": f"key:{n}", "type": "ValueError", "message": "m" * 500} for n in range(1, 6_001)]
    assert "ok" == client.complete_partly(worker, claim, "{[1,6001)}", errors=errors)
    assert 500_000 < sizes(client, job)["failed"] < 1_100_000
    (told,) = client.rows(
        "SELECT max(jsonb_array_length(data #> '{error,items}')) AS n, max(data #>> '{error,message}') AS message"
        " FROM evtrack.event WHERE job_id = %s AND type = 'failed'",
        job,
    )
    assert 3_000 < told["n"] < 6_000
    assert "m" * 500 == told["message"]
    (item,) = client.rows(
        "SELECT item_key, last_error FROM evtrack.item_failures WHERE job_id = %s AND ordinal = 7", job
    )
    assert ("key:7", f"ValueError: {'m' * 100}") == (item["item_key"], item["last_error"])
    assert [] == list(proof.verify(client.conn, job))


def test_a_huge_crash_report_keeps_its_known_small_fields(client: Client) -> None:
    job, worker = client.job(1, max_crashes=1), client.worker()
    own = {f"mine_{n}": "v" * 1000 for n in range(2000)}
    dossier = {"cause": "signal", "signal": "SIGSEGV", "stderr": HUGE, "host": "h", "pid": 7, "list": [HUGE], **own}
    assert ["crashed"] == client.crash(worker, client.claim(worker, job), **dossier)
    data = data_of(client.events(job, 1)[-1])
    assert ("signal", "SIGSEGV", "h", 7) == (data["cause"], data["signal"], data["host"], data["pid"])
    assert 16_000 == len(data["stderr"])
    assert "list" not in data
    assert 50 < len([key for key in data if key in own]) < 70
    assert sizes(client, job)["crashed"] < 100_000
    assert [] == list(proof.verify(client.conn, job))


@pytest.mark.parametrize(
    "call",
    [
        "claim(%s, ARRAY[{job}], '{{0}}', 1, '{{h}}')",
        "complete(%s, ARRAY[{job}], '{{1}}', '{{1}}', NULL)",
        "complete_partly(%s, {job}, 1, 1, NULL, NULL, '{{[1,2)}}', '[]')",
        "fail(%s, ARRAY[{job}], '{{1}}', '{{1}}', NULL, NULL)",
        "crash(%s, ARRAY[{job}], '{{1}}', '{{1}}', NULL)",
        "requeue(%s, ARRAY[{job}], '{{1}}', '{{1}}', 'x')",
        "reconcile(%s, '{{}}', '{{}}', '{{}}')",
        "heartbeat(%s, 1)",
        "stop_worker(%s)",
        "report_slots(%s, 'x')",
    ],
)
@pytest.mark.parametrize("worker", [NOBODY, None])
def test_an_unknown_worker_is_refused(client: Client, call: str, worker: int | None) -> None:
    job = client.job(1, items=2)
    client.claim(client.worker(), job)
    before = client.events(job)
    said = refused(client, f"SELECT * FROM evtrack.{call.format(job=job)}", worker, state="EV003")
    assert f"no such worker: {worker or 'null'}" in said
    assert "Call register_worker first." in said
    assert before == client.events(job), "and leaves no late result in the log"


def test_a_watcher_with_a_long_name_is_cut(client: Client) -> None:
    client.one("SELECT evtrack.raise_alert('worker_lost', 'me', '', 'error', '{}')")
    client.one("SELECT evtrack.mark_alerts(ARRAY(SELECT alert_id FROM evtrack.take_alerts()), %s)", HUGE)
    assert {200} == {row["n"] for row in client.rows("SELECT length(delivered_by) AS n FROM evtrack.alert_status")}
