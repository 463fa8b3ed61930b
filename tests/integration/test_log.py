"""The log in commit order: every event once, the versions of each stream rising, positions that hold."""

import random
import threading
from collections import defaultdict
from dataclasses import replace

import psycopg
import pytest

from client import Client
from evtrack.domain.errors import BadArgument
from evtrack.storage.database import Connection, connect
from evtrack.storage.log import LogRow, Position, Tail, stream
from evtrack.storage.reports import job_key
from helpers import eventually

pytestmark = pytest.mark.db


@pytest.fixture
def client(conn: Connection) -> Client:
    """A session with this test's own database."""
    return Client(conn)


def names(rows: list[LogRow]) -> list[tuple[int, int, int]]:
    """Name events by stream and version."""
    return [(row.job_id, row.batch_no, row.version) for row in rows]


def test_what_commits_late_is_not_skipped(dsn: str, client: Client) -> None:
    tail = Tail(conn=client.conn)
    assert [] == list(tail.read())
    with psycopg.connect(dsn) as slow:
        # Its events have the lower numbers, and commit last.
        first = slow.execute("SELECT evtrack.enqueue('h', '{a}', '{1}')").fetchone()
        second = client.job()
        assert [] == list(tail.read()), "behind an open transaction nothing may be shown yet"
        holder = tail.holder()
        assert holder is not None
        assert slow.info.backend_pid == holder.pid
        slow.commit()
    assert first is not None
    assert {first[0], second} == {row.job_id for row in eventually(lambda: list(tail.read()))}
    assert [] == list(tail.read())


def test_a_position_goes_on_where_it_was_taken(client: Client) -> None:
    jobs = [client.job(3) for _ in range(3)]
    whole = list(Tail(conn=client.conn).read())
    assert jobs == sorted({row.job_id for row in whole})
    for cut in (0, 1, 5, len(whole) - 1, len(whole)):
        tail = Tail(conn=client.conn)
        reading = tail.read()
        before = [next(reading) for _ in range(cut)]
        reading.close()
        again = Tail(conn=client.conn, start=Position.parse(str(tail.position)))
        assert names(whole) == names(before + list(again.read()))


def test_a_position_of_another_cluster_is_refused(client: Client) -> None:
    here = Tail(conn=client.conn).position
    with pytest.raises(BadArgument, match="do not survive a restore"):
        Tail(conn=client.conn, start=replace(here, system_identifier=here.system_identifier + 1))


def test_a_position_ahead_of_the_cluster_is_refused(client: Client) -> None:
    here = Tail(conn=client.conn).position
    with pytest.raises(BadArgument, match="restored to an earlier time"):
        Tail(conn=client.conn, start=replace(here, hi=10**15))


@pytest.mark.parametrize("text", ["", "1-2-3", "1-2-3-4-5", "1-2-x-4", "-1-2-3-4"])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(BadArgument, match="is no position"):
        Position.parse(text)


def test_one_job_or_one_stream_is_read_alone(client: Client) -> None:
    job, other = client.job(2), client.job()
    day = job_key(client.conn, job).job_day
    assert {job} == {row.job_id for row in Tail(conn=client.conn, job=(day, job)).read()}
    assert [(other, 0, 1), (other, 0, 2), (other, 0, 3)] == names(
        list(Tail(conn=client.conn, job=(day, other), batch_no=0).read())
    )
    assert [(job, 2, 1)] == names(stream(client.conn, (day, job), 2))
    assert [(job, 0, 3)] == names(stream(client.conn, (day, job), 0, after_version=2))
    with pytest.raises(BadArgument, match="no stream"):
        Tail(conn=client.conn, batch_no=3)


def test_a_reader_beside_many_writers_sees_every_event_once_and_in_order(dsn: str, client: Client) -> None:
    writers, rounds = 8, 12
    job = client.job(writers * rounds)
    failures: list[BaseException] = []

    def write(number: int) -> None:
        chance = random.Random(number)
        try:
            with connect(dsn, purpose="writer") as conn:
                mine = Client(conn, client.handler)
                worker = mine.worker()
                for _ in range(rounds):
                    claims = mine.claim(worker, job, fresh=2)
                    # Reports of several batches in one transaction that stays open for a moment.
                    with conn.transaction():
                        for claim in claims:
                            chance.choice([mine.complete, mine.fail, mine.requeue])(worker, [claim])
                            conn.execute("SELECT pg_sleep(%s)", (chance.random() / 100,))
        except BaseException as error:  # noqa: BLE001  # shown by the main thread
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    tail = Tail(conn=client.conn)
    seen: list[LogRow] = []
    while any(thread.is_alive() for thread in threads):
        seen += tail.read()
        tail.wait(0.01)
    for thread in threads:
        thread.join()
    assert [] == failures
    total = client.one("SELECT count(*)::int FROM evtrack.event")
    # Other databases of the cluster may hold the horizon back for a moment.
    eventually(lambda: seen.extend(tail.read()) or len(seen) >= total)
    streams = defaultdict(list)
    for row in seen:
        streams[row.job_id, row.batch_no].append(row.version)
    assert total == len(seen)
    assert all(versions == list(range(1, len(versions) + 1)) for versions in streams.values())
