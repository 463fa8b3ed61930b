"""What a proof finds: one place at which the log is damaged, or at which the projection is not what the log says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference.

    Args:
        job_id: The job.
        batch_no: The batch; 0 for the job itself.
        field: What differs: a column of the projection, or what is wrong with an event.
        log: What the log says.
        projection: What the projection, the counters or the digests say.
        version: The event, where it is one.
        log_is_damaged: Whether the log itself is at fault, which nothing here can mend; else the projection is.
    """

    job_id: int
    batch_no: int
    field: str
    log: str
    projection: str
    version: int | None = None
    log_is_damaged: bool = False

    def __str__(self) -> str:
        """Say it in a line."""
        where = f"job {self.job_id}" if self.batch_no == 0 else f"job {self.job_id}, batch {self.batch_no}"
        if self.version is not None:
            where += f", version {self.version}"
        damage = "the log is damaged: " if self.log_is_damaged else ""
        return f"{where}: {damage}{self.field}: the log says {self.log}, the projection says {self.projection}"
