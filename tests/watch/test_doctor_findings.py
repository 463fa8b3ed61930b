"""How the doctor judges what it measures: which facts are problems, and what to do about each."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from evtrack.runtime.doctor import findings
from evtrack.runtime.doctor.findings import Finding, Level
from evtrack.storage.monitoring.doctor_facts import OldTransaction, PartitionLocks, Right, Server, Stuck
from evtrack.storage.reports.worker_reports import WorkerRow
from evtrack.storage.schema.migrations import Status

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def problems(findings: list[Finding]) -> list[str]:
    """Return what is wrong; each problem must say what to do."""
    wrong = [finding for finding in findings if finding.level is Level.PROBLEM]
    assert all(finding.next for finding in wrong)
    return [finding.message for finding in wrong]


def server(**changes: Any) -> Server:
    facts: dict[str, Any] = {
        "version_num": 150_000,
        "version": "15.0",
        "standby": False,
        "encoding": "UTF8",
        "durable": True,
        "synchronous_commit": "on",
        "max_connections": 100,
        "connections": 5,
        "role": "me",
        "sees_all": True,
    }
    return Server(**{**facts, **changes})


@pytest.mark.parametrize(
    ("changes", "level", "says"),
    [
        ({}, Level.OK, "PostgreSQL 15.0, role me"),
        ({"version_num": 130_000, "version": "13.1"}, Level.PROBLEM, "13.1 is too old"),
        ({"standby": True}, Level.PROBLEM, "read-only standby"),
        ({"encoding": "LATIN1"}, Level.PROBLEM, "encoding is LATIN1"),
        ({"connections": 91}, Level.PROBLEM, "91 of 100 connections"),
        ({"durable": False}, Level.NOTE, "power failure"),
        ({"synchronous_commit": "off"}, Level.NOTE, "latest events"),
    ],
)
def test_a_server_is_judged_by_version_and_settings(changes: dict[str, Any], level: Level, says: str) -> None:
    (finding,) = findings.server(server(**changes))
    assert (level, "server") == (finding.level, finding.check)
    assert says in finding.message


@pytest.mark.parametrize(
    ("status", "level", "says"),
    [
        (Status(version=3, latest=3, pending=(), stale_objects=()), Level.OK, "version 3"),
        (Status(version=0, latest=3, pending=("0001",), stale_objects=("a",)), Level.PROBLEM, "no evtrack schema"),
        (
            Status(version=2, latest=3, pending=("0003 x",), stale_objects=()),
            Level.PROBLEM,
            "are missing: 0003 x",
        ),
        (Status(version=3, latest=3, pending=(), stale_objects=("f/a.sql",)), Level.PROBLEM, "f/a.sql"),
        (Status(version=4, latest=3, pending=(), stale_objects=()), Level.NOTE, "newer than this evtrack's 3"),
    ],
)
def test_a_schema_is_judged_by_its_migrations(status: Status, level: Level, says: str) -> None:
    (finding,) = findings.schema(status)
    assert level is finding.level
    assert says in finding.message
    assert (finding.next == "evtrack migrate up") is (level is Level.PROBLEM)


@pytest.mark.parametrize(
    ("apart_s", "took_s", "says"),
    [(0.0, 0.0, ""), (0.9, 0.0, ""), (-300.0, 0.02, "300.0 s ahead of"), (2.0, 0.1, "2.0 s behind"), (2.0, 10.0, "")],
)
def test_a_clock_is_wrong_if_a_slow_answer_does_not_explain_the_difference(
    apart_s: float, took_s: float, says: str
) -> None:
    finding = findings.clock(1000.0, 1000.0 + took_s / 2 + apart_s, 1000.0 + took_s)
    assert (finding.level is Level.PROBLEM) is bool(says)
    assert says in finding.message


def right(role: str, *, there: bool = True, mine: bool = True) -> Right:
    return Right(role.removeprefix("evtrack_"), role, there, mine)


def test_a_cluster_has_all_roles_with_their_rights_or_none() -> None:
    four = ["evtrack_producer", "evtrack_reader", "evtrack_watcher", "evtrack_worker"]
    assert [] == problems(findings.roles([right(role) for role in four], "me"))
    none = findings.roles([right(role, there=False) for role in four], "me")
    assert [Level.NOTE, Level.OK] == [finding.level for finding in none]
    assert "evtrack migrate roles" == none[0].next
    assert ["missing role: evtrack_worker"] == problems(
        findings.roles([right(role, there=role != "evtrack_worker") for role in four], "me")
    )
    assert ["evtrack_reader lacks rights on crash, waiting"] == problems(
        findings.grants({"evtrack_reader": "crash, waiting"})
    )
    assert ["role me has no rights on evtrack"] == problems(
        findings.roles([right(role, mine=False) for role in four], "me")
    )


def test_notifications_that_do_not_arrive_are_a_problem_whatever_drops_them() -> None:
    assert "transaction pooler" in problems([findings.notifications(arrived=False, pooled=True)])[0]
    assert "drops it" in problems([findings.notifications(arrived=False, pooled=False)])[0]
    assert Level.NOTE is findings.notifications(arrived=True, pooled=True).level
    assert Level.OK is findings.notifications(arrived=True, pooled=False).level


@pytest.mark.parametrize(("made", "says"), [(0, "none for today"), (2, "none for 2026-11-27"), (8, "")])
def test_missing_partitions_are_reported_before_their_day(made: int, says: str) -> None:
    days = [(date(2026, 11, 25) + timedelta(days=day), day < made) for day in range(8)]
    finding = findings.partitions(days)
    assert bool(says) is (finding.level is Level.PROBLEM)
    assert says in finding.message


def test_each_old_transaction_is_named_with_how_to_end_it() -> None:
    found = [
        OldTransaction(71, "db", "psql\x1b", "idle in transaction", 99.5, ""),
        OldTransaction(0, "db", "", "", 70.0, "g"),
    ]
    first, second = findings.horizon(found, sees_all=True)
    assert "process 71 (psql\\x1b" in first.message
    assert "SELECT pg_terminate_backend(71)" == first.next
    assert "ROLLBACK PREPARED 'g'" == second.next
    assert "among those that this role can see" in findings.horizon([], sees_all=False)[0].message


def worker(state: str = "alive", *, version: str = "1", busy: int = 1) -> WorkerRow:
    silent_s = 300.0 if state == "silent" else 1.0
    return WorkerRow(3, "w", state, "h", 1, ["a"], 2, busy, version, NOW, NOW, silent_s)


def test_silent_workers_are_problems_and_other_versions_are_mentioned() -> None:
    assert ["worker 3 (w) has sent no heartbeat for 300 s and has not been declared lost"] == problems(
        findings.workers([worker(), worker("silent")], "1")
    )
    assert ["some run evtrack 2, this is version 1", "1 alive, 1 of 2 slots busy"] == [
        finding.message for finding in findings.workers([worker(version="2")], "1")
    ]
    assert [Level.NOTE] == [finding.level for finding in findings.workers([], "1")]


def test_waiting_batches_are_a_problem_per_handler() -> None:
    found = [Stuck("a", "no worker", 1, 1, 5.0, 0, 7), Stuck("b", "never started", 2, 9, 80.0, 3, 8)]
    assert [
        "no worker offers the handler a: 1 batch has waited for 5 s",
        "handler b: 9 batches have waited for 80 s although 3 slots are free",
    ] == problems(findings.queue(found))
    assert Level.OK is findings.queue([])[0].level


def test_the_command_for_a_handler_can_be_pasted_into_a_shell() -> None:
    (found,) = findings.queue([Stuck("big docs!", "no worker", 1, 1, 5.0, 0, 7)])
    assert "evtrack work --import MODULE --handler 'big docs!'" == found.next


def test_undelivered_alerts_are_a_problem() -> None:
    assert [] == problems([findings.alerts(0, 0.0), findings.alerts(3, 59.0)])
    (says,) = problems([findings.alerts(3, 61.0)])
    assert "3 undelivered, the oldest for 61 s: no watcher is running" == says


def test_locks_for_all_days_are_too_many_for_the_server() -> None:
    assert [] == findings.partition_locks(
        PartitionLocks(days=100, relations=2_000, per_transaction=64, transactions=100)
    )
    (found,) = findings.partition_locks(PartitionLocks(days=550, relations=9_350, per_transaction=64, transactions=100))
    assert (Level.NOTE, "partitions") == (found.level, found.check)
    assert "550 days have 9,350 tables and indexes" in found.message
    assert "the server has room for 6,400 locks" in found.message
    assert "set max_locks_per_transaction to 281 and restart" in found.next
