"""Reconciling what a worker holds with what the queue has on record."""

import psycopg
import pytest

from client import Client
from evtrack.domain.states import BatchStatus

pytestmark = pytest.mark.integration


def test_reconcile_reports_held_and_lost_batches_and_requeues_the_rest(client: Client) -> None:
    job, worker = client.job(3), client.worker()
    first, second, third = client.claim(worker, job)
    client.requeue(worker, [second])
    gone = second._replace(batch_no=88)
    assert [(first, "held"), (second, "lost"), (gone, "lost"), (third, "requeued")] == client.reconcile(
        worker, [first, second, gone]
    )
    assert [(first, "held")] == client.reconcile(worker, [first])
    assert (0, 0, 0) == (client.batch(job, 3).errors, client.batch(job, 3).crashes, client.batch(job, 3).losses)
    assert {2, 3} == {claim.batch_no for claim in client.claim(client.worker(), job)}
    client.check(job)


def test_reconcile_affects_no_other_worker(client: Client) -> None:
    job, worker, rival = client.job(2), client.worker(), client.worker()
    (mine,) = client.claim(worker, job, fresh=1)
    (theirs,) = client.claim(rival, job, fresh=1)
    assert [(mine, "requeued")] == client.reconcile(worker)
    assert [(theirs, "held")] == client.reconcile(rival, [theirs])


def test_reconcile_works_in_a_cancelled_job(client: Client) -> None:
    job, worker = client.job(), client.worker()
    claims = client.claim(worker, job)
    client.one("SELECT evtrack.cancel(%s)", job)
    assert [(claims[0], "requeued")] == client.reconcile(worker)
    assert BatchStatus.CANCELLED is client.batch(job).status


def test_reconcile_refuses_a_worker_that_was_declared_lost(client: Client) -> None:
    worker = client.worker()
    client.conn.execute("UPDATE evtrack.worker SET lost_at = now() WHERE worker_id = %s", [worker])
    with pytest.raises(psycopg.Error, match="declared lost") as caught:
        client.reconcile(worker)
    assert "EV006" == caught.value.sqlstate
