"""Sends a batch that does nothing through a worker, which tests the whole path from submission to completion."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from evtrack.domain.column_types import SMALLINT_MAX
from evtrack.domain.database_errors import PermissionDenied
from evtrack.domain.text import printable
from evtrack.runtime.doctor.findings import Finding, note, ok, problem
from evtrack.runtime.slot.handlers import CANARY_HANDLER
from evtrack.storage.queue.job_control import cancel_job, finish_due, wake_workers
from evtrack.storage.reports import batch_reports, job_reports
from evtrack.storage.submission.open_job import enqueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evtrack.storage.connection.connect import Connection
    from evtrack.storage.reports.worker_reports import WorkerRow

_HIGHEST_PRIORITY: Final = SMALLINT_MAX

_POLL_S: Final = 0.02


def send_canary(conn: Connection, workers: Sequence[WorkerRow], *, patience_s: float) -> Finding:
    """Send a batch that does nothing through a live worker.

    Args:
        conn: An open connection in autocommit mode.
        workers: The live workers.
        patience_s: Cancel the batch if it has not run after so many seconds.

    Returns:
        Whether it ran.
    """
    if not workers:
        return note("canary", "not sent: there is no live worker")
    started = time.monotonic()
    policy = {"max_errors": 1, "max_crashes": 1, "max_losses": 1}
    try:
        job_id = enqueue(
            conn,
            handler=CANARY_HANDLER,
            item_keys=["canary"],
            payloads=["null"],
            name=None,
            priority=_HIGHEST_PRIORITY,
            policy=policy,
            batch_size=None,
        )
    except PermissionDenied:
        return note("canary", "not sent: this role has no right to submit jobs")
    wake_workers(conn, CANARY_HANDLER)
    while (progress := job_reports.job_progress(conn, job_id)).ended < progress.total:
        if time.monotonic() - started > patience_s:
            cancel_job(conn, job_id)
            return _not_taken(workers, patience_s)
        time.sleep(_POLL_S)
    took_s = time.monotonic() - started
    finish_due(conn, job_id)
    (batch,) = batch_reports.batches(conn, job_id, limit=1)
    worker = printable(batch.worker or "unknown", 60)
    if not progress.done:
        return problem(
            "canary", f"its batch ended as {batch.status} on worker {worker}", f"evtrack show {job_id} {batch.batch_no}"
        )
    return ok("canary", f"worker {worker} completed it in {1000 * took_s:.0f} ms")


def _not_taken(workers: Sequence[WorkerRow], patience_s: float) -> Finding:
    message = f"no worker completed it within {patience_s:g} s"
    if all(worker.busy >= worker.slots for worker in workers):
        return note("canary", f"{message}: all slots are busy")
    return problem("canary", message, "check the workers' logs, and restart workers that hang")
