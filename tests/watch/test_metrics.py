"""DatabaseMetrics for Prometheus: correct, monotonic, cheap for the database, and listed in docs/metrics.md."""

import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from psycopg.types.json import Jsonb

from client import Client
from command_line import environment, evtrack, evtrack_command
from evtrack.domain.errors import NotInstalled
from evtrack.interfaces.cli.monitoring.watch import serving_metrics
from evtrack.runtime.watch import attempt_counter, metrics
from evtrack.storage.connection.connect import Connection, connect
from polling import eventually

pytestmark = pytest.mark.integration

Sample = dict[str, dict[tuple[str, ...], float]]


@contextmanager
def running_watcher(dsn: str, *more: str) -> Iterator[str]:
    """Run `evtrack watch` with metrics on a free port, and yield the address; stop it when the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        evtrack_command("watch", "--dsn", dsn, "--metrics-port", str(port), *more),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(lambda: _answers(port), 30)
        yield f"http://127.0.0.1:{port}/metrics"
        process.terminate()
        assert 0 == process.wait(30)
    finally:
        process.kill()
        process.communicate()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def scrape(address: str) -> Sample:
    """Read the figures, as name -> label values -> value."""
    with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310  our own server
        return parsed(answer.read().decode())


def parsed(text: str) -> Sample:
    """Read the figures from their text."""
    found: Sample = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


@contextmanager
def figures(dsn: str) -> Iterator[metrics.DatabaseMetrics]:
    """Run the collector in this process."""
    one = metrics.DatabaseMetrics(dsn=dsn)
    one.begin()
    try:
        yield one
    finally:
        one.close()


def read(one: metrics.DatabaseMetrics) -> Sample:
    """Read a collector's figures as if the last reading were long ago."""
    one._read_at = float("-inf")
    return {
        name: values
        for family in one.collect()
        for name in {sample.name for sample in family.samples}
        for values in [{tuple(s.labels.values()): s.value for s in family.samples if s.name == name}]
    }


def worked(own_client: Client, dsn: str) -> tuple[int, Sample, Sample]:
    """Work between two readings; return the job and both readings."""
    job, worker = own_client.job(8, items=2, max_errors=1, max_crashes=1), own_client.worker()
    with figures(dsn) as one:
        before = read(one)
        claims = own_client.claim(worker, job, fresh=6)
        for claim, run_s in zip(claims[:3], (0.004, 0.5, 7000.0), strict=True):
            own_client.complete(worker, [claim], run_s=run_s)
        own_client.fail(worker, claims[3:4])
        own_client.crash(worker, claims[4:5], cause="signal", signal="SIGSEGV", ordinal=9)
        return job, before, read(one)


def test_attempts_are_counted_by_outcome_and_crashes_by_cause(dsn: str, conn: Connection) -> None:
    own_client = Client(conn)
    _, before, after = worked(own_client, dsn)
    assert {} == before.get("evtrack_attempts_total", {})
    handler = own_client.handler
    assert {(handler, "completed"): 3, (handler, "failed"): 1, (handler, "crashed"): 1} == after[
        "evtrack_attempts_total"
    ]
    assert {(handler, "signal"): 1} == after["evtrack_crashes_total"]


def test_run_times_are_a_histogram(dsn: str, conn: Connection) -> None:
    own_client = Client(conn)
    _, _, after = worked(own_client, dsn)
    buckets = {le: value for (_, le), value in after["evtrack_batch_run_seconds_bucket"].items()}
    # What lies on a bound counts below it.
    assert [1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3] == list(buckets.values())
    assert [*(str(bound) for bound in attempt_counter.BOUNDS_S), "+Inf"] == list(buckets)
    assert after["evtrack_batch_run_seconds_sum"][(own_client.handler,)] == pytest.approx(7000.504)
    assert 3 == after["evtrack_batch_run_seconds_count"][(own_client.handler,)]


def test_gauges_show_the_current_state(dsn: str, conn: Connection) -> None:
    own_client = Client(conn)
    _, _, after = worked(own_client, dsn)
    handler = own_client.handler
    batches = {status: value for (_, status), value in after["evtrack_batches"].items() if value}
    assert {"pending": 3, "running": 1, "completed": 3, "failed": 1, "crashed": 1, "split": 1} == batches
    items = {status: value for (_, status), value in after["evtrack_items"].items() if value}
    assert {"pending": 5, "running": 2, "completed": 6, "failed": 2, "crashed": 1} == items
    assert {(handler, "queue"): 1} == after["evtrack_waiting_jobs"]
    assert 0 <= after["evtrack_oldest_pending_seconds"][(handler, "queue")] < 60
    assert {("alive",): 1, ("silent",): 0} == after["evtrack_workers"]
    assert {("busy",): 0, ("free",): 2} == after["evtrack_slots"]
    told = own_client.one("SELECT count(*) FROM evtrack.alert WHERE delivered_at IS NULL")
    assert told == after["evtrack_alerts_undelivered"][()] > 0
    assert after["evtrack_alerts_lag_seconds"][()] > 0
    assert (1, 0) == (after["evtrack_database_up"][()], after["evtrack_uncounted_transactions"][()])


def test_counters_never_decrease_and_count_nothing_twice(dsn: str, conn: Connection) -> None:
    own_client = Client(conn)
    job, worker = own_client.job(30, max_errors=1), own_client.worker()
    with figures(dsn) as one:
        seen = 0.0
        for done in range(1, 11):
            own_client.complete(worker, own_client.claim(worker, job, fresh=3))
            seen = sum(read(one)["evtrack_attempts_total"].values())
            assert 3 * done == seen
        # Days that are dropped take the gauges along, not the counters.
        own_client.conn.execute("DELETE FROM evtrack.progress")
        assert {(own_client.handler, "completed"): 30} == read(one)["evtrack_attempts_total"]


def test_a_late_commit_is_counted_once_it_is_visible(dsn: str, conn: Connection) -> None:
    own_client = Client(conn)
    job, worker = own_client.job(2), own_client.worker()
    first, second = own_client.claim(worker, job)
    with figures(dsn) as one, connect(dsn, purpose="test") as late:
        with late.transaction():
            Client(late, own_client.handler).complete(worker, [first])
            own_client.complete(worker, [second])
            assert {} == read(one).get("evtrack_attempts_total", {})
        assert {(own_client.handler, "completed"): 2} == read(one)["evtrack_attempts_total"]


def test_a_window_that_takes_too_long_is_shortened_and_loses_nothing(
    dsn: str, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_client = Client(conn)
    job, worker = own_client.job(20), own_client.worker()
    real, asked = attempt_counter.attempts_between, []

    def slow(connection: Connection, lo: int, hi: int, *, bounds: tuple[float, ...]) -> object:
        asked.append(hi - lo)
        if hi - lo > 10:
            with metrics.connect(dsn, purpose="test") as other:
                other.execute("SET statement_timeout = 1")
                raise_cancelled(other)
        return real(connection, lo, hi, bounds=bounds)

    monkeypatch.setattr(attempt_counter, "attempts_between", slow)
    with figures(dsn) as one:
        for claim in own_client.claim(worker, job):
            own_client.complete(worker, [claim])
        assert 20 == sum(read(one)["evtrack_attempts_total"].values())
    assert max(asked) > 10 >= min(asked)


def raise_cancelled(connection: Connection) -> None:
    """Make the server cancel a statement."""
    from evtrack.storage.connection.error_translation import translated  # noqa: PLC0415

    with translated():
        connection.execute("SELECT pg_sleep(5)")


def test_a_repeated_scrape_is_served_from_the_cache(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with figures(dsn) as one:
        monkeypatch.setattr(metrics, "current_figures", None)  # would raise
        list(one.collect())


def test_an_unreachable_database_keeps_the_counters_and_is_reported(dsn: str, conn: Connection) -> None:
    own_client = Client(conn)
    job, worker = own_client.job(2), own_client.worker()
    with figures(dsn) as one:
        own_client.complete(worker, own_client.claim(worker, job))
        assert 2 == sum(read(one)["evtrack_attempts_total"].values())
        one._dsn = "host=/nowhere"
        one._drop()
        without = read(one)
        assert 0 == without["evtrack_database_up"][()]
        assert 2 == sum(without["evtrack_attempts_total"].values())
        assert not {"evtrack_batches", "evtrack_workers", "evtrack_alerts_undelivered"}.intersection(without)
        one._dsn = dsn
        assert 1 == read(one)["evtrack_database_up"][()]


def test_watch_serves_metrics_until_it_is_stopped(dsn: str, conn: Connection) -> None:
    own_client = Client(conn)
    with running_watcher(dsn) as address:
        job, worker = own_client.job(2), own_client.worker()
        own_client.complete(worker, own_client.claim(worker, job))
        assert 1 == eventually(lambda: scrape(address))["evtrack_database_up"][()]
        eventually(
            lambda: scrape(address).get("evtrack_attempts_total") == {(own_client.handler, "completed"): 2},
            20,
            every_s=0.5,
        )
        port = int(re.findall(r":(\d+)/", address)[0])
        taken = evtrack("watch", "--dsn", dsn, "--metrics-port", str(port))
        assert (1, True) == (taken.returncode, "Choose another --metrics-port" in taken.stderr)
    assert not _answers(port)


def test_a_host_without_a_port_is_refused(dsn: str) -> None:
    said = evtrack("watch", "--dsn", dsn, "--metrics-host", "0.0.0.0")  # noqa: S104  never opened
    assert (1, True) == (said.returncode, "--metrics-host needs --metrics-port" in said.stderr)


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "evtrack.runtime.watch.metrics", None)
    with (
        pytest.raises(NotInstalled, match=r"pip install 'evtrack\[metrics\]'"),
        serving_metrics("", port=0, host=None),
    ):
        pass


def test_the_longest_item_in_hand_is_a_gauge_per_handler(dsn: str, conn: Connection) -> None:
    own_client = Client(conn)
    worker = own_client.worker()
    items = [
        {**claim._asdict(), "handler": own_client.handler, "running_s": 40 - claim.batch_no}
        for claim in own_client.claim(worker, own_client.job(2))
    ]
    with figures(dsn) as one:
        assert {} == read(one).get("evtrack_longest_in_hand_seconds", {})
        own_client.one("SELECT evtrack.report_in_hand(%s, %s)", worker, Jsonb(items))
        one._read_at = float("-inf")
        (longest,) = read(one)["evtrack_longest_in_hand_seconds"].items()
    assert (own_client.handler,) == longest[0]
    assert 39 <= longest[1] < 60


def test_every_metric_is_documented(dsn: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(evtrack_\w+)` \| (\w+) \| ([^|]*) \|", text, re.MULTILINE)
    there = []
    for family in metrics.DatabaseMetrics(dsn=dsn).describe():
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = ", ".join(f"`{label}`" for label in getattr(family, "_labelnames", ()))
        there.append((name, family.type, labels))
    assert there == told
