"""A position on a new timeline of the cluster continues where nothing was lost, and is refused elsewhere."""

from dataclasses import replace
from typing import Any

import psycopg
import pytest

from client import Client
from evtrack.domain.errors import LogDiverged
from evtrack.storage.connection.connect import Connection
from evtrack.storage.log.log_row import LogRow
from evtrack.storage.log.position import LogPosition
from evtrack.storage.log.reader import Tail

pytestmark = pytest.mark.integration


def read(conn: Connection, start: LogPosition | None = None, most: int | None = None) -> list[tuple[LogPosition, Any]]:
    """Read the log, with the position behind each event."""
    tail = Tail(conn=conn, start=start and LogPosition.parse(str(start)))
    found = []
    for row in tail.read():
        found.append((tail.position, name(row)))
        if len(found) == most:
            break
    return found


def name(row: LogRow) -> tuple[int, int, int]:
    """Name an event by stream and version."""
    return row.job_id, row.batch_no, row.version


def elsewhere(at: LogPosition) -> LogPosition:
    """Return a position as if the server had moved to another timeline since."""
    assert at.timeline
    return replace(at, timeline=at.timeline + 1)


def test_any_position_continues_on_a_new_timeline_without_loss(dsn: str, own_client: Client) -> None:
    seen: list[tuple[LogPosition, Any]] = []
    tail = Tail(conn=own_client.conn)
    for number in range(6):
        # Overlapping transactions: their order of beginning, of numbers and of commits differs.
        with psycopg.connect(dsn) as first, psycopg.connect(dsn) as second:
            first.execute("SELECT pg_current_xact_id()")
            second.execute("SELECT evtrack.enqueue('h', '{a,b}', '{1,2}', batch_size => 1)")
            first.execute("SELECT evtrack.enqueue('h', '{a}', '{1}')")
            own_client.job(2)
            (first if number % 2 else second).commit()
            seen += [(tail.position, name(row)) for row in tail.read()]
    seen += [(tail.position, name(row)) for row in tail.read()]
    names = [each for _, each in seen]
    assert len(names) == own_client.one("SELECT count(*)::int FROM evtrack.event")
    for place, (at, _) in enumerate(seen):
        rest = read(own_client.conn, elsewhere(at))
        assert sorted(names[place + 1 :]) == sorted(each for _, each in rest)
        streams: dict[tuple[int, int], int] = {}
        for _, (job, batch, version) in rest:
            assert streams.get((job, batch), 0) < version
            streams[job, batch] = version
        # Stopped in the middle, it goes on from there.
        part = read(own_client.conn, elsewhere(at), most=2)
        if part:
            # By name: other transactions of the cluster, such as autovacuum's, move the snapshots in the positions.
            continued = part + read(own_client.conn, part[-1][0])
            assert [each for _, each in rest] == [each for _, each in continued]


def test_lost_events_are_noticed_on_a_new_timeline(own_client: Client) -> None:
    own_client.job(2)
    at = read(own_client.conn)[2][0]
    evidence = at.evidence
    assert evidence
    for wrong, says in (
        (replace(at, evidence=replace(evidence, window=evidence.window ^ 1)), "lacks events that were read before"),
        (replace(at, evidence=None), "cannot be shown"),
    ):
        with pytest.raises(LogDiverged, match=says):
            read(own_client.conn, elsewhere(wrong))
    on_new_timeline = read(own_client.conn, elsewhere(at), most=1)[0][0]
    assert on_new_timeline.known
    with pytest.raises(LogDiverged, match="cannot be shown"):
        read(own_client.conn, elsewhere(on_new_timeline))


def test_another_last_event_is_noticed_unless_its_day_was_dropped(own_client: Client) -> None:
    own_client.job(2)
    at = read(own_client.conn)[-1][0]
    evidence = at.evidence
    assert evidence
    for wrong in (
        replace(at, evidence=replace(evidence, last=evidence.last ^ 1)),
        replace(at, evidence=replace(evidence, xid=evidence.xid - 1)),
    ):
        with pytest.raises(LogDiverged, match="does not contain the event"):
            read(own_client.conn, wrong)
    gone = replace(at, evidence=replace(evidence, day=evidence.day - 400))
    with pytest.raises(LogDiverged):
        read(own_client.conn, gone)
    own_client.conn.execute(
        "INSERT INTO evtrack.ledger (job_id, job_day, handler, phase, batches, items, invalid_count, event_count,"
        " created_at, ended_at, digest) VALUES (9999, current_date - 400, 'h', 'finished', '{}', '{}', 0, 1, now(),"
        " now(), '')"
    )
    assert [] == read(own_client.conn, gone)


def test_a_window_that_an_older_evtrack_began_can_be_finished(own_client: Client) -> None:
    own_client.job(3)
    seen = read(own_client.conn)
    old = replace(seen[1][0], timeline=None, evidence=None)
    rest = read(own_client.conn, old)
    assert [each for _, each in seen[2:]] == [each for _, each in rest]
    assert {None} == {at.evidence for at, _ in rest}
    own_client.job(1)
    assert read(own_client.conn, rest[-1][0])[-1][0].evidence
