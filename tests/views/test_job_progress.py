"""The view of a job's progress: counts, percentage, pace and the expected end."""

import pytest
from psycopg.types.json import Jsonb

from client import Client, columns

pytestmark = pytest.mark.integration


def test_progress_counts_every_item_once(client: Client, mixed_job: int) -> None:
    (row,) = client.view("job_progress", mixed_job)
    items = ("total", "done", "pending", "running", "failed", "crashed", "cancelled", "invalid", "ended")
    assert [(20, 12, 0, 5, 2, 1, 0, 0, 15)] == columns([row], *items)
    batches = ("batches", "batches_completed", "batches_running", "batches_failed", "batches_crashed", "batches_split")
    assert [(7, 3, 1, 1, 1, 1)] == columns([row], *batches)
    assert 75.0 == row["percent"]
    assert row["pace"] > 0
    assert row["remaining_s"] == pytest.approx(5 / row["pace"], abs=0.1)
    assert row["eta"] is not None


def test_progress_is_100_percent_only_when_nothing_is_left(client: Client) -> None:
    job, worker = client.job(2000), client.worker()
    client.complete(worker, client.claim(worker, job, fresh=1999))
    (row,) = client.view("job_progress", job)
    assert (1999, 99.9) == (row["done"], row["percent"])


def test_progress_of_an_open_job_is_the_part_of_its_source_that_was_read(client: Client) -> None:
    made = client.rows("SELECT * FROM evtrack.create_job(%s, bytes_total => 1000)", client.handler)[0]
    job, token = made["job_id"], next(value for name, value in made.items() if name.startswith("submitter"))
    client.one(
        "SELECT evtrack.add_batches(%s, %s, 1, '{}', '{}', '{}', '{\"line\": 9}', 250, 2, %s, 3)",
        job,
        token,
        Jsonb(
            [{"source": "a.jsonl:4", "reason": "no JSON"}, {"source": "a.jsonl:7", "reason": "an array", "key": "k"}]
        ),
    )
    (row,) = client.view("job_progress", job)
    assert (25.0, 2, 2, 2, "open") == (row["percent"], row["invalid"], row["total"], row["ended"], row["phase"])
    assert (None, None) == (row["eta"], row["remaining_s"])
    (status,) = client.view("job_status", job)
    assert (3, None) == (status["note_count"], status["outcome"])


def test_an_unknown_size_gives_no_percentage(client: Client) -> None:
    job = client.rows("SELECT * FROM evtrack.create_job(%s)", client.handler)[0]["job_id"]
    (row,) = client.view("job_progress", job)
    assert (None, 0, None) == (row["percent"], row["total"], row["eta"])


def test_pace_covers_the_last_minute_and_at_the_end_the_whole_job(client: Client) -> None:
    job, worker = client.job(10), client.worker()
    client.complete(worker, client.claim(worker, job, fresh=4))
    # As if these four had ended at once, five minutes ago.
    client.conn.execute("UPDATE evtrack.progress SET bucket = bucket - 30 WHERE job_id = %s", (job,))
    client.conn.execute(
        "UPDATE evtrack.job SET created_at = created_at - interval '5 minutes' WHERE job_id = %s", (job,)
    )
    (row,) = client.view("job_progress", job)
    assert (4, 0, None) == (row["done"], row["pace"], row["eta"])
    client.complete(worker, client.claim(worker, job, fresh=6))
    (row,) = client.view("job_progress", job)
    # Six items in the ten seconds that a bucket spans at most, or in the 15 that its edges allow for.
    assert 6 / 16 <= row["pace"]
    assert client.one("SELECT evtrack.finish_due(%s)", job) is True
    (row,) = client.view("job_progress", job)
    assert row["pace"] == pytest.approx(10 / 300, rel=0.2)
    assert row["ended_at"] is not None


def test_a_retry_does_not_make_the_pace_negative(client: Client) -> None:
    job, worker = client.job(6, max_errors=1), client.worker()
    client.fail(worker, client.claim(worker, job, fresh=5))
    client.conn.execute("UPDATE evtrack.progress SET bucket = bucket - 30 WHERE job_id = %s", (job,))
    assert 5 == client.one("SELECT evtrack.retry(%s)", job)
    (row,) = client.view("job_progress", job)
    assert (0, 6, 0) == (row["failed"], row["pending"], row["pace"])


def test_a_suspended_job_has_no_expected_end(client: Client, mixed_job: int) -> None:
    client.one("SELECT evtrack.suspend(%s)", mixed_job)
    (row,) = client.view("job_progress", mixed_job)
    assert (True, None, None) == (row["suspended"], row["eta"], row["remaining_s"])
