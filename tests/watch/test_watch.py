"""`evtrack watch` prints each alert on one line, by one of any number of watchers."""

import json
import random
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

import servers
from client import Client
from command_line import environment, evtrack, evtrack_command
from evtrack.storage.connection.connect import connect
from evtrack.storage.queue.job_control import wake_watchers
from pgbouncer import pooled
from polling import eventually
from watchers import running_watcher

pytestmark = pytest.mark.integration


def crash(queue: Client, job: int, worker: int, number: int = 1) -> None:
    """Crash batches of one item, which becomes poison, of a job that has more: this raises one alert each."""
    for claim in queue.claim(worker, job, fresh=number, returning=0):
        assert ["crashed"] == queue.crash(worker, [claim], cause="signal", signal="SIGSEGV")


def test_crashes_before_the_watchers_started_are_reported_once_by_one_of_them(queue: Client, dsn: str) -> None:
    job, worker = queue.job(6, max_crashes=1), queue.worker()
    crash(queue, job, worker, 5)
    with running_watcher(dsn) as first:
        eventually(lambda: len(first.lines) >= 5, 30)
        with running_watcher(dsn) as second:
            eventually(lambda: second.logged("watcher_started"), 30)
            crash(queue, queue.job(2, max_crashes=1), worker)
            eventually(lambda: len(first.lines) + len(second.lines) == 6, 30)
            assert 0 == second.end()
        assert 0 == first.end()
        told = sorted(first.lines + second.lines, key=lambda line: line["alert_id"])
    with running_watcher(dsn) as third:
        eventually(lambda: third.logged("watcher_started"), 30)
        assert 130 == third.end(signal.SIGINT)
        assert [] == third.lines
    assert 6 == len({line["alert_id"] for line in told})
    assert [(job, number) for number in range(1, 6)] == [(line["job_id"], line["batch_no"]) for line in told[:5]]
    assert {
        "event": "item_poisoned",
        "level": "error",
        "job_id": job,
        "batch_no": 3,
        "handler": "scripted",
        "attempt": 1,
        "cause": "signal",
        "signal": "SIGSEGV",
        "items": "key:3",
        "item_count": 1,
        "item_key": "key:3",
        "crashes": 1,
        "next": f"evtrack show {job} 3",
    }.items() <= told[2].items()


def test_an_alert_is_printed_as_it_happens(queue: Client, dsn: str) -> None:
    worker = queue.worker()
    # It polls so rarely that only the wake-up can have triggered it.
    with running_watcher(dsn, "--poll", "60") as one:
        eventually(lambda: one.logged("watcher_started"), 30)
        for number in range(1, 4):
            crash(queue, queue.job(2, max_crashes=1), worker)
            wake_watchers(queue.conn)
            eventually(lambda: len(one.lines) == number)  # noqa: B023  asked at once


def test_once_prints_the_waiting_alerts_and_exits(queue: Client, dsn: str, tmp_path: Path) -> None:
    job, worker = queue.job(3, max_crashes=1), queue.worker()
    crash(queue, job, worker, 2)
    queue.conn.execute("UPDATE evtrack.worker SET seen_at = seen_at - interval '1 hour'")
    out = tmp_path / "out"
    keep = f"import sys; open({str(out)!r}, 'a').write(sys.stdin.read())"
    command = f"{sys.executable} -c {json.dumps(keep)}"
    told = evtrack("watch", "--once", "--lease", "2", "--exec", command, "--dsn", dsn)
    assert 0 == told.returncode, told.stderr
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert ["item_poisoned", "item_poisoned", "worker_lost"] == [line["event"] for line in lines]
    assert told.stdout == out.read_text(encoding="utf-8"), "the program got each line before the watcher left"
    queue.job(3)
    again = evtrack("watch", "--once", env={"EVTRACK_DSN": dsn, "EVTRACK_WATCH_MAX_PENDING": "2"})
    assert 0 == again.returncode, again.stderr
    assert ["queue_deep"] == [json.loads(line)["event"] for line in again.stdout.splitlines()]


def test_once_finds_a_lost_worker_that_nobody_else_looks_for(queue: Client, dsn: str) -> None:
    job, worker = queue.job(2), queue.worker()
    queue.claim(worker, job)
    queue.conn.execute("UPDATE evtrack.worker SET seen_at = seen_at - interval '1 hour'")
    # As from cron: the last one looked a minute ago, so its look and this one alone would not do.
    queue.conn.execute("UPDATE evtrack.upkeep SET reaped_at = now() - interval '1 minute', steady_since = now()")
    told = evtrack("watch", "--once", "--lease", "2", "--dsn", dsn)
    assert ["worker_lost"] == [json.loads(line)["event"] for line in told.stdout.splitlines()]
    assert {"pending": (2, 2)} == {status: each for status, each in queue.sums(job).items() if each[0]}


def test_alerts_use_the_format_of_the_log(queue: Client, dsn: str) -> None:
    crash(queue, queue.job(2, max_crashes=1), queue.worker())
    told = evtrack("watch", "--once", "--log-format", "console", "--dsn", dsn).stdout
    assert " [error  ] item_poisoned  " in told


def test_a_watcher_with_a_closed_stdout_leaves_its_alerts_to_others(queue: Client, dsn: str) -> None:
    process = subprocess.Popen(
        evtrack_command("watch", "--dsn", dsn), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    crash(queue, queue.job(2, max_crashes=1), queue.worker())
    _, log = process.communicate(timeout=30)
    assert 74 == process.returncode
    assert b"cannot be written to stdout: Broken pipe" in log
    assert 1 == queue.one("SELECT count(*) FROM evtrack.alert WHERE delivered_at IS NULL")
    assert 1 == len(evtrack("watch", "--once", "--dsn", dsn).stdout.splitlines())


def test_a_failing_sink_blocks_neither_stdout_nor_the_other_sink(queue: Client, dsn: str, tmp_path: Path) -> None:
    job, worker = queue.job(4, max_crashes=1), queue.worker()
    with running_watcher(dsn, "--webhook", "http://127.0.0.1:9/token", "--exec", f"tee -a {tmp_path / 'out'}") as one:
        eventually(lambda: one.logged("watcher_started"), 30)
        crash(queue, job, worker, 3)
        eventually(lambda: len(one.lines) == 3)
        out = tmp_path / "out"
        eventually(lambda: out.exists() and 3 == len(out.read_text(encoding="utf-8").splitlines()), 20)
        failed = eventually(lambda: one.logged("alert_sink_failed"))
        assert ("webhook", 1) == (failed[0]["sink"], failed[0]["attempt"])
        one.process.send_signal(signal.SIGTERM)
        assert 0 == one.end(), "a second signal does not wait for the sink"
    assert "token" not in json.dumps(one.log)


def test_an_open_transaction_delays_no_alert(queue: Client, dsn: str) -> None:
    job, worker = queue.job(3, max_crashes=1), queue.worker()
    with connect(dsn, purpose="holder") as holder, running_watcher(dsn) as one:
        eventually(lambda: one.logged("watcher_started"), 30)
        with holder.transaction():
            # It writes, so it holds back the log's horizon; and one alert of its own waits for its commit.
            crash(Client(holder, "scripted"), job, worker)
            crash(queue, queue.job(2, max_crashes=1), worker)
            wake_watchers(queue.conn)
            eventually(lambda: len(one.lines) == 1)
        eventually(lambda: len(one.lines) == 2)
    assert {job, job + 1} == {line["job_id"] for line in one.lines}


def test_behind_a_pooler_alerts_arrive_by_polling_and_the_log_says_so(queue: Client, dsn: str) -> None:
    with pooled(dsn) as through, running_watcher(through, "--poll", "0.2") as one:
        eventually(lambda: one.logged("notifications_unavailable"), 30)
        for number in range(1, 4):
            crash(queue, queue.job(2, max_crashes=1), queue.worker())
            eventually(lambda: len(one.lines) == number)  # noqa: B023  asked at once
        assert ["polling"] == [line["by"] for line in one.logged("watcher_started")]


def test_a_killed_and_restarted_server_loses_no_alert() -> None:
    with servers.one_of_its_own() as (dsn, restart), running_watcher(dsn) as one:
        eventually(lambda: one.logged("watcher_started"), 30)
        with connect(dsn, purpose="test") as conn:
            crash(
                Client(conn, "scripted"),
                Client(conn, "scripted").job(3, max_crashes=1),
                Client(conn, "scripted").worker(),
                2,
            )
        restart()
        with connect(dsn, purpose="test") as conn:
            queue = Client(conn, "scripted")
            crash(queue, queue.job(3, max_crashes=1), queue.worker(), 2)
            eventually(lambda: len(one.lines) >= 4, 20)
            eventually(lambda: 0 == queue.one("SELECT count(*) FROM evtrack.alert WHERE delivered_at IS NULL"), 20)
        assert one.logged("database_error")
        assert one.logged("database_reconnected")
    assert 4 == len({line["alert_id"] for line in one.lines})


@pytest.mark.crash
def test_killed_watchers_lose_no_alert_and_repeat_only_those_in_flight(queue: Client, dsn: str) -> None:
    worker, over, crashes = queue.worker(), threading.Event(), []

    def crashing() -> None:
        with connect(dsn, purpose="crashes") as conn:
            one = Client(conn, "scripted")
            while not over.is_set():
                crashes.append(one.job(2, max_crashes=1))
                crash(one, crashes[-1], worker)

    thread = threading.Thread(target=crashing)
    with ExitStack() as stack:
        watchers = [stack.enter_context(running_watcher(dsn)) for _ in range(5)]
        for one in watchers:
            eventually(lambda: one.logged("watcher_started"), 60)  # noqa: B023  asked at once
        thread.start()
        for one in watchers[:-1]:
            seen = len(crashes)
            eventually(lambda: len(crashes) > seen + 3, 30)  # noqa: B023  asked at once
            over.wait(random.random() * 0.05)
            one.end(signal.SIGKILL)
        over.set()
        thread.join(30)
        eventually(lambda: 0 == queue.one("SELECT count(*) FROM evtrack.alert WHERE delivered_at IS NULL"), 20)
        assert 0 == watchers[-1].end()
    told = Counter(line["job_id"] for one in watchers for line in one.alerts("item_poisoned"))
    assert set(crashes) == set(told)
    # Crashes come one after the other here, so each of the killed had one in hand at most.
    assert sum(told.values()) - len(crashes) <= len(watchers) - 1


def test_the_outbox_can_be_listed(queue: Client, dsn: str) -> None:
    job, worker = queue.job(2, max_crashes=1), queue.worker()
    crash(queue, job, worker, 2)
    few = evtrack("alerts", "--limit", "1", "--dsn", dsn)
    assert "2 alerts wait for a watcher" in few.stderr, "also what is not shown"
    queue.one("SELECT evtrack.mark_alerts(array(SELECT min(alert_id) FROM evtrack.alert), 'me')")
    shown = evtrack("alerts", "--dsn", dsn)
    assert re.search(r"item_poisoned +no +cause=", shown.stdout), "what says most is not cut off"
    assert "1 alert waits for a watcher" in shown.stderr
    (waiting,) = json.loads(evtrack("alerts", "--undelivered", "--job", str(job), "--json", "--dsn", dsn).stdout)
    assert ("item_poisoned", 2, None) == (waiting["kind"], waiting["batch_no"], waiting["delivered_at"])
