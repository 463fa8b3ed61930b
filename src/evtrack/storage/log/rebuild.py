"""Rebuilds a job's projection from its log, in one transaction; from a damaged log only if that is trusted."""

from dataclasses import dataclass, fields
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from evtrack.domain.batch_projection import BatchState
from evtrack.domain.database_errors import StorageError, TransientError
from evtrack.domain.job_projection import JobState
from evtrack.domain.proof.job_proof import JobProof
from evtrack.domain.proof.stream_proof import Difference, StreamProof
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.connection.query import run
from evtrack.storage.log.proof import OnProgress, prove

_TRIES = 5


@dataclass(slots=True, kw_only=True)
class Rebuilt:
    """The outcome of rebuilding a job.

    Args:
        found: The differences before.
        trusted: Whether a damaged log is accepted as it is.
        batches: How many rows of batches were rewritten.
        job: Whether the job's row was rewritten.
        counters: Whether the counters were rewritten.
        kept: Rows that differ but were left alone, because their stream cannot be folded to its end, or folds to
            numbers that do not fit a column.
    """

    job_id: int
    found: list[Difference]
    trusted: bool = False
    batches: int = 0
    job: bool = False
    counters: bool = False
    kept: int = 0

    @property
    def damaged(self) -> bool:
        """Whether the log is damaged, so that nothing was changed unless it was trusted."""
        return any(each.log_is_damaged for each in self.found)


class _RowRepair:
    """Rewrites rows that differ, while the job is proved."""

    def __init__(self, conn: Connection, done: Rebuilt) -> None:
        self._conn = conn
        self._done = done

    def batch(self, stream: StreamProof[BatchState], found: list[Difference]) -> None:
        if not found:
            return
        if stream.state is None or not stream.rebuildable:
            self._done.kept += 1
            return
        values: dict[str, Any] = {each.name: getattr(stream.state, each.name) for each in fields(BatchState)}
        values |= {
            "ordinals": str(stream.state.ordinals),
            "status": str(stream.state.status),
            "isolation": str(stream.state.isolation),
            "job_day": stream.job_day,
            "job_id": stream.job_id,
            "batch_no": stream.batch_no,
            "links": bytes(stream.links),
        }
        if self._write("rebuild_batch", values=values):
            self._done.batches += 1
        else:
            self._done.kept += 1

    def job(self, proof: JobProof, job_stream: StreamProof[JobState], found: list[Difference]) -> None:
        if not found:
            return
        counters = proof.counters()
        if any(each.field in counters for each in found):
            self._done.counters = self._write(
                "rebuild_progress", values={"job_id": proof.job_id, "counters": Jsonb(counters)}
            )
        names = {each.name for each in fields(JobState)} | {"row", "job_day"}
        chained = job_stream.projected_links is not None and job_stream.projected_links != job_stream.links
        changed = chained or any(each.field in names for each in found)
        if changed and proof.job is not None and job_stream.rebuildable:
            values = {
                name: getattr(proof.job, name) for name in names - {"row", "job_day", "policy", "source", "position"}
            }
            values |= {
                "phase": str(proof.job.phase),
                "job_id": proof.job_id,
                "digest_form": proof.digest_form,
                "links": bytes(job_stream.links),
            }
            self._done.job = self._write("rebuild_job", "rebuild_job_links", values=values)
        if changed and not self._done.job:
            self._done.kept += 1

    def _write(self, *names: str, values: dict[str, Any]) -> bool:
        try:
            with self._conn.transaction():
                for name in names:
                    run(self._conn, name, **values)
        except StorageError as error:
            # A changed event may make the sums of those after it too large for their columns.
            if not isinstance(error.__cause__, psycopg.DataError):
                raise
            return False
        return True


def rebuild(
    conn: Connection, job_id: int, *, trust_log: bool = False, on_progress: OnProgress = lambda _job, _events: None
) -> Rebuilt:
    """Make a job's rows and counters agree with its log.

    The job and its batches are locked meanwhile, so workers that report on it wait.

    Args:
        conn: An open connection in autocommit mode, as a role that owns the tables.
        trust_log: Whether to accept a damaged log as it is; its digests are then rebuilt too.
        on_progress: Called with the progress.

    Returns:
        The differences, and what was written: nothing if the log is damaged and not trusted.
    """
    for _ in range(_TRIES - 1):
        try:
            return _rebuild(conn, job_id, trust_log=trust_log, on_progress=on_progress)
        except TransientError as error:
            # A report locks batches in another order.
            if not isinstance(error.__cause__, psycopg.errors.DeadlockDetected):
                raise
    return _rebuild(conn, job_id, trust_log=trust_log, on_progress=on_progress)


def _rebuild(conn: Connection, job_id: int, *, trust_log: bool, on_progress: OnProgress) -> Rebuilt:
    done = Rebuilt(job_id=job_id, found=[], trusted=trust_log)
    with translated(), conn.transaction() as transaction:
        run(conn, "rebuild_lock_job", job_id=job_id)
        run(conn, "rebuild_lock_batches", job_id=job_id)
        done.found += prove(conn, job_id, on_progress=on_progress, repair=_RowRepair(conn, done))
        if done.damaged and not trust_log:
            done.batches, done.job, done.counters, done.kept = 0, False, False, 0
            raise psycopg.Rollback(transaction)
        run(conn, "rebuild_mark", job_id=job_id)
    return done
