"""A batch that every worker runs, and that does nothing: the whole way from submission to completion is tried."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from evtrack.domain.canary import CANARY
from evtrack.domain.errors import EvtrackError, PermissionDenied
from evtrack.domain.text import printable
from evtrack.runtime.doctor.findings import Finding, note, ok, problem
from evtrack.storage.queue.job_control import cancel_job, finish_due, wake_workers
from evtrack.storage.reports import batch_reports, job_reports
from evtrack.storage.submission.open_job import enqueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evtrack.storage.connection.connect import Connection
    from evtrack.storage.reports.worker_reports import WorkerRow

_FIRST: Final = 32_767
"""The highest priority there is."""

_POLL_S: Final = 0.02


def canary(conn: Connection, workers: Sequence[WorkerRow], *, patience_s: float) -> Finding:
    """Send a batch through a live worker.

    Args:
        conn: An open connection in autocommit mode.
        workers: Those that are alive.
        patience_s: How long to wait; what has not run then is cancelled.

    Returns:
        What came of it.
    """
    if not workers:
        return note("canary", "not sent: there is no live worker")
    begun = time.monotonic()
    policy = {"max_errors": 1, "max_crashes": 1, "max_losses": 1}
    try:
        job_id = enqueue(
            conn,
            handler=CANARY,
            item_keys=["canary"],
            payloads=["null"],
            name=None,
            priority=_FIRST,
            policy=policy,
            batch_size=None,
        )
    except PermissionDenied:
        return note("canary", "not sent: this role may not submit")
    wake_workers(conn, CANARY)
    while (progress := job_reports.job_progress(conn, job_id)).ended < progress.total:
        if time.monotonic() - begun > patience_s:
            cancel_job(conn, job_id)
            return _unheard(workers, patience_s)
        time.sleep(_POLL_S)
    took_s = time.monotonic() - begun
    finish_due(conn, job_id)
    (batch,) = batch_reports.batches(conn, job_id, limit=1)
    worker = printable(batch.worker or "unknown", 60)
    if not progress.done:
        return problem("canary", f"worker {worker} {batch.status} it", f"evtrack show {job_id} {batch.batch_no}")
    return ok("canary", f"went through worker {worker} in {1000 * took_s:.0f} ms")


def _unheard(workers: Sequence[WorkerRow], patience_s: float) -> Finding:
    says = f"no worker took it within {patience_s:g} s"
    if all(worker.busy >= worker.slots for worker in workers):
        return note("canary", f"{says}: all slots are busy")
    return problem("canary", says, "look at the workers' logs, and restart those that hang")


def unable(error: EvtrackError) -> Finding:
    """Say that it could not be sent."""
    return problem("canary", f"could not be sent: {error.message}", error.hint or "evtrack doctor --no-canary")
