"""The digests: the database computes a chain over each stream from the contents of its events."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from json import loads
from struct import pack

import psycopg
import pytest

from client import Client
from evtrack.domain.stored_event import StoredEvent
from evtrack.storage.connection.connect import Connection
from evtrack.storage.log import proof
from old_jobs import days_ago, old_job

pytestmark = pytest.mark.integration

ZERO = bytes(32)


@pytest.fixture
def client(conn: Connection) -> Client:
    """A session with this test's own database."""
    return Client(conn)


def work(client: Client, job: int) -> None:
    """Bring a job to its end, with a crash, a failure and a late result on the way."""
    worker = client.worker()
    first, second, *rest = client.claim(worker, job)
    assert ["split"] == client.crash_with(
        worker, [first], [{"cause": "signal", "ordinal": 1, "stderr": "wörter \\ 'x'"}]
    )
    assert ["retry"] == client.fail(worker, [second])
    client.complete(worker, rest)
    assert ["late"] == client.complete(worker, [second])
    for _ in range(3):
        client.conn.execute("UPDATE evtrack.batch SET run_at = now() WHERE job_id = %s AND run_at IS NOT NULL", [job])
        client.complete(worker, client.claim(worker, job))
    assert client.one("SELECT evtrack.finish_due(%s)", job)


def text(event: StoredEvent, data: str) -> bytes:
    """Write what an event says, as docs/sql_api.md has it."""
    micros = (event.at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    worker = "-" if event.worker_id is None else event.worker_id
    said = (
        event.job_id,
        event.batch_no,
        event.version,
        event.type,
        event.attempt,
        worker,
        micros,
        event.seq,
        event.xid,
    )
    return f"{' '.join(map(str, said))} {data}".encode()


def content(event: StoredEvent, data: str) -> bytes:
    """Write what an event says in binary form, as docs/sql_api.md has it."""
    micros = (event.at - datetime(2000, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    numbers = (event.job_id, event.batch_no, event.version, event.attempt, micros, event.seq, event.xid)
    worker = b"" if event.worker_id is None else pack(">q", event.worker_id)
    return pack(">qiiiqqQ", *numbers) + worker + event.type.encode() + b"\1" + data.encode()


def chain(client: Client, job: int, number: int, *, short: bool = True) -> list[bytes]:
    """Compute the digests of a stream in Python."""
    stored = client.rows(
        "SELECT data::text AS data FROM evtrack.event WHERE job_id = %s AND batch_no = %s ORDER BY version", job, number
    )
    links: list[bytes] = []
    for event, row in zip(client.events(job, number), stored, strict=True):
        before = links[-1] if links else b""
        if short and number:
            links.append(sha256(before + content(event, row["data"])).digest()[:16])
        else:
            links.append(sha256(before + text(event, row["data"])).digest())
    return links


@pytest.mark.parametrize("form", [1, 2])
def test_each_event_is_chained_to_the_one_before(client: Client, form: int) -> None:
    job = old_job(client, days_ago(0), 4, items=3, digest_form=form)
    # What a session shows times as must not show in a digest.
    client.conn.execute("SET TimeZone = 'Asia/Kolkata'")
    client.conn.execute("SET DateStyle = 'SQL, DMY'")
    work(client, job)
    client.conn.execute("RESET DateStyle")
    assert b"".join(chain(client, job, 0)) == client.own_links(job)
    kept = {
        row["batch_no"]: row["links"]
        for row in client.rows("SELECT batch_no, links FROM evtrack.batch WHERE job_id = %s", job)
    }
    assert {number: b"".join(chain(client, job, number, short=form == 2)) for number in kept} == kept
    assert len(kept) > 4
    assert [] == list(proof.verify(client.conn, job))


@pytest.mark.parametrize("message", ["\u00c4rger", "5 \u20ac"])
def test_the_encoding_of_the_client_changes_no_digest(client: Client, message: str) -> None:
    job, worker = client.job(), client.worker()
    held = client.claim(worker, job)
    client.conn.execute("SET client_encoding = LATIN1")
    assert ["retry"] == client.fail(worker, held, {"type": "ValueError", "message": message})
    client.conn.execute("SET client_encoding = UTF8")
    assert [] == list(proof.verify(client.conn, job))


def test_a_finished_event_holds_the_digest_over_all_streams(client: Client) -> None:
    job = client.job(3, items=2)
    work(client, job)
    finished = loads(client.one("SELECT data::text FROM evtrack.event WHERE job_id = %s AND type = 'finished'", job))
    heads = [chain(client, job, number)[-1] for number in client.batches(job)]
    own = chain(client, job, 0)
    assert sha256(b"".join([own[-2], *heads])).hexdigest() == finished["digest"]
    now = client.one("SELECT encode(evtrack.job_digest(%s), 'hex')", job)
    assert sha256(b"".join([own[-1], *heads])).hexdigest() == now
    assert client.one("SELECT evtrack.job_digest(0)") is None


def test_events_older_than_digests_have_zeros(client: Client) -> None:
    job, worker = client.job(2), client.worker()
    client.conn.execute("UPDATE evtrack.job SET digest_form = 1 WHERE job_id = %s", [job])
    client.conn.execute("UPDATE evtrack.batch SET links = NULL WHERE job_id = %s", [job])
    client.complete(worker, client.claim(worker, job, fresh=1))
    started, completed = client.events(job, 1)[1:]
    first = sha256(ZERO + text(started, "{}")).digest()
    second = sha256(first + text(completed, '{"run_s": 0.5}')).digest()
    assert [ZERO + first + second, None] == [
        row["links"] for row in client.rows("SELECT links FROM evtrack.batch WHERE job_id = %s ORDER BY batch_no", job)
    ]


def go_on(client: Client, job: int, times: int) -> None:
    """Append so many pairs of events to a job's own stream."""
    client.conn.execute(
        "SELECT evtrack.suspend(%(job)s), evtrack.resume(%(job)s) FROM generate_series(1, %(times)s)",
        {"job": job, "times": times},
    )


def windows(client: Client, job: int) -> list[tuple[int, int]]:
    """Return the first version and the number of each part of a job's digests; the part in its row comes last."""
    rows = client.rows(
        "SELECT first_version AS first, octet_length(links) / 32 AS many FROM evtrack.job_link WHERE job_id = %s"
        " UNION ALL SELECT version - octet_length(links) / 32 + 1, octet_length(links) / 32 FROM evtrack.job"
        " WHERE job_id = %s ORDER BY first",
        job,
        job,
    )
    return [(row["first"], row["many"]) for row in rows]


def test_the_row_of_a_job_does_not_grow_with_its_stream(client: Client) -> None:
    job, short = client.job(), client.job()
    go_on(client, job, 14)
    assert [(1, 31)] == windows(client, job)
    go_on(client, job, 1)
    assert [(1, 32), (33, 1)] == windows(client, job)
    go_on(client, job, 33)
    assert [(1, 32), (33, 32), (65, 32), (97, 3)] == windows(client, job)
    assert b"".join(chain(client, job, 0)) == client.own_links(job)
    assert [(1, 3)] == windows(client, short)
    assert [] == list(proof.verify(client.conn))


def test_zeros_of_events_older_than_digests_move_out_too(client: Client) -> None:
    job = client.job()
    go_on(client, job, 14)
    client.conn.execute("UPDATE evtrack.job SET links = NULL WHERE job_id = %s", [job])
    go_on(client, job, 1)
    assert [(1, 32), (33, 1)] == windows(client, job)
    assert ZERO * 31 == client.own_links(job)[: 31 * 32]
    client.conn.execute("DELETE FROM evtrack.job_link")
    client.conn.execute("UPDATE evtrack.job SET links = NULL WHERE job_id = %s", [job])
    go_on(client, job, 15)
    assert [(1, 63)] == windows(client, job)
    go_on(client, job, 1)
    assert [(1, 64), (65, 1)] == windows(client, job)
    assert [] == list(proof.verify(client.conn))


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("seq", "9223372036854775807", "was not given out yet"),
        ("data", "'[]'", "an array, not an object"),
        ("attempt", "-1", "its attempt -1 is less than 0"),
    ],
)
def test_an_impossible_event_is_refused(client: Client, column: str, value: str, reason: str) -> None:
    job = client.job()
    with pytest.raises(psycopg.Error, match=reason):
        client.conn.execute(
            f"INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, {column}) SELECT job_day, job_id, 0,"
            f" version + 1, 'suspended', {value} FROM evtrack.job WHERE job_id = %s".encode(),
            [job],
        )


def test_a_derived_batch_with_a_gap_before_it_is_refused(client: Client) -> None:
    job = client.job(2)
    with pytest.raises(psycopg.Error, match="the job has given out the numbers 1 to 2"):
        client.conn.execute(
            "INSERT INTO evtrack.event (job_day, job_id, batch_no, version, type, data) SELECT job_day, job_id, 4, 1,"
            """ 'enqueued', '{"items": 1, "weight": 1, "ordinals": "{[1,2)}", "root": 1, "parent": 1}'"""
            " FROM evtrack.job WHERE job_id = %s",
            [job],
        )
