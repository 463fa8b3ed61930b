"""What a worker has in hand for over a second is shown while it runs, and gone when it is over."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from client import Client, columns
from command_line import evtrack
from evtrack.interfaces.cli import cli
from evtrack.runtime.slot.shared_page import SharedPage
from evtrack.runtime.worker.database import in_hand
from evtrack.runtime.worker.database.in_hand import InHandReporter, SlotItem, items_in_slots
from polling import eventually
from slot_driver import claimed_batch
from workers import running_worker


def slot(page: SharedPage, *batches: Any, first: int = 1) -> Any:
    return SimpleNamespace(page=page, held=list(batches), first=first, pid=77)


def test_the_item_in_hand_is_found_on_the_page_of_its_slot() -> None:
    page = SharedPage.create()
    one = slot(page, claimed_batch({}, {}), first=3)
    assert [] == items_in_slots([one], 100.0), "nothing has begun"
    page.begin(3, 90.0)
    assert [(77, None, None, 90.0)] == [
        (item.slot, item.item_key, item.ordinal, item.begun_at) for item in items_in_slots([one], 100.0)
    ]
    page.begin_item(1)
    began = page.item_begun_at
    assert [] == items_in_slots([one], began + 0.9), "not for over a second"
    (item,) = items_in_slots([one], began + 1.1)
    assert ("k2", 2, began) == (item.item_key, item.ordinal, item.begun_at)
    begun_at = page.wait()
    assert [] == items_in_slots([one], began + 9), "it waits for a permit"
    page.go_on(begun_at)
    page.end()
    assert [] == items_in_slots([one], began + 9), "the batch is over"
    page.begin(9, 90.0)
    assert [] == items_in_slots([one], 100.0), "a batch that the slot does not hold"
    page.close()
    assert [] == items_in_slots([one], 100.0), "the slot has ended"


def test_the_report_is_sent_when_it_changes_and_at_most_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(in_hand, "report_in_hand", lambda _, worker_id, items: sent.append((worker_id, items)))
    looked: list[float] = []
    present: list[SlotItem] = []

    def look(now: float) -> list[SlotItem]:
        looked.append(now)
        return list(present)

    reporter, connection = InHandReporter(look), Any
    for now in (10.0, 10.5, 11.0, 11.5):
        reporter.run_due(connection, 5, now)  # type: ignore[arg-type]
    assert ([10.0, 11.0], []) == (looked, sent), "a worker with short items sends nothing"
    present.append(SlotItem(77, 1, 2, 3, "h", "k", 4, 9.0))
    for now in (12.0, 13.0, 14.0):
        reporter.run_due(connection, 5, now)  # type: ignore[arg-type]
    assert [3.0] == [items[0].running_s for _, items in sent]
    present.clear()
    for now in (15.0, 16.0):
        reporter.run_due(connection, 5, now)  # type: ignore[arg-type]
    assert [(5, [])] == sent[1:]


@pytest.mark.integration
def test_what_runs_now_is_shown_everywhere_until_it_is_over(queue: Client, dsn: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    job = queue.one(
        "SELECT evtrack.enqueue('scripted', '{a,b,c}', %s, batch_size => 3)",
        ["{}", json.dumps({"do": "wait for", "path": str(gate)}), "{}"],
    )

    def show(*command: str) -> Any:
        return json.loads(CliRunner().invoke(cli, [*command, "--json", "--dsn", dsn], catch_exceptions=False).stdout)

    with running_worker(dsn):
        (row,) = eventually(lambda: queue.rows("SELECT * FROM evtrack.running_item"), 30)
        assert [(job, 1, 1, "scripted", "b", 2, 3, 0)] == columns(
            [row],
            *("job_id", "batch_no", "attempt", "handler", "item_key", "ordinal", "item_count", "known_attempts"),
        )
        assert row["running_s"] >= 1
        assert ["b"] == [item["item_key"] for item in show("top")["running"]]
        assert ["b"] == [item["item_key"] for item in show("show", str(job), "1")["running"]]
        (worker,) = show("workers")
        assert ["b"] == [item["item_key"] for item in worker["in_hand"]]
        for command in (["top", "--once"], ["workers"], ["show", str(job), "1"]):
            shown = CliRunner().invoke(cli, [*command, "--dsn", dsn]).stdout
            assert "In hand for over a second" in shown
            assert [] == [line for line in shown.splitlines() if len(line) > 80]
        gate.touch()
        eventually(lambda: "finished" == queue.phase(job), 30)
        assert [] == queue.rows("SELECT * FROM evtrack.running_item")
        eventually(lambda: [None] == [row["in_hand"] for row in queue.rows("SELECT in_hand FROM evtrack.worker")], 30)


@pytest.mark.integration
def test_an_item_that_runs_long_rings_once_and_is_over_when_it_ends(queue: Client, dsn: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    enqueue = "SELECT evtrack.enqueue('scripted', %s, %s, batch_size => 1)"
    waits = json.dumps({"do": "wait for", "path": str(gate)})
    options = ["--runs-long", "0.5", "--runs-long-factor", "1", "--least-attempts", "3", "--dsn", dsn]

    def rung() -> list[dict[str, Any]]:
        lines = evtrack("watch", "--once", *options).stdout.splitlines()
        return [line for line in map(json.loads, lines) if line["event"] == "runs_long"]

    with running_worker(dsn):
        before = queue.one(enqueue, ["a", "b", "c"], ["{}"] * 3)
        eventually(lambda: "finished" == queue.phase(before), 30)
        job = queue.one(enqueue, ["d"], [waits])
        eventually(lambda: queue.rows("SELECT FROM evtrack.running_item"), 30)
        (alert,) = rung()
        assert (job, 1, "d", 1, 3, f"evtrack show {job} 1") == tuple(
            alert[name] for name in ("job_id", "batch_no", "item_key", "ordinal", "known_attempts", "next")
        )
        assert alert["running_s"] > alert["p99_s"]
        assert [] == rung()
        gate.touch()
        eventually(lambda: "finished" == queue.phase(job), 30)
        assert [] == rung()
    assert 1 == queue.one("SELECT count(*) FROM evtrack.alert WHERE kind = 'runs_long' AND cleared_at IS NOT NULL")
