"""Reading the log in commit order: every event once, each stream in order, and stable positions."""

import random
import threading
import time
from collections import defaultdict
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from client import Client
from evtrack.domain.errors import BadArgument
from evtrack.storage.connection.connect import connect
from evtrack.storage.log.log_row import LogRow
from evtrack.storage.log.position import LogPosition, Snapshot
from evtrack.storage.log.reader import Tail, stream
from evtrack.storage.reports.job_reports import job_key
from servers import cloned

pytestmark = pytest.mark.integration


def names(rows: list[LogRow]) -> list[tuple[int, int, int]]:
    """Name events by stream and version."""
    return [(row.job_id, row.batch_no, row.version) for row in rows]


def test_a_late_commit_arrives_late_and_delays_no_other_event(dsn: str, own_client: Client) -> None:
    tail = Tail(conn=own_client.conn)
    assert [] == list(tail.read())
    with psycopg.connect(dsn) as slow:
        # Its events have the lower numbers, and commit last.
        first = slow.execute("SELECT evtrack.enqueue('h', '{a}', '{1}')").fetchone()
        second = own_client.job()
        assert {second} == {row.job_id for row in tail.read()}
        # The position records which transactions were late, for a reader that resumes there.
        tail = Tail(conn=own_client.conn, start=LogPosition.parse(str(tail.position)))
        third = own_client.job()
        assert {third} == {row.job_id for row in tail.read()}
        slow.commit()
    assert first is not None
    assert {first[0]} == {row.job_id for row in tail.read()}
    assert [] == list(tail.read())


def test_a_transaction_in_another_database_delays_no_event(empty_dsn: str, own_client: Client, run: Any) -> None:
    with psycopg.connect(empty_dsn) as other:
        other.execute("SELECT pg_current_xact_id()")
        job = own_client.job()
        assert {job} == {row.job_id for row in Tail(conn=own_client.conn).read()}
        own_client.one("SELECT evtrack.cancel(%s)", job)
        assert "cancelled" in run("events", str(job), "--follow").stdout


def test_a_stream_stays_in_order_while_other_streams_are_late(dsn: str, own_client: Client) -> None:
    job, worker = own_client.job(), own_client.worker()
    tail = Tail(conn=own_client.conn)
    read = list(tail.read())
    with psycopg.connect(dsn) as slow, psycopg.connect(dsn, autocommit=True) as conn:
        other = Client(conn, own_client.handler)
        with conn.transaction():
            # It begins before the claim that it reports on, and another between the two stays open.
            other.one("SELECT pg_current_xact_id()::text")
            slow.execute("SELECT pg_current_xact_id()")
            claims = own_client.claim(worker, job)
            other.complete(worker, claims)
        read += tail.read()
    read += tail.read()
    assert [(job, 1, 1), (job, 1, 2), (job, 1, 3)] == [name for name in names(read) if name[1]]


def test_reading_resumes_where_the_position_was_taken(own_client: Client) -> None:
    jobs = [own_client.job(3) for _ in range(3)]
    whole = list(Tail(conn=own_client.conn).read())
    assert jobs == sorted({row.job_id for row in whole})
    for cut in (0, 1, 5, len(whole) - 1, len(whole)):
        tail = Tail(conn=own_client.conn)
        reading = tail.read()
        before = [next(reading) for _ in range(cut)]
        reading.close()
        again = Tail(conn=own_client.conn, start=LogPosition.parse(str(tail.position)))
        assert names(whole) == names(before + list(again.read()))


def test_a_position_of_another_cluster_is_refused(own_client: Client) -> None:
    here = Tail(conn=own_client.conn).position
    with pytest.raises(BadArgument, match="do not survive a restore"):
        Tail(conn=own_client.conn, start=replace(here, system_identifier=here.system_identifier + 1))


def test_a_position_of_another_database_of_the_cluster_is_refused(
    admin_dsn: str, template: str, own_client: Client
) -> None:
    own_client.job(2)
    tail = Tail(conn=own_client.conn)
    read = names(list(tail.read()))
    at = tail.position
    with cloned(admin_dsn, template) as dsn, connect(dsn, purpose="test") as conn:
        Client(conn).job(1)
        with pytest.raises(BadArgument, match="from another database of this cluster"):
            Tail(conn=conn, start=LogPosition.parse(str(at)))
    # One from before the database stood in it is read as what it was, and says it from then on.
    old = replace(at, database=None, timeline=None, evidence=None)
    stored = str(old)
    assert LogPosition.parse(stored) == old
    assert "." not in stored
    later = own_client.job(1)
    tail = Tail(conn=own_client.conn, start=LogPosition.parse(stored))
    assert [] == [name for name in names(list(tail.read())) if name in read or name[0] != later]
    assert at.database == tail.position.database


def test_a_position_ahead_of_the_cluster_is_refused(own_client: Client) -> None:
    here = Tail(conn=own_client.conn).position
    with pytest.raises(BadArgument, match="restored to an earlier time"):
        Tail(conn=own_client.conn, start=replace(here, hi=Snapshot(10**15)))


@pytest.mark.parametrize("text", ["", "1-2-3", "1-2-3-4-5", "1-2-x-4", "-1-2-3-4", "1-3:5:4,4-0-1", "1-3:5:6-0-1"])
def test_an_invalid_position_is_refused(text: str) -> None:
    with pytest.raises(BadArgument, match="is not a valid position"):
        LogPosition.parse(text)


def test_a_single_job_or_stream_can_be_read(own_client: Client) -> None:
    job, other = own_client.job(2), own_client.job()
    day = job_key(own_client.conn, job).job_day
    assert {job} == {row.job_id for row in Tail(conn=own_client.conn, job=(day, job)).read()}
    assert [(other, 0, 1), (other, 0, 2), (other, 0, 3)] == names(
        list(Tail(conn=own_client.conn, job=(day, other), batch_no=0).read())
    )
    assert [(job, 2, 1)] == names(stream(own_client.conn, day, job, 2))
    assert [(job, 0, 3)] == names(stream(own_client.conn, day, job, 0))[2:]
    with pytest.raises(BadArgument, match="no such batch"):
        Tail(conn=own_client.conn, batch_no=3)


def test_a_reader_with_many_writers_sees_every_event_once_and_in_order(dsn: str, own_client: Client) -> None:
    writers, rounds = 8, 12
    job = own_client.job(writers * rounds)
    failures: list[BaseException] = []

    def write(number: int) -> None:
        chance = random.Random(number)
        try:
            with connect(dsn, purpose="writer") as conn:
                mine = Client(conn, own_client.handler)
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
    tail = Tail(conn=own_client.conn)
    seen: list[LogRow] = []
    while any(thread.is_alive() for thread in threads):
        seen += tail.read()
        time.sleep(0.01)
    for thread in threads:
        thread.join()
    assert [] == failures
    total = own_client.one("SELECT count(*)::int FROM evtrack.event")
    seen += tail.read()
    streams = defaultdict(list)
    for row in seen:
        streams[row.job_id, row.batch_no].append(row.version)
    assert total == len(seen)
    assert all(versions == list(range(1, len(versions) + 1)) for versions in streams.values())
