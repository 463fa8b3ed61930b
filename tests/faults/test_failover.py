"""Readers of the log and submitters over a failover: nothing twice, nothing missing, or a refusal with advice."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest

from client import Client
from cluster import wait_for
from command_line import evtrack
from evtrack.domain.database_errors import CannotConnect
from evtrack.domain.errors import LogDiverged
from evtrack.storage.connection.connect import connect
from evtrack.storage.connection.query import value
from evtrack.storage.log.feed import feed
from evtrack.storage.log.log_row import LogRow
from evtrack.storage.log.position import LogPosition
from evtrack.storage.log.reader import Tail
from network import run
from scene import Scene, scene

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture
def pair() -> Iterator[Scene]:
    """A primary that commits when its standby has applied; `scene.dsn` names both."""
    with scene(with_standby=True, synchronous=True) as made:
        made.cluster.set(synchronous_commit="remote_apply")
        yield made


class Follower:
    """Follows the log in a thread."""

    def __init__(self, dsn: str) -> None:
        self.seen: list[tuple[LogPosition, LogRow]] = []
        self.error: BaseException | None = None
        self._dsn, self._end = dsn, threading.Event()
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def _follow(self) -> None:
        def waiting(_: Tail) -> None:
            if self._end.is_set():
                raise InterruptedError

        try:
            with suppress(InterruptedError):
                self.seen.extend(feed(self._dsn, follow=True, waiting=waiting))
        except BaseException as error:  # noqa: BLE001  # the test looks at it
            self.error = error

    def stop(self) -> None:
        self._end.set()
        self._thread.join(60)


def names(rows: list[tuple[LogPosition, LogRow]]) -> list[tuple[int, int, int, int]]:
    """Name events by stream, version and number."""
    return [(row.job_id, row.batch_no, row.version, row.seq) for _, row in rows]


def logged(dsn: str) -> set[tuple[int, int, int, int]]:
    """Name the events of the log."""
    with psycopg.connect(dsn) as conn:
        return set(conn.execute("SELECT job_id, batch_no, version, seq FROM evtrack.event").fetchall())


def jobs(dsn: str, number: int) -> None:
    """Create jobs, in transactions that overlap."""
    with psycopg.connect(dsn) as slow, psycopg.connect(dsn, autocommit=True) as conn:
        slow.execute("SELECT evtrack.enqueue('h', '{a,b}', '{1,2}', batch_size => 1)")
        client = Client(conn)
        for _ in range(number):
            client.job(3)
        slow.commit()


def write(process: subprocess.Popen[bytes], numbers: range) -> None:
    """Send items to a submitter's stdin."""
    assert process.stdin
    for number in numbers:
        process.stdin.write(f'{{"id": {number}}}\n'.encode())
    process.stdin.flush()


def take_over(made: Scene) -> None:
    """Kill the primary, and promote its standby."""
    assert made.standby
    made.cluster.stop()
    made.standby.promote()
    made.primary = made.standby
    with made.standby.connect() as conn:
        conn.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
        conn.execute("SELECT pg_reload_conf()")


def cut_off(made: Scene) -> None:
    """Stop the replication; the primary commits without it."""
    assert made.standby
    made.cluster.set(synchronous_standby_names="")
    made.standby.set(primary_conninfo="")
    with made.cluster.connect() as conn:
        assert wait_for(lambda: not value(conn, "is_standby") and not _receivers(conn))


def _receivers(conn: psycopg.Connection[tuple[int]]) -> int:
    row = conn.execute("SELECT count(*)::int FROM pg_stat_replication").fetchone()
    assert row
    return row[0]


def test_a_failover_that_lost_nothing_is_followed(pair: Scene) -> None:
    primary, standby = pair.cluster.dsn(dbname="evtrack"), pair.standby and pair.standby.dsn(dbname="evtrack")
    assert standby
    jobs(primary, 3)
    # Transactions that wrote nothing to the log were given ids that the new timeline gives out again.
    with psycopg.connect(primary) as other:
        other.execute("SELECT pg_current_xact_id()")
        follower = Follower(pair.dsn)
        assert wait_for(lambda: set(names(follower.seen)) == logged(primary))
        jobs(primary, 2)
        assert wait_for(lambda: set(names(follower.seen)) == logged(primary))
    # What a reader of the standby has read counts on the primary, and the other way round.
    last = str(follower.seen[-1][0])
    assert [] == list(feed(standby, after=LogPosition.parse(last)))
    # The standby answers before it is promoted, and takes no writes.
    pair.cluster.stop()
    with pytest.raises(CannotConnect, match="read-only"):
        connect(pair.dsn, purpose="test")
    with connect(pair.dsn, purpose="test", reads=True) as conn:
        assert value(conn, "is_standby")
    take_over(pair)
    before = list(follower.seen)
    jobs(standby, 3)
    everything = logged(standby)
    try:
        assert wait_for(lambda: len(follower.seen) >= len(everything) or follower.error, 30)
    finally:
        follower.stop()
    assert follower.error is None
    assert everything == set(names(follower.seen))
    assert len(everything) == len(follower.seen)
    # Any position that was stored before continues with exactly the rest, also in the middle of a window.
    for place in range(0, len(before), 3):
        after = LogPosition.parse(str(before[place][0]))
        rest = names(list(feed(pair.dsn, after=after)))
        assert everything - set(names(before[: place + 1])) == set(rest)
        assert len(rest) == len(set(rest))
        # As does any position behind that.
        again = list(feed(pair.dsn, after=after))
        middle = len(again) // 2
        assert names(again[middle + 1 :]) == names(list(feed(pair.dsn, after=again[middle][0])))


def test_a_failover_that_lost_events_is_noticed(pair: Scene) -> None:
    primary, standby = pair.cluster.dsn(dbname="evtrack"), pair.standby and pair.standby.dsn(dbname="evtrack")
    assert standby
    jobs(primary, 2)
    kept = list(feed(primary))
    cut_off(pair)
    follower = Follower(pair.dsn)
    jobs(primary, 2)
    assert wait_for(lambda: set(names(follower.seen)) == logged(primary))
    lost = list(follower.seen)
    take_over(pair)
    try:
        assert wait_for(lambda: follower.error, 30)
    finally:
        follower.stop()
    assert isinstance(follower.error, LogDiverged)
    assert "timeline 1" in str(follower.error)
    assert "timeline 2" in str(follower.error)
    assert "lacks events that were read before" in str(follower.error)
    # Transaction ids and numbers are given out again.
    jobs(standby, 4)
    done = evtrack("events", "--after", str(lost[-1][0]), "--json", "--dsn", pair.dsn)
    assert (6, "") == (done.returncode, done.stdout)
    assert "Read the log again from the beginning" in done.stderr
    # A position from before the loss is still good.
    rest = names(list(feed(pair.dsn, after=LogPosition.parse(str(kept[-1][0])))))
    assert logged(standby) - set(names(kept)) == set(rest)
    assert len(rest) == len(set(rest))


def test_transaction_ids_that_are_given_out_again_are_read(pair: Scene) -> None:
    primary, standby = pair.cluster.dsn(dbname="evtrack"), pair.standby and pair.standby.dsn(dbname="evtrack")
    assert standby
    cut_off_early = psycopg.connect(primary)
    cut_off_early.execute("SELECT pg_current_xact_id()")
    jobs(primary, 1)
    cut_off(pair)
    with psycopg.connect(primary, autocommit=True) as other:
        for _ in range(20):
            other.execute("SELECT pg_current_xact_id()")
        highest = other.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
    # The snapshot of this position has seen the end of all of these transactions, and the new primary of none.
    seen = list(feed(primary))
    cut_off_early.close()
    take_over(pair)
    jobs(standby, 5)
    rest = list(feed(pair.dsn, after=LogPosition.parse(str(seen[-1][0]))))
    assert highest
    assert min(row.xid for _, row in rest) <= highest[0] < seen[-1][0].hi.xmax
    assert logged(standby) - set(names(seen)) == set(names(rest))
    assert len(rest) == len(set(names(rest)))


@pytest.mark.parametrize("loses", ["nothing", "a chunk", "the job"])
def test_a_submission_goes_on_after_a_failover(pair: Scene, loses: str) -> None:
    assert pair.standby
    primary, standby = pair.cluster.dsn(dbname="evtrack"), pair.standby.dsn(dbname="evtrack")
    words = ("submit", "-", "--handler", "h", "--batch-size", "1")

    def items(dsn: str) -> list[str]:
        with psycopg.connect(dsn) as conn:
            return [key for (key,) in conn.execute("SELECT item_key FROM evtrack.payload ORDER BY ordinal").fetchall()]

    if loses == "the job":
        cut_off(pair)
    submitter = pair.load.process(pair.dsn, *words, stdin=subprocess.PIPE)
    write(submitter, range(50))
    assert wait_for(lambda: len(items(primary)) >= 49)
    if loses == "a chunk":
        cut_off(pair)
        write(submitter, range(50, 100))
        assert wait_for(lambda: len(items(primary)) >= 99)
    take_over(pair)
    write(submitter, range(100, 120))
    submitter.communicate(timeout=60)
    said = pair.load.said("submit")
    assert "database_error" in said
    wanted = [str(number) for number in range(120) if loses == "a chunk" or not 50 <= number < 100]
    if loses == "the job":
        assert 1 == submitter.returncode
        assert "is not in the database any more: a failover lost it" in said
        assert "Submit it again." in said
        return
    if loses == "a chunk":
        assert 1 == submitter.returncode
        assert "is not as this submitter left it" in said
        assert "evtrack submit --resume 1" in said
        again = pair.load.process(pair.dsn, "submit", "--resume", "1", stdin=subprocess.PIPE)
        write(again, range(120))
        again.communicate(timeout=60)
        assert 0 == again.returncode, pair.load.said("submit2")
    else:
        assert 0 == submitter.returncode, said
        assert "database_reconnected" in said
    assert wanted == items(standby)


def test_a_backup_of_the_same_timeline_is_noticed(pair: Scene) -> None:
    primary = pair.cluster.dsn(dbname="evtrack")
    jobs(primary, 1)
    kept = list(feed(primary))
    # A snapshot of the disk, as virtual machines have them.
    pair.cluster.set(synchronous_standby_names="")
    pair.cluster.stop("fast")
    backup = pair.folder / "backup"
    run("cp", "-a", str(pair.cluster.data), str(backup))
    pair.cluster.start()
    jobs(primary, 1)
    lost = list(feed(primary))
    pair.cluster.stop("fast")
    shutil.rmtree(pair.cluster.data)
    run("cp", "-a", str(backup), str(pair.cluster.data))
    pair.cluster.start()
    jobs(primary, 2)
    with pytest.raises(LogDiverged, match="does not contain the event before the position"):
        list(feed(primary, after=lost[-1][0]))
    rest = names(list(feed(primary, after=kept[-1][0])))
    assert logged(primary) - set(names(kept)) == set(rest)
