"""Workers, submitters and watchers of the release before go on after a migration, until they are upgraded themselves.

Their statements are recorded in data/, as that release sends them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from client import Client
from evtrack.storage.connection.connect import Connection, connect
from evtrack.storage.log import proof
from evtrack.storage.queue.workers import heartbeat, lock_worker
from polling import eventually
from release_calls import OldClient, described, read

pytestmark = pytest.mark.integration

RELEASE = read(Path(__file__).parent / "data" / "0012.calls.jsonl.gz")
_KEYS = ("job_id", "batch_no", "attempt")


class OldWorker:
    """A worker of the release before, with its session."""

    def __init__(self, conn: Connection, handler: str) -> None:
        self.old = OldClient(conn, RELEASE)
        self.handler = handler
        self.id = self.old.one(
            "register_worker",
            name="old", host="host", pid=1, slots=2, handlers=[handler], version="0.1.0", marks=True,
        )  # fmt: skip
        assert self.old.one("lock_worker", worker_id=self.id)
        assert self.old.rows("heartbeat", worker_id=self.id, busy=0) == [{"accepted": True, "session_lock": True}]

    def claim(self, job: int, most: int = 100) -> list[dict[str, Any]]:
        """Ask what there is, and claim of a job."""
        waiting = self.old.rows("claimable", handlers=[self.handler], job_ids=[job], marks=[0])
        if job not in [row["job_id"] for row in waiting]:
            return []
        return self.old.rows(
            "claim",
            worker_id=self.id, job_ids=[job], after=[0], max_new=most, handlers=[self.handler], max_retried=most,
            max_isolated=1,
        )  # fmt: skip

    def report(self, call: str, claims: list[dict[str, Any]], **facts: Any) -> list[str]:
        """Report batches, and return the verdicts."""
        rows = self.old.rows(call, worker_id=self.id, **_columns(claims), **facts)
        return [row["verdict"] for row in rows]

    def report_death(self, dead: int, facts: Jsonb, claims: list[dict[str, Any]], **left: Any) -> list[str]:
        """Report what each of the batches of a dead worker was at, and return the verdicts."""
        rows = self.old.rows(
            "report_death", dead_worker=dead, reporter=self.id, facts=facts, **_columns(claims),
            begun=[True] * len(claims), **{name: [value] * len(claims) for name, value in left.items()},
        )  # fmt: skip
        return [row["verdict"] for row in rows]

    def complete(self, claims: list[dict[str, Any]]) -> None:
        """Report batches of any number of items done, without results."""
        rejected = self.report(
            "complete", claims, run_s=[0.1] * len(claims), results="\x1e" * (len(claims) - 1),
            peak_rss_bytes=[2**20] * len(claims), cpu_s=[0.1] * len(claims),
        )  # fmt: skip
        assert [] == rejected


def _columns(claims: list[dict[str, Any]]) -> dict[str, list[int]]:
    return {f"{key}s" if key != "batch_no" else "batch_nos": [claim[key] for claim in claims] for key in _KEYS}


@pytest.fixture
def sessions(dsn: str) -> Iterator[tuple[Connection, Connection]]:
    """Two sessions of old workers; closing the second one is its death."""
    with connect(dsn, purpose="test") as one, connect(dsn, purpose="test") as two:
        yield one, two


def test_each_statement_of_the_release_before_means_the_same(conn: Connection) -> None:
    differ = {}
    for name, call in RELEASE.items():
        try:
            found = described(conn, call.sql)
        except psycopg.Error as error:
            found = str(error)
        if found != call.columns:
            differ[name] = (call.columns, found)
    assert {} == differ


def test_its_workers_claim_and_report_all_outcomes(
    sessions: tuple[Connection, Connection], own_client: Client, conn: Connection
) -> None:
    job = own_client.job(6, items=2, max_errors=3, backoff_s=0)
    worker = OldWorker(sessions[0], own_client.handler)
    done, partly, failed, crashed, back, held = worker.claim(job)
    worker.complete([done])
    error = {"ordinal": 3, "key": "key:3", "type": "ValueError", "message": "no"}
    verdict = worker.old.one(
        "complete_partly",
        worker_id=worker.id, **{key: partly[key] for key in _KEYS}, run_s=0.1, results="4", failed="{[3,4)}",
        errors=Jsonb([error]),
    )  # fmt: skip
    assert "ok" == verdict
    assert ["retry"] == worker.report("fail", [failed], run_s=[0.1], errors=[Jsonb({"type": "E", "message": "m"})])
    dossier = Jsonb({"cause": "signal", "signal": "SIGSEGV", "ordinal": 7, "item_key": "key:7"})
    assert ["split"] == worker.report("crash", [crashed], dossiers=[dossier], done=[None], results=[None])
    assert ["ok"] == worker.report("requeue", [back], reason="stopping")
    in_hand = {"slot": 1, **{key: held[key] for key in _KEYS}, "handler": worker.handler, "running_s": 1.5}
    assert worker.old.one("report_in_hand", worker_id=worker.id, in_hand=Jsonb([in_hand]))
    assert "held" in [row["verdict"] for row in worker.old.rows("reconcile", worker_id=worker.id, **_columns([held]))]
    worker.complete([held])
    while again := worker.claim(job):
        worker.complete(again)
    assert worker.old.one("finish_due", job_id=job)
    worker.old.rows("finish_overdue", most=10)
    worker.old.rows("begin_stop", worker_id=worker.id)
    worker.old.rows("stop_worker", worker_id=worker.id)
    own_client.check(job)
    assert [] == list(proof.verify(conn))


def test_its_workers_reap_the_dead_and_mark_what_those_left(
    sessions: tuple[Connection, Connection], own_client: Client, dsn: str
) -> None:
    job = own_client.job(2, items=3)
    living, dead = (OldWorker(session, own_client.handler) for session in sessions)
    one, _ = dead.claim(job)
    sessions[1].close()
    # An old worker reaps new ones, too.
    with connect(dsn, purpose="test") as conn:
        new = Client(conn, own_client.handler).worker()
        assert lock_worker(conn, new)
        assert heartbeat(conn, new, busy=0).session_lock
    lost: set[int] = set()
    wanted = {dead.id, new}

    def reaped() -> bool:
        lost.update(row["worker_id"] for row in living.old.rows("reap", grace_s=0.1, lease_s=30))
        return wanted <= lost

    eventually(reaped, 20)
    facts = Jsonb({"cause": "signal", "signal": "SIGKILL"})
    left = living.old.rows("left_batches", dead_worker=dead.id, **_columns([one]))
    assert [(job, one["batch_no"])] == [(row["job_id"], row["batch_no"]) for row in left]
    told = living.report_death(dead.id, facts, [one], in_hand=2, done="{[1,2)}", results='"one"')
    assert ["split"] == told
    while claims := living.claim(job):
        for claim in claims:
            (marked,) = living.old.rows(
                "mark_items",
                worker_id=living.id, **_columns([claim]), done=[None], lines=[None], in_hand=[0], exclusive=[False],
            )  # fmt: skip
            assert "held" == marked["verdict"]
        living.complete(claims)
    assert living.old.one("finish_due", job_id=job)
    own_client.check(job)


def test_its_submitters_and_watchers_go_on(sessions: tuple[Connection, Connection], own_client: Client) -> None:
    old = OldClient(sessions[0], RELEASE)
    made = old.rows(
        "create_job", handler=own_client.handler, name="old", priority=0, policy=Jsonb({}), source=Jsonb({}),
        bytes_total=None,
    )  # fmt: skip
    job, submitter = made[0]["job_id"], made[0]["submitter"]
    assert old.one("lock_submission", job_id=job)
    with sessions[0].transaction():
        old.one("set_submitter", submitter=submitter)
        copy = "COPY evtrack.payload (job_day, job_id, ordinal, batch_no, line, item_key, payload) FROM STDIN"
        with sessions[0].cursor().copy(copy) as rows:
            rows.write_row((made[0]["job_day"], job, 1, 1, 1, "key:1", "{}"))
        assert 1 == old.one(
            "add_batches", job_id=job, submitter=submitter, first_batch_no=1, item_counts=[1], weights=[1],
            first_ordinals=[1], position=Jsonb({}), bytes_read=1, invalid=0, notes=Jsonb([]), note_total=0,
        )  # fmt: skip
    old.one("seal_job", job_id=job, submitter=submitter)
    old.one("unlock_submission", job_id=job)
    worker = own_client.worker()
    own_client.crash(worker, own_client.claim(worker, job))
    old.one(
        "check_alerts", never_started_s=60.0, max_crash_rate=5.0, crash_span_s=3600.0, least_attempts=1,
        max_pending=1000, runs_long_s=600.0, runs_long_factor=10.0,
    )  # fmt: skip
    with sessions[0].transaction():
        taken = old.rows("take_alerts", most=100)
        assert "crash_rate_high" in [alert["kind"] for alert in taken]
        assert len(taken) == old.one("mark_alerts", alert_ids=[alert["alert_id"] for alert in taken], who="old")
    assert {"undelivered": 0, "lag_s": 0.0} == old.rows("alert_outbox")[0]
