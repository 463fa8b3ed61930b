"""What completed batches took is measured, stored with their event, and reported per job."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from client import Client
from evtrack.interfaces.cli import cli
from evtrack.runtime.worker.slots import container_memory
from evtrack.runtime.worker.slots.container_memory import RESERVE_BYTES, ContainerLimit, fitting
from evtrack.storage.connection.connect import Connection
from slot_driver import claimed_batch, slot
from workers import running_worker, submit

MIB = 1 << 20
USES = json.dumps({"do": "use"})
SLEEPS = json.dumps({"do": "sleep", "s": 0.03})


def test_the_peak_memory_and_the_cpu_time_of_long_batches_are_measured() -> None:
    with slot() as one:
        small, large = {"do": "sleep", "s": 0.03}, {"do": "use"}
        for n, item in enumerate([small, large, small, {}], 1):
            one.give(claimed_batch(item, batch_no=n))
            one.receive(n)
        first, second, third, fourth = (frame.usage for frame in one.frames)
    assert [0, 0, 0] == [usage[0][0] for usage in (first, second, third)]
    assert second[0][1] > 100 * MIB > third[0][1] + 50 * MIB, "the peak of one batch is not that of the next"
    assert second[0][2] > third[0][2] >= 0
    assert abs(first[0][1] - third[0][1]) < 30 * MIB
    assert [] == fourth, "for short ones it would cost too much"


@pytest.mark.crash
def test_a_slot_that_dies_leaves_what_its_last_batch_took() -> None:
    with slot() as one:
        one.give(claimed_batch({"do": "use"}), claimed_batch({"do": "segv"}, batch_no=2))
        one.wait_for_exit()
        for frame in one.frames:
            one.process.release(len(frame.run_s))
        found = [*one.frames, *filter(None, [one.process.unsent_outcomes()])]
    assert [True] == [peak > 100 * MIB for frame in found for _, peak, _ in frame.usage]


@pytest.mark.integration
def test_what_a_job_took_is_in_its_events_and_reported(
    queue: Client, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(queue, USES, SLEEPS, SLEEPS, "{}")
    with running_worker(dsn, until_job=job) as one:
        one.join()
    queue.check(job)
    events = queue.rows("SELECT data FROM evtrack.event WHERE job_id = %s AND type = 'completed'", job)
    peaks = sorted(row["data"]["peak_rss_bytes"] for row in events if "peak_rss_bytes" in row["data"])
    assert [False, False, True] == [peak > 100 * MIB for peak in peaks]
    (row,) = queue.view("job_memory", job)
    assert (3, peaks[0], peaks[1], peaks[2], peaks[2]) == tuple(
        row[name] for name in ("batches", "min_bytes", "p50_bytes", "p99_bytes", "max_bytes")
    )
    assert (row["cpu_s"] > 0, row["killed"]) == (True, 0)
    monkeypatch.setattr(container_memory, "container_limit", lambda: ContainerLimit(600 * MIB, Path("memory.max")))
    said = CliRunner().invoke(cli, ["memory", str(job), "--json", "--dsn", dsn])
    found = json.loads(said.stdout)
    assert (peaks[2], 600 * MIB, "this container") == (
        found["max_bytes"],
        found["fit"]["memory_bytes"],
        found["fit"]["source"],
    )
    text = CliRunner().invoke(cli, ["memory", str(job), "--dsn", dsn]).stdout
    limit = found["fit"]["max_rss_bytes"]
    assert limit % (16 * MIB) == 0
    assert peaks[2] * 5 / 4 <= limit < peaks[2] * 5 / 4 + 16 * MIB
    assert f"--max-rss {limit // MIB}MiB" in text
    assert f"Up to --slots {found['fit']['slots']}: this container has 600" in text


@pytest.mark.integration
def test_the_memory_of_a_program_is_that_of_its_process(queue: Client, dsn: str) -> None:
    job = submit(queue, "1", handler="big")
    program = [sys.executable, "-I", "-S", "-c", "x = b'x' * (80 << 20); input()"]
    with running_worker(dsn, commands={"big": program}, until_job=job) as one:
        one.join()
    (row,) = queue.view("job_memory", job)
    assert 80 * MIB < row["max_bytes"] < 120 * MIB
    assert row["cpu_s"] > 0


@pytest.mark.integration
def test_a_job_without_long_batches_has_nothing_to_report(queue: Client, dsn: str) -> None:
    job = submit(queue, "{}")
    with running_worker(dsn, until_job=job) as one:
        one.join()
    assert [] == queue.view("job_memory", job)
    said = CliRunner().invoke(cli, ["memory", str(job), "--dsn", dsn])
    assert "no batch ran for 10 ms or more" in said.stdout
    assert {"job_id": job, "fit": None} == json.loads(
        CliRunner().invoke(cli, ["memory", str(job), "--json", "--dsn", dsn]).stdout
    )


@pytest.mark.integration
def test_attempts_that_ended_for_lack_of_memory_are_counted(queue: Client, dsn: str) -> None:
    job = submit(queue, json.dumps({"do": "leak"}), max_crashes=1, max_rss_bytes=100 * MIB)
    with running_worker(dsn, until_job=job) as one:
        one.join()
    (row,) = queue.view("job_memory", job)
    assert (0, None) == (row["batches"], row["max_bytes"])
    assert row["killed"] >= 1
    assert row["killed_max_bytes"] > 100 * MIB
    assert "Ended for lack of memory" in CliRunner().invoke(cli, ["memory", str(job), "--dsn", dsn]).stdout


@pytest.mark.integration
def test_clients_may_report_usage_and_impossible_values_are_left_out(queue: Client, conn: Connection) -> None:
    worker = queue.worker()
    job = submit(queue, *["{}"] * 4)
    claimed = queue.claim(worker, job, fresh=4)
    numbers = [each[1] for each in claimed]
    verdicts = conn.execute(
        "SELECT verdict FROM evtrack.complete(%s, %s, %s, %s, %s, NULL, %s, %s)",
        [
            worker,
            [job] * 4,
            numbers,
            [1] * 4,
            [0.5, 0.5, None, 0.5],
            [7, None, 9, -1],
            [0.25, None, None, float("nan")],
        ],
    ).fetchall()
    assert {("ok",)} == set(verdicts)
    rows = queue.rows("SELECT data FROM evtrack.event WHERE job_id = %s AND type = 'completed' ORDER BY batch_no", job)
    assert [
        {"run_s": 0.5, "peak_rss_bytes": 7, "cpu_s": 0.25},
        {"run_s": 0.5},
        {"peak_rss_bytes": 9},
        {"run_s": 0.5},
    ] == [row["data"] for row in rows]
    queue.check(job)


def test_as_many_slots_fit_as_the_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    there_is = RESERVE_BYTES + 40 * MIB + 4 * 160 * MIB
    monkeypatch.setattr(container_memory, "_machine_bytes", lambda: there_is)
    monkeypatch.setattr(container_memory, "container_limit", lambda: None)
    assert (160 * MIB, 4, there_is, "this machine") == fitting(120 * MIB, 40 * MIB)
    assert (160 * MIB, 3, there_is, "this machine") == fitting(120 * MIB, 41 * MIB)
    assert (160 * MIB, 4, there_is, "this machine") == fitting(None, 0, killed_bytes=120 * MIB)
    assert fitting(None, 0) is None
    monkeypatch.setattr(container_memory, "_machine_bytes", lambda: 10 * MIB)
    assert (160 * MIB, 0, 10 * MIB, "this machine") == fitting(120 * MIB, 40 * MIB)
