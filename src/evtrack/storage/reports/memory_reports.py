"""Reports on the memory and CPU time that a job's batches took."""

from dataclasses import dataclass

from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.query import one


@dataclass(frozen=True, slots=True)
class JobMemory:
    """A row of evtrack.job_memory."""

    job_id: int
    handler: str
    batches: int
    min_bytes: int | None
    p50_bytes: int | None
    p99_bytes: int | None
    max_bytes: int | None
    cpu_s: float | None
    killed: int
    killed_max_bytes: int | None


def job_memory(conn: Connection, job_id: int) -> JobMemory | None:
    """Read what the batches of a job took.

    Args:
        conn: An open connection.
        job_id: The job.

    Returns:
        The row, or None when nothing was measured.
    """
    return one(conn, JobMemory, "job_memory", job_id=job_id)
