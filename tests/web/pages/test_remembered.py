"""What is dear is read once in a while, whoever asks; a check-up is run once in a while, too."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any, cast

import pytest

from evtrack.runtime.doctor.checkups import PAUSE_S, CheckUps
from evtrack.runtime.doctor.findings import Finding, ok
from evtrack.runtime.live.remembered import Remembered
from evtrack.storage.connection.connect import Connection


def _conn(database: str = "evtrack") -> Connection:
    return cast("Connection", SimpleNamespace(info=SimpleNamespace(host="h", port=1, dbname=database)))


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_value_is_read_again_when_its_time_is_over() -> None:
    clock, reads = Clock(), iter("ab")
    value: Remembered[str] = Remembered(lambda _: next(reads), keep_s=10, clock=clock)
    assert "a" == value(_conn())
    clock.now = 9.9
    assert "a" == value(_conn())
    clock.now = 10.0
    assert "b" == value(_conn())


def test_what_is_dear_is_kept_for_longer_and_what_is_cheap_not_at_all() -> None:
    clock, took = Clock(), iter([0.32, 0.02, 5.0])

    def read(conn: Connection) -> float:
        del conn
        taken = next(took)
        clock.now += taken
        return taken

    value = Remembered(read, keep_s=10, times=10, clock=clock)
    assert pytest.approx(0.32) == value(_conn())
    clock.now = 2.9
    assert pytest.approx(0.32) == value(_conn())
    clock.now = 3.1
    assert [0.02, 5.0] == [value(_conn()), value(_conn())]
    clock.now = 3.12 + 9.9
    assert 5.0 == value(_conn())


def test_each_database_has_its_own_value() -> None:
    value: Remembered[Any] = Remembered(lambda conn: conn.info.dbname, keep_s=10, clock=Clock())
    assert ["one", "two", "one"] == [value(_conn(name)) for name in ("one", "two", "one")]


def test_each_subject_has_its_own_value_and_the_oldest_ones_go() -> None:
    reads: list[int] = []

    def read(conn: Connection, number: int, *, known: str) -> int:
        del conn, known
        reads.append(number)
        return number

    value = Remembered(read, keep_s=10, clock=Clock())
    for number in (1, 2, 1, *range(2, 200), 199, 1):
        assert number == value(_conn(), number, known="")
    assert [*range(1, 200), 1] == reads
    value.forget()
    assert 199 == value(_conn(), 199, known="")
    assert [1, 199] == reads[-2:]


def test_nothing_is_kept_of_a_read_that_failed() -> None:
    outcomes = iter([ValueError("away"), "here"])

    def read(conn: Connection) -> str:
        del conn
        if isinstance(outcome := next(outcomes), Exception):
            raise outcome
        return outcome

    value = Remembered(read, keep_s=10, clock=Clock())
    with pytest.raises(ValueError, match="away"):
        value(_conn())
    assert "here" == value(_conn())


def test_who_comes_while_it_is_read_again_gets_the_older_value() -> None:
    clock, begun, go_on = Clock(), Event(), Event()
    go_on.set()

    def read(conn: Connection) -> float:
        del conn
        begun.set()
        assert go_on.wait(30)
        return clock.now

    value = Remembered(read, keep_s=10, clock=clock)
    assert 0.0 == value(_conn())
    clock.now = 20.0
    begun.clear()
    go_on.clear()
    reader = Thread(target=value, args=(_conn(),))
    reader.start()
    assert begun.wait(30)
    assert 0.0 == value(_conn())
    go_on.set()
    reader.join(30)
    assert 20.0 == value(_conn())


def test_a_check_up_is_run_at_most_once_in_ten_seconds() -> None:
    clock, runs = Clock(), []

    def run(dsn: str) -> list[Finding]:
        runs.append(dsn)
        return [ok("server", "fine")]

    checkups = CheckUps("the dsn", run=run, clock=clock)
    assert checkups.latest is None
    first = checkups.run()
    clock.now = PAUSE_S - 0.1
    assert first is checkups.run() is checkups.latest
    clock.now = PAUSE_S
    assert first is not checkups.run()
    assert ["the dsn", "the dsn"] == runs


def test_nobody_waits_for_a_check_up_of_somebody_else() -> None:
    begun, go_on = Event(), Event()

    def run(dsn: str) -> list[Finding]:
        begun.set()
        assert go_on.wait(20)
        return [ok("server", dsn)]

    checkups = CheckUps("the dsn", run=run)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(checkups.run)
        assert begun.wait(20)
        assert checkups.run() is None
        go_on.set()
        assert running.result(20) is checkups.run()
