"""A dump or a copy that was taken under work continues elsewhere, and what cannot be restored says so."""

from contextlib import ExitStack

import pytest

from client import Client
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.log import proof
from evtrack.storage.log.reader import Tail
from evtrack.storage.queue.workers import heartbeat, lock_worker
from evtrack.storage.schema import migrations, replication
from moving import Servers, copied, database
from polling import eventually

pytestmark = pytest.mark.integration


def under_work(blue: Connection) -> tuple[int, int]:
    """Make a job of which a batch runs, and return it and its live worker."""
    client = Client(blue, "moved")
    job, worker = client.job(3, items=2), client.worker()
    assert lock_worker(blue, worker)
    assert heartbeat(blue, worker, busy=1).session_lock
    one, _ = client.claim(worker, job, fresh=2)
    client.complete(worker, [one])
    return job, worker


def continues(conn: Connection, job: int, worker: int) -> None:
    """Notice that the other database's worker is not here, and do what it had."""
    client = Client(conn, "moved")
    assert [] == list(proof.verify(conn))
    eventually(lambda: client.rows("SELECT worker_id FROM evtrack.reap('100 ms')") == [{"worker_id": worker}], 20)
    again = client.worker()
    assert worker != again
    while claims := client.claim(again, job):
        client.complete(again, claims)
    assert client.one("SELECT evtrack.finish_due(%s)", job)
    client.check(job)
    assert [] == list(proof.verify(conn))
    read = [(row.job_id, row.batch_no, row.version) for row in Tail(conn=conn).read()]
    assert client.one("SELECT count(*) FROM evtrack.event") == len(set(read)) == len(read)


def test_a_dump_continues_on_another_server(both: Servers) -> None:
    with ExitStack() as stack:
        source = stack.enter_context(database(both.blue))
        target = stack.enter_context(database(both.green))
        blue = stack.enter_context(connect(source, purpose="test"))
        migrations.up(blue)
        job, worker = under_work(blue)
        assert copied(source, target) == ""
        with connect(target, purpose="test") as green:
            assert () == migrations.up(green)
            adopted = green.execute(
                "SELECT c.system_identifier = p.system_identifier FROM evtrack.cluster c, pg_control_system() p"
            )
            assert adopted.fetchone() == (True,)
            continues(green, job, worker)
            # There, too, it is known what is there already.
            assert Client(green, "moved").job() > job
        assert heartbeat(blue, worker, busy=1).accepted, "the other database is not affected"


@pytest.mark.parametrize("taken_over", [False, True])
def test_a_copy_continues_on_the_same_server(both: Servers, *, taken_over: bool) -> None:
    with ExitStack() as stack:
        source = stack.enter_context(database(both.blue))
        with connect(source, purpose="test") as blue:
            migrations.up(blue)
            job, worker = under_work(blue)
            name = blue.info.dbname
        target = stack.enter_context(database(both.blue, name))
        with connect(target, purpose="test") as copy:
            if taken_over:  # as if it were another server with the same identity, which went on to receive changes
                copy.execute("SELECT setval('evtrack.job_id_seq', 1, false), setval('evtrack.event_seq', 1, false)")
                assert 1 == replication.end_replication(copy)
                assert "0" == Client(copy).one("SELECT max(xid::text) FROM evtrack.event_log")
            continues(copy, job, worker)
            assert Client(copy).job() > job


def test_a_dump_of_the_data_alone_is_refused_with_advice(both: Servers) -> None:
    with ExitStack() as stack:
        source = stack.enter_context(database(both.blue))
        target = stack.enter_context(database(both.green))
        for dsn in (source, target):
            with connect(dsn, purpose="test") as conn:
                migrations.up(conn)
                if dsn == source:
                    under_work(conn)
        tables = ("--table=evtrack.event", "--table=evtrack.event_2*")
        assert "Restore a dump as a whole, into an empty database." in copied(source, target, "--data-only", *tables)
