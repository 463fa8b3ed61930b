"""Alerts about what has happened: a crash, a failure, the end of a job, a lost worker."""

from typing import Literal

from pydantic import AwareDatetime, Field

from evtrack.domain.alerts.alert import Alert, AlertKind, BatchAlert, JobAlert


class CrashAlert(BatchAlert):
    """An alert about a process that died."""

    cause: str | None = Field(None, description="What ended the process; the view evtrack.crash lists the causes")
    signal: str | None = Field(None, description="Name of the signal that killed it")
    exit_code: int | None = Field(None, description="Its exit code")
    item_key: str | None = Field(None, description="Key of the item in hand")
    ordinal: int | None = Field(None, description="Ordinal of the item in hand")
    pid: int | None = Field(None, description="The process that died")
    run_s: float | None = Field(None, description="How many seconds the handler had run")
    crashes: int | None = Field(None, description="How many crashes count against the item or the batch")


class BatchCrashed(CrashAlert):
    """A batch crashed and stays so without a poison item, for example because its job was cancelled meanwhile."""

    event: Literal[AlertKind.BATCH_CRASHED]
    final: bool = Field(description="Always true: a crash whose items run again raises no alert")


class ItemPoisoned(CrashAlert):
    """An item crashed alone as often as the crash budget allows; it stays crashed. Its only alert."""

    event: Literal[AlertKind.ITEM_POISONED]


class BatchFailed(BatchAlert):
    """A batch spent its error budget and stays failed. At most one alert an hour per job and fingerprint."""

    event: Literal[AlertKind.BATCH_FAILED]
    error_type: str | None = Field(None, description="Type of the last error")
    error: str | None = Field(None, description="Its message, cut to 300 characters")
    fingerprint: str | None = Field(None, description="What all occurrences of this error have in common")


class JobAbandoned(JobAlert):
    """A job's submitter died before it reached the end of the source."""

    advice = "evtrack submit --resume {job_id}"

    event: Literal[AlertKind.JOB_ABANDONED]


class JobFinishedWithErrors(JobAlert):
    """A job finished, but not all of its items were completed."""

    event: Literal[AlertKind.JOB_FINISHED_WITH_ERRORS]
    completed: int | None = Field(None, description="Items completed")
    failed: int | None = Field(None, description="Items that failed")
    crashed: int | None = Field(None, description="Items that crashed")
    cancelled: int | None = Field(None, description="Items that were cancelled")
    invalid: int | None = Field(None, description="Items of the source that could not be used")


class WorkerLostAlert(Alert):
    """A worker's session or its heartbeat is gone; its batches run again, and raise no alerts of their own."""

    advice = "evtrack workers {worker_id}"
    page = "/workers/{worker_id}"

    event: Literal[AlertKind.WORKER_LOST]
    worker_id: int = Field(description="The worker")
    worker: str | None = Field(None, description="Its name")
    host: str | None = Field(None, description="Its host")
    pid: int | None = Field(None, description="Its process ID on that host")
    handlers: list[str] = Field(default_factory=list, description="The handlers that it offered")
    why: str | None = Field(None, description="The reason: session gone, no heartbeat")
    batches: int = Field(0, description="How many batches it held")
    seen_at: AwareDatetime | None = Field(None, description="Its last heartbeat")
