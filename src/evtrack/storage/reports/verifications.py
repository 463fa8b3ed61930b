"""What `evtrack verify` found: written by it, and read for a job's badge."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.types.json import Jsonb

from evtrack.domain.errors import EvtrackError
from evtrack.domain.proof.stream_proof import Difference
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.query import rows, run, value

KEPT: Final = 20
"""How many differences of a verification are kept."""


@dataclass(frozen=True, slots=True)
class Verification:
    """A row of evtrack.job_verification: outcome is whole, open, departs or damaged."""

    job_id: int
    at: datetime
    by: str
    outcome: str
    events: int
    difference_count: int
    differences: list[dict[str, Any]]
    digest: str | None


def job_version(conn: Connection, job_id: int) -> int | None:
    """Read how many events a job's own stream has, as the owner of the tables; None if there is no such job."""
    version: int | None = value(conn, "job_version", job_id=job_id)
    return version


def record_verification(
    conn: Connection,
    job_id: int,
    *,
    version: int | None,
    events: int,
    found: int,
    damaged: bool,
    first: Sequence[Difference],
) -> None:
    """Keep what a verification found, if this user and this server may write it; otherwise nothing happens.

    Args:
        conn: A connection in autocommit mode.
        version: What `job_version` returned before the verification began to read.
        events: How many events were read.
        found: How many differences there are.
        damaged: Whether the log itself is damaged.
        first: The first of the differences.
    """
    if not value(conn, "may_call", name="record_verification"):
        return
    params = {
        "job_id": job_id,
        "version": version,
        "events": events,
        "log_is_damaged": damaged,
        "difference_count": found,
        "differences": Jsonb([asdict(each) for each in first[:KEPT]]),
    }
    try:
        run(conn, "record_verification", **params)
    except EvtrackError:
        # A verification is a reading: on a standby, or while a cleanup holds the job, it leaves no row.
        return


def latest_verifications(conn: Connection, job_ids: Sequence[int]) -> dict[int, Verification]:
    """Read the latest verification of each of some jobs.

    Returns:
        The verifications by job; jobs that were never verified are left out.
    """
    found = rows(conn, Verification, "latest_verifications", job_ids=list(job_ids))
    return {each.job_id: each for each in found}


def job_verifications(conn: Connection, job_id: int, *, limit: int = 20) -> list[Verification]:
    """Read the latest verifications of a job, latest first."""
    return rows(conn, Verification, "job_verifications", job_id=job_id, limit=limit)
