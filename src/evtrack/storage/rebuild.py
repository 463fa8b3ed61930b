"""Makes a job's projection anew from its log, in one transaction, unless the log itself is damaged."""

from dataclasses import dataclass, fields
from typing import Any

import psycopg

from evtrack.domain.difference import Difference
from evtrack.domain.job_projection import Job
from evtrack.domain.job_proof import JobProof
from evtrack.domain.projection import Batch
from evtrack.domain.stream_proof import StreamProof
from evtrack.storage.database import Connection
from evtrack.storage.proof import Told, prove
from evtrack.storage.sql import statement


@dataclass(slots=True, kw_only=True)
class Rebuilt:
    """Tell what became of a job.

    Args:
        job_id: The job.
        found: What was wrong before.
        batches: Rows of batches that were written anew.
        job: Whether the job's row was.
        counters: Whether the counters were.
    """

    job_id: int
    found: list[Difference]
    batches: int = 0
    job: bool = False
    counters: bool = False

    @property
    def damaged(self) -> bool:
        """Whether the log is damaged, so that nothing was changed."""
        return any(each.log_is_damaged for each in self.found)


class _Writer:
    """Writes what differs, while the job is proved."""

    def __init__(self, conn: Connection, done: Rebuilt) -> None:
        self._conn = conn
        self._done = done

    def batch(self, stream: StreamProof[Batch], found: list[Difference]) -> None:
        if not found or stream.state is None or stream.broken:
            return
        values: dict[str, Any] = {each.name: getattr(stream.state, each.name) for each in fields(Batch)}
        values |= {
            "ordinals": str(stream.state.ordinals),
            "status": str(stream.state.status),
            "job_day": stream.job_day,
            "job_id": stream.job_id,
            "batch_no": stream.batch_no,
            "links": bytes(stream.links),
        }
        self._conn.execute(statement("rebuild_batch"), values)
        self._done.batches += 1

    def job(self, proof: JobProof, own: StreamProof[Job], found: list[Difference]) -> None:
        if not found or proof.job is None:
            return
        counters = proof.counters()
        if any(each.field in counters for each in found):
            self._conn.execute(statement("rebuild_progress"), {"job_id": proof.job_id, **counters})
            self._done.counters = True
        names = {each.name for each in fields(Job)} | {"row"}
        if any(each.field in names for each in found):
            values = {name: getattr(proof.job, name) for name in names - {"row", "policy", "source", "position"}}
            values |= {"phase": str(proof.job.phase), "job_id": proof.job_id, "links": bytes(own.links)}
            self._conn.execute(statement("rebuild_job"), values)
            self._conn.execute(statement("rebuild_job_links"), values)
            self._done.job = True


def rebuild(conn: Connection, job_id: int, *, told: Told = lambda _job, _events: None) -> Rebuilt:
    """Make a job's rows and counters what its log says.

    The job and its batches are locked meanwhile, so workers wait with their reports on it.

    Args:
        conn: An open connection in autocommit mode, as a role that owns the tables.
        job_id: The job.
        told: Is told how far it is.

    Returns:
        What was wrong, and what was written; nothing where the log is damaged.
    """
    done = Rebuilt(job_id=job_id, found=[])
    with conn.transaction() as transaction:
        conn.execute(statement("rebuild_lock_job"), {"job_id": job_id})
        conn.execute(statement("rebuild_lock_batches"), {"job_id": job_id})
        done.found += prove(conn, job_id, told=told, keeper=_Writer(conn, done))
        if done.damaged:
            done.batches, done.job, done.counters = 0, False, False
            raise psycopg.Rollback(transaction)
    return done
