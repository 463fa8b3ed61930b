"""Forged and illegal events that the fold in the database refuses."""

import psycopg
import pytest
from psycopg.types.json import Jsonb

from client import Client
from log_tampering import Row, append, enqueued, refused_events

pytestmark = pytest.mark.integration


def test_a_forged_xid_is_refused(client: Client) -> None:
    job, worker = client.job(), client.worker()
    refused_events(
        client, rf"job {job}, batch 1, version 2: .*xid 3 is not that", (job, 1, 2, "started", 1, worker, {}), xid="3"
    )


@pytest.mark.parametrize("at", ["2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"])
def test_a_forged_time_is_refused(client: Client, at: str) -> None:
    job, worker = client.job(), client.worker()
    refused_events(
        client, rf"job {job}, batch 1, version 2: .*does not lie in", (job, 1, 2, "started", 1, worker, {}), at=at
    )


@pytest.mark.parametrize("batch", [0, 1])
def test_a_forged_day_is_refused(client: Client, batch: int) -> None:
    job, worker = client.job(), client.worker()
    tomorrow = client.one("SELECT job_day + 1 FROM evtrack.job WHERE job_id = %s", job)
    event: Row = (job, 0, 4, "suspended", 0, None, {}) if batch == 0 else (job, 1, 2, "started", 1, worker, {})
    refused_events(
        client,
        rf"job {job}, batch {batch}, version {event[2]}: .*job_day .* is not that of the job",
        event,
        job_day=tomorrow,
    )


def test_a_second_stream_on_another_day_is_refused(client: Client) -> None:
    job = client.job()
    tomorrow = client.one("SELECT job_day + 1 FROM evtrack.job WHERE job_id = %s", job)
    refused_events(
        client,
        rf"job {job}, batch 1, version 1",
        (job, 1, 1, "enqueued", 0, None, enqueued("{[1,2)}", 1)),
        job_day=tomorrow,
    )


@pytest.mark.parametrize("version", [1, 3, 9])
def test_a_version_out_of_order_is_refused(client: Client, version: int) -> None:
    job, worker = client.job(), client.worker()
    event: Row = (job, 1, version, "started", 1, worker, {})
    if version == 1:
        with pytest.raises(psycopg.errors.UniqueViolation):
            append(client, event)
    else:
        refused_events(
            client, rf"job {job}, batch 1, version {version}: started is refused: the next version is 2", event
        )


@pytest.mark.parametrize(("number", "version"), [(-4, 2), (1, 0)])
def test_an_impossible_place_in_the_log_is_refused(client: Client, number: int, version: int) -> None:
    job, worker = client.job(), client.worker()
    refused_events(
        client, rf"job {job}, batch {number}, version {version}: ", (job, number, version, "started", 1, worker, {})
    )


def test_a_gap_inside_an_insert_is_refused(client: Client) -> None:
    job, worker = client.job(), client.worker()
    refused_events(
        client,
        rf"job {job}, batch 1, version 4: .*the next version is 3",
        (job, 1, 2, "started", 1, worker, {}),
        (job, 1, 4, "completed", 1, worker, {}),
    )


@pytest.mark.parametrize("number", [2, 7])
def test_a_batch_number_that_was_never_assigned_is_refused(client: Client, number: int) -> None:
    job = client.job()
    refused_events(
        client,
        rf"job {job}, batch {number}, version 1: enqueued",
        (job, number, 1, "enqueued", 0, None, enqueued("{[1,2)}", 1)),
    )


def test_a_missing_batch_is_named(client: Client) -> None:
    job, worker = client.job(), client.worker()
    refused_events(client, rf"job {job}, batch 5, version 2: .*no such batch", (job, 5, 2, "started", 1, worker, {}))


def test_a_missing_job_is_named(client: Client) -> None:
    with pytest.raises(
        psycopg.Error, match="job 999999999, batch 1, version 1: enqueued is refused: there is no such job"
    ):
        client.conn.execute(
            "INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, data)"
            " VALUES ((now() AT TIME ZONE 'UTC')::date, 999999999, 1, 1, 'enqueued', %s)",
            [Jsonb(enqueued("{[1,2)}", 1))],
        )


@pytest.mark.parametrize("kind", ["completed", "failed", "crashed", "requeued"])
@pytest.mark.parametrize("attempt", [0, 2])
def test_a_wrong_attempt_is_refused(client: Client, kind: str, attempt: int) -> None:
    job, worker = client.job(), client.worker()
    client.claim(worker, job)
    refused_events(
        client,
        rf"job {job}, batch 1, version 3: {kind} is refused: attempt 1 holds the batch, not {attempt}",
        (job, 1, 3, kind, attempt, worker, {}),
    )


@pytest.mark.parametrize("kind", ["completed", "failed", "crashed", "requeued"])
@pytest.mark.parametrize("somebody", [True, False])
def test_a_wrong_worker_is_refused(client: Client, kind: str, somebody: bool) -> None:  # noqa: FBT001
    job, worker = client.job(), client.worker()
    client.claim(worker, job)
    other = client.worker() if somebody else None
    refused_events(
        client,
        rf"batch 1, version 3: {kind} is refused: worker {worker} holds the batch, not {other or 'nobody'}",
        (job, 1, 3, kind, 1, other, {}),
    )


def test_a_late_result_of_a_future_attempt_is_refused(client: Client) -> None:
    job, worker = client.job(), client.worker()
    refused_events(client, rf"job {job}, batch 1, version 2: late_result", (job, 1, 2, "late_result", 1, worker, {}))


@pytest.mark.parametrize("kind", ["failed", "crashed"])
def test_only_a_derived_batch_can_start_in_a_final_status(client: Client, kind: str) -> None:
    job = client.job()
    refused_events(client, rf"job {job}, batch 1, version 2: {kind}", (job, 1, 2, kind, 0, None, {}))
