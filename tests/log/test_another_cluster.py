"""A log from another cluster, restored from an archive or a dump, is read once from any position."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import servers
from client import Client
from evtrack.domain.errors import BadArgument
from evtrack.runtime.retention.cleanup import Cleanup
from evtrack.runtime.retention.cleanup_result import DroppedDay
from evtrack.runtime.retention.restore import Restore
from evtrack.storage.connection.connect import connect
from evtrack.storage.embedded.data_directory import programs
from evtrack.storage.log import proof
from evtrack.storage.log.log_row import LogRow
from evtrack.storage.log.position import LogPosition
from evtrack.storage.log.reader import Tail
from evtrack.storage.schema import migrations
from old_jobs import days_ago, ended_job, old_job
from polling import eventually

pytestmark = pytest.mark.integration
DAY = days_ago(9)
Name = tuple[int, int, int]


@pytest.fixture
def far(own_client: Client) -> Iterator[Client]:
    """A session in a cluster of its own, which has seen far fewer transactions."""
    with servers.one_of_its_own() as (dsn, _), connect(dsn, purpose="test") as conn:
        migrations.up(conn)
        far = Client(conn, own_client.handler)
        spend(own_client, now(far) + 500)
        yield far


def now(own_client: Client) -> int:
    """Return the transaction that the cluster is at."""
    return int(own_client.one("SELECT pg_snapshot_xmax(pg_current_snapshot())::text"))


def spend(own_client: Client, until: int) -> None:
    """Use transactions up."""
    while now(own_client) < until:
        own_client.conn.execute(
            "DO $$ BEGIN FOR i IN 1..200 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
        )


def names(rows: list[LogRow]) -> list[Name]:
    """Name events, and hold the streams to the order of their versions."""
    last: Counter[tuple[int, int]] = Counter()
    for row in rows:
        assert last[row.job_id, row.batch_no] < row.version
        last[row.job_id, row.batch_no] = row.version
    return [(row.job_id, row.batch_no, row.version) for row in rows]


def step_by_step(own_client: Client, at: LogPosition | None = None) -> tuple[list[LogRow], LogPosition]:
    """Continue reading with a new reader per event, each from the stored position."""
    rows: list[LogRow] = []
    while True:
        tail = Tail(conn=own_client.conn, start=at and LogPosition.parse(str(at)))
        row = next(tail.read(), None)
        at = tail.position
        if row is None:
            return rows, at
        rows.append(row)


def logged(own_client: Client) -> list[Name]:
    """Return all that is in the log."""
    rows = own_client.rows("SELECT job_id, batch_no, version FROM evtrack.event ORDER BY 1, 2, 3")
    return [(row["job_id"], row["batch_no"], row["version"]) for row in rows]


def failed_job(own_client: Client) -> int:
    """Return a finished job of an old day with a failed batch."""
    job, worker = old_job(own_client, DAY, 3, max_errors=1), own_client.worker()
    claims = own_client.claim(worker, job)
    own_client.fail(worker, claims[:1])
    own_client.complete(worker, claims[1:], results=["{}"] * 2)
    assert own_client.one("SELECT evtrack.finish_due(%s)", job)
    return job


def goes_on_once(far: Client, job: int, at: LogPosition) -> None:
    """Continue the job and start others: read events are not read again, and new ones once."""
    before = logged(far)
    assert 1 == far.one("SELECT evtrack.retry(%s)", job)
    worker = far.worker()
    far.complete(worker, far.claim(worker, job))
    assert far.one("SELECT evtrack.finish_due(%s)", job)
    far.job(2)
    new, at = step_by_step(far, at)
    assert sorted(set(logged(far)) - set(before)) == sorted(names(new))
    assert [] == list(proof.verify(far.conn))
    # The cluster comes to the transactions that the others name, and passes them.
    spend(far, far.one("SELECT max(xid::text::bigint) FROM evtrack.event") + 10)
    assert [] == step_by_step(far, at)[0]
    assert logged(far) == sorted(names(step_by_step(far)[0]))
    assert logged(far) == sorted(names(list(Tail(conn=far.conn).read())))
    only = (far.one("SELECT job_day FROM evtrack.job WHERE job_id = %s", job), job)
    assert [name for name in logged(far) if name[0] == job] == sorted(names(list(Tail(conn=far.conn, job=only).read())))
    assert [] == list(proof.verify(far.conn))


def test_an_archive_restored_in_another_cluster_is_read_once(own_client: Client, far: Client, tmp_path: Path) -> None:
    ended_job(far, days_ago(0))
    far.conn.execute("SELECT setval('evtrack.job_id_seq', 100)")
    early = step_by_step(far)[1]
    own_client.conn.execute("SELECT setval('evtrack.job_id_seq', 500)")
    job, quiet = failed_job(own_client), ended_job(own_client, DAY)
    list(Cleanup(conn=own_client.conn, older_than_s=0, archive=tmp_path, with_payload=True).run())
    assert [job, quiet] == [each.job_id for each in Restore(conn=far.conn, directory=tmp_path).run()]
    # Numbers of the log are there twice now, one from each cluster.
    assert far.rows("SELECT seq FROM evtrack.event GROUP BY seq HAVING count(*) > 1")
    read, at = step_by_step(far)
    assert logged(far) == sorted(names(read))
    # A restore brings no new events to a reader that continued.
    assert [] == step_by_step(far, early)[0]
    # As old as it was, it may go again, and come back.
    done = list(Cleanup(conn=far.conn, older_than_s=0, archive=tmp_path / "far", with_payload=True).run())
    assert [DAY] == [day.day for day in done if isinstance(day, DroppedDay)]
    assert [] == far.rows("SELECT * FROM evtrack.restored")
    assert 2 == len(list(Restore(conn=far.conn, directory=tmp_path / "far").run()))
    goes_on_once(far, job, at)


def test_a_dump_restored_in_another_cluster_is_read_once(own_client: Client, far: Client, dsn: str) -> None:
    job = failed_job(own_client)
    ended_job(own_client, days_ago(0))
    _, old = step_by_step(own_client)
    far.conn.execute("DROP SCHEMA evtrack CASCADE")
    folder = programs()
    # The users of this server do not exist on the other one.
    words = [folder / "pg_dump", "--schema=evtrack", "--no-owner", "--no-privileges", dsn]
    dump = subprocess.run(words, check=True, capture_output=True)
    subprocess.run(
        [folder / "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", far.conn.info.dsn],
        input=dump.stdout,
        check=True,
        capture_output=True,
    )
    with pytest.raises(BadArgument, match="do not survive a restore"):
        Tail(conn=far.conn, start=old)
    read, at = step_by_step(far)
    assert logged(own_client) == sorted(names(read))
    goes_on_once(far, job, at)


def test_events_appended_during_the_takeover_of_a_log_are_read(far: Client) -> None:
    first = far.job()
    # As a dump of another cluster leaves it.
    far.conn.execute("UPDATE evtrack.cluster SET system_identifier = 1")
    with connect(far.conn.info.dsn, purpose="test") as other, ThreadPoolExecutor(1) as pool:
        with other.transaction():
            second = Client(other, far.handler).job()
            read = pool.submit(lambda: step_by_step(far))
            eventually(lambda: Client(other).rows("SELECT 1 FROM pg_locks WHERE NOT granted") or read.done())
            assert not read.done()
        rows, at = read.result(60)
    assert {first, second} == {row.job_id for row in rows}
    third = far.job()
    assert {third} == {row.job_id for row in step_by_step(far, at)[0]}
