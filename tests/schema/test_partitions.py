"""Partitions of coming days are created while others write, and neither waits for the other."""

from datetime import timedelta

import pytest

from client import Client
from old_jobs import days_ago

pytestmark = pytest.mark.integration


def test_creating_partitions_does_not_wait_for_writers(client: Client, other: Client) -> None:
    job, worker = client.job(2), client.worker()
    client.conn.execute("SET lock_timeout = '1s'")
    with other.conn.transaction():
        claims = other.claim(worker, job)
        other.complete(worker, claims)
        other.job()
        assert 20 == client.one("SELECT evtrack.make_partitions(%s, 20)", days_ago(-100))
    client.conn.execute("RESET lock_timeout")
    client.check(job)


def test_writers_do_not_wait_for_the_creation_of_partitions(client: Client, other: Client) -> None:
    job, worker = client.job(2), client.worker()
    client.conn.execute("SET lock_timeout = '1s'")
    with other.conn.transaction():
        assert 20 == other.one("SELECT evtrack.make_partitions(%s, 20)", days_ago(-200))
        client.complete(worker, client.claim(worker, job))
        assert client.one("SELECT evtrack.finish_due(%s)", job)
        client.job()
    client.conn.execute("RESET lock_timeout")
    client.check(job)


def test_a_recreated_partition_has_the_same_guards_as_the_others(client: Client) -> None:
    day = days_ago(300)
    assert 1 == client.one("SELECT evtrack.make_partitions(%s, 1)", day)
    assert 0 == client.one("SELECT evtrack.make_partitions(%s, 1)", day)
    assert 0 == client.one("SELECT evtrack.make_partitions(%s, 0)", day + timedelta(1))
    triggers = client.rows(
        "SELECT tgname, tgenabled::text AS enabled FROM pg_trigger WHERE tgrelid = to_regclass(%s) ORDER BY 1",
        f"evtrack.event_{day:%Y%m%d}",
    )
    assert [("event_immutable", "A"), ("event_partition", "A")] == [(t["tgname"], t["enabled"]) for t in triggers]
