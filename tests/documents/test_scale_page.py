"""The queries of docs/scale.md run, and the one for a server that is behind says so."""

import re

import pytest

from client import Client
from evtrack.storage.connection.sql_files import root

PAGE = (root().parent / "docs" / "scale.md").read_text(encoding="utf-8")
CONNECTIONS, BEHIND, WAITS = re.findall(r"^```sql\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.integration


def beat(queue: Client, worker: int, *, busy: int) -> None:
    queue.one("SELECT evtrack.heartbeat(%s, %s)", worker, busy)


def test_free_slots_beside_waiting_batches_show_that_the_server_is_behind(queue: Client) -> None:
    job, worker = queue.job(3), queue.worker()
    queue.claim(worker, job, fresh=1)
    beat(queue, worker, busy=2)
    assert [] == queue.rows(BEHIND)
    beat(queue, worker, busy=0)
    assert [{"handler": queue.handler, "batches": 2, "workers": 1, "free_slots": 2}] == queue.rows(BEHIND)
    queue.claim(worker, job)
    assert [] == queue.rows(BEHIND), "nothing waits"


def test_the_queries_about_the_server_run(queue: Client) -> None:
    (connections,) = queue.rows(CONNECTIONS)
    assert 1 <= connections["used"] <= connections["allowed"]
    queue.one("SELECT set_config('application_name', 'evtrack test', false)")
    assert "running" in {row["waits_for"] for row in queue.rows(WAITS)}
