"""Births of jobs and batches that are inserted directly into the log are folded, or refused."""

import psycopg
import pytest

from client import Client
from evtrack.storage.log.proof import verify
from log_tampering import append, enqueued, refused_events

pytestmark = pytest.mark.integration


def test_batches_that_are_enqueued_after_higher_ones_are_claimed(client: Client) -> None:
    job = client.one("SELECT job_id FROM evtrack.create_job(%s)", client.handler)
    append(
        client,
        (job, 0, 2, "extended", 0, None, {"batches": 3, "items": 3}),
        (job, 3, 1, "enqueued", 0, None, {"first": 3, "items": 1}),
    )
    claimed = client.claim(client.worker(), job)
    client.rows("SELECT evtrack.raise_marks(ARRAY[%s])", job)
    append(client, *((job, number, 1, "enqueued", 0, None, {"first": number, "items": 1}) for number in (1, 2)))
    claimed += client.claim(client.worker(), job)
    assert [3, 1, 2] == [claim.batch_no for claim in claimed]


def test_new_jobs_of_one_insert_fold_as_in_the_pure_fold(client: Client) -> None:
    whole, empty, chunked = (client.one("SELECT nextval('evtrack.job_id_seq')") for _ in range(3))
    created = {"handler": client.handler}
    chunk = {"batches": 1, "items": 2, "position": {"line": 2}, "bytes_read": 9, "invalid": 1}
    append(
        client,
        (chunked, 0, 4, "sealed", 0, None, {}),
        (whole, 2, 1, "enqueued", 0, None, {"first": 3, "items": 1}),
        (empty, 0, 1, "created", 0, None, created),
        (whole, 0, 3, "sealed", 0, None, {}),
        (whole, 0, 1, "created", 0, None, {**created, "name": "n", "priority": 2, "bytes_total": 9}),
        (chunked, 0, 3, "extended", 0, None, {"batches": 1, "items": 1}),
        (whole, 0, 2, "extended", 0, None, {**chunk, "batches": 2, "items": 3}),
        (whole, 1, 1, "enqueued", 0, None, {"first": 1, "items": 2, "weight": 5}),
        (chunked, 0, 2, "extended", 0, None, chunk),
        (chunked, 2, 1, "enqueued", 0, None, enqueued("{[3,4)}", 1)),
        (empty, 0, 2, "sealed", 0, None, {}),
        (chunked, 0, 1, "created", 0, None, created),
        (chunked, 1, 1, "enqueued", 0, None, enqueued("{[1,3)}", 2)),
        job_day=client.one("SELECT (now() AT TIME ZONE 'UTC')::date"),
    )
    client.check(whole, empty, chunked)
    # The log says nothing about payloads, which nobody has written here.
    assert [["payload rows"], [], ["payload rows"]] == [
        [difference.field for difference in verify(client.conn, job)] for job in (whole, empty, chunked)
    ]


def test_a_batch_is_born_beside_a_step_of_an_older_job(client: Client) -> None:
    older = client.one("SELECT evtrack.enqueue(%s, '{a}', ARRAY['1'])", client.handler)
    newer = client.one("SELECT job_id FROM evtrack.create_job(%s)", client.handler)
    append(
        client,
        (older, 1, 2, "started", 1, client.worker(), {}),
        (newer, 0, 2, "extended", 0, None, {"batches": 1, "items": 1}),
        (newer, 1, 1, "enqueued", 0, None, {"first": 1, "items": 1}),
    )
    client.check(older, newer)


@pytest.mark.parametrize(
    ("steps", "match"),
    [
        ((("created", 2),), "version 2: created is refused"),
        ((("created", 1), ("sealed", 2), ("extended", 3)), "version 3: extended is refused"),
        ((("created", 1), ("extended", 2), ("sealed", 4)), "version 4: sealed is refused"),
        ((("created", 1), ("extended", 2), ("sealed", 3), ("sealed", 4)), "version 4: sealed is refused"),
    ],
)
def test_a_new_job_with_an_illegal_step_is_refused(
    client: Client, steps: tuple[tuple[str, int], ...], match: str
) -> None:
    job, data = client.one("SELECT nextval('evtrack.job_id_seq')"), {"handler": "h", "batches": 1, "items": 1}
    day = client.one("SELECT (now() AT TIME ZONE 'UTC')::date")
    refused_events(client, match, *((job, 0, version, kind, 0, None, data) for kind, version in steps), job_day=day)


@pytest.mark.parametrize(
    "data", [{"items": 1}, {"items": 1, "first": None}, {"items": 1, "first": -3}, {"items": 0, "first": 1}]
)
def test_a_batch_without_items_of_its_job_is_refused(client: Client, data: dict[str, int | None]) -> None:
    job = client.one("SELECT job_id FROM evtrack.create_job(%s)", client.handler)
    append(client, (job, 0, 2, "extended", 0, None, {"batches": 1, "items": 1}))
    with pytest.raises(psycopg.errors.NotNullViolation):
        append(client, (job, 1, 1, "enqueued", 0, None, data))


@pytest.mark.parametrize("data", [{}, {"batches": 1}, {"items": 1}])
def test_a_new_job_that_is_extended_by_nothing_is_refused(client: Client, data: dict[str, int]) -> None:
    job = client.one("SELECT nextval('evtrack.job_id_seq')")
    day = client.one("SELECT (now() AT TIME ZONE 'UTC')::date")
    with pytest.raises(psycopg.errors.NotNullViolation):
        append(
            client,
            (job, 0, 1, "created", 0, None, {"handler": "h"}),
            (job, 0, 2, "extended", 0, None, data),
            job_day=day,
        )
