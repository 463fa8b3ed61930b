"""Invalid numbers are refused with what is expected, and the log stays intact."""

from typing import Any

import psycopg
import pytest

from client import Client
from evtrack.storage.log import proof

pytestmark = pytest.mark.integration

NO_TIMES = (float("nan"), float("inf"), float("-inf"), -1.0, 1e16)


def refused(client: Client, statement: str, *parameters: Any) -> str:
    """Run a statement with a refused argument, and return the error."""
    with pytest.raises(psycopg.Error) as caught:
        client.rows(statement, *parameters)
    assert "EV007" == caught.value.sqlstate, caught.value
    return str(caught.value)


@pytest.mark.parametrize("run_s", NO_TIMES)
def test_an_impossible_run_time_stays_out_of_the_log(client: Client, run_s: float) -> None:
    job, worker = client.job(2, items=2), client.worker()
    first, second = client.claim(worker, job)
    both = [worker, [job, job], [1, 2], [1, 1]]
    for function, more in (("complete", "NULL"), ("fail", "'{null,null}'::jsonb[]")):
        said = refused(client, f"SELECT * FROM evtrack.{function}(%s, %s, %s, %s, %s, {more})", *both, [0.5, run_s])
        assert "run_s has" in said
        assert "or null if the time is unknown" in said
    partly = "SELECT evtrack.complete_partly(%s, %s, 1, 1, %s, NULL, '{[1,2)}', '[]')"
    assert "run_s has" in refused(client, partly, worker, job, run_s)
    assert ["ok"] == client.complete(worker, [first], run_s=None)
    assert ["ok"] == client.complete(worker, [second], run_s=0)
    assert client.one("SELECT evtrack.finish_due(%s)", job)
    assert [] == list(proof.verify(client.conn, job))


@pytest.mark.parametrize(
    ("batch_nos", "attempts"), [("{1}", "{1}"), ("{1,2,3}", "{1,1}"), ("{1,2}", "{1}"), (None, "{1,1}")]
)
@pytest.mark.parametrize(
    "call",
    [
        "complete(%s, %s, %s, %s, NULL)",
        "fail(%s, %s, %s, %s, NULL, NULL)",
        "crash(%s, %s, %s, %s, NULL)",
        "requeue(%s, %s, %s, %s, 'x')",
        "reconcile(%s, %s, %s, %s)",
    ],
)
def test_the_arrays_of_a_report_must_have_the_same_length(
    client: Client, call: str, batch_nos: str | None, attempts: str
) -> None:
    job, worker = client.job(2), client.worker()
    client.claim(worker, job)
    said = refused(client, f"SELECT * FROM evtrack.{call}", worker, [job, job], batch_nos, attempts)
    assert "batch_nos, attempts and job_ids must have the same length" in said
    assert (2, 2) == client.sums(job)["running"]


def test_a_claim_with_a_missing_or_negative_limit_is_refused(client: Client) -> None:
    job, worker = client.job(3), client.worker()
    claim = "SELECT * FROM evtrack.claim(%s, %s, %s, %s, %s, %s)"
    for after, fresh, returning in (([0], None, 0), ([0], -1, 0), ([0], 1, -1), ([0], 1, None), ([0, 0], 1, 0)):
        said = refused(client, claim, worker, [job], after, fresh, [client.handler], returning)
        assert "max_fresh and max_returning must be 0 or greater" in said
    isolated = "SELECT * FROM evtrack.claim(%s, %s, %s, 1, %s, 0, -1)"
    assert "max_isolated must be 0 or greater" in refused(client, isolated, worker, [job], [0], [client.handler])
    assert [] == client.rows(claim, worker, [job], [0], 0, [client.handler], 0)
    assert (3, 3) == client.sums(job)["pending"]


def test_an_invalid_lease_is_refused(client: Client) -> None:
    worker = client.worker()
    for grace, lease in (("5 s", "-1 s"), ("-1 s", "30 s"), (None, "30 s"), ("5 s", "101 years")):
        said = refused(client, "SELECT * FROM evtrack.reap(%s::interval, %s::interval)", grace, lease)
        assert "each must be from 0 to 100 years" in said
    assert client.one("SELECT evtrack.heartbeat(%s, 0)", worker) is True
    assert "busy slots" in refused(client, "SELECT evtrack.heartbeat(%s, -1)", worker)


@pytest.mark.parametrize(
    "threshold",
    [
        "max_crash_rate => 'NaN'",
        "max_crash_rate => -1",
        "never_started => '-1 s'",
        "crash_span => NULL",
        "least_attempts => -1",
        "max_pending => -1",
    ],
)
def test_an_invalid_threshold_is_refused(client: Client, threshold: str) -> None:
    assert "thresholds must be 0 or greater" in refused(client, f"SELECT evtrack.check_alerts({threshold})")


def test_a_batch_with_an_impossible_backoff_can_still_fail(client: Client) -> None:
    job, worker = client.job(1, backoff_s=1e15, backoff_max_s=1e15), client.worker()
    assert ["retry"] == client.fail(worker, client.claim(worker, job))
    assert [] == list(proof.verify(client.conn, job))


@pytest.mark.parametrize(
    ("function", "argument"),
    [
        ("create_job", "bytes_total => -1"),
        ("create_job", "source => '5'"),
        ("create_job", "policy => '[]'"),
        ("add_batches", "source_position => '[1]'"),
        ("add_batches", "source_bytes_read => -1"),
        ("add_batches", "invalid => -1"),
        ("add_batches", "notes => '{}'"),
        ("add_batches", "notes => '[5]'"),
        ("add_batches", 'notes => \'[{"source": "a"}]\''),
        ("add_batches", 'notes => \'[{"source": "a", "reason": "b", "key": 1}]\''),
    ],
)
def test_values_that_no_log_reader_can_parse_are_refused(client: Client, function: str, argument: str) -> None:
    if function == "create_job":
        refused(client, f"SELECT * FROM evtrack.create_job(%s, {argument})", client.handler)
        return
    (job,) = client.rows("SELECT * FROM evtrack.create_job(%s)", client.handler)
    add = f"SELECT evtrack.add_batches(%s, %s, 1, '{{}}', '{{}}', '{{}}', {argument})"
    refused(client, add, job["job_id"], job["submitter_token"])
    assert [] == list(proof.verify(client.conn, job["job_id"]))


@pytest.mark.parametrize(
    ("counts", "weights", "ordinals"),
    [
        ([2, 2], [1, -1], [1, 3]),
        ([2, 2], [1, None], [1, 3]),
        ([5, -1], [1, 1], [1, 6]),
        ([4, 0], [1, 1], [1, 5]),
        ([None, 4], [1, 1], [1, 1]),
        # They fit at both ends, and not in between.
        ([1, 2, 1], [1, 1, 1], [1, 1, 4]),
    ],
)
def test_invalid_batches_are_refused(
    client: Client, counts: list[Any], weights: list[Any], ordinals: list[int]
) -> None:
    (job,) = client.rows("SELECT * FROM evtrack.create_job(%s)", client.handler)
    with client.conn.transaction(force_rollback=True):
        client.conn.execute(
            "INSERT INTO evtrack.payload (job_day, job_id, ordinal, batch_no, item_key, payload)"
            " SELECT %s, %s, i, 1, 'k', '1' FROM generate_series(1, 4) i",
            [job["job_day"], job["job_id"]],
        )
        add = "SELECT evtrack.add_batches(%s, %s, 1, %s::integer[], %s::bigint[], %s::integer[])"
        said = refused(client, add, job["job_id"], job["submitter_token"], counts, weights, ordinals)
        assert f"job {job['job_id']}" in said
