"""Alerts about conditions that last: missing workers, rates and times above a threshold, too many alerts."""

from typing import Final, Literal

from pydantic import AwareDatetime, Field, computed_field

from evtrack.domain.alerts.alert import Alert, AlertKind, BatchAlert, JobAlert

_QUERIES: Final = {
    "batch_crashed": "SELECT * FROM evtrack.crash WHERE job_id = {job_id} ORDER BY at DESC",
    "item_poisoned": "SELECT * FROM evtrack.crash WHERE job_id = {job_id} AND poison ORDER BY at DESC",
    "batch_failed": "SELECT * FROM evtrack.error_summary WHERE job_id = {job_id} ORDER BY failures DESC",
}


class SlotsKeepDying(Alert):
    """A worker's slots die before they run anything, so it does no work. At most one alert an hour per worker."""

    advice = "evtrack workers {worker_id}"
    page = "/workers/{worker_id}"

    event: Literal[AlertKind.SLOTS_KEEP_DYING]
    worker_id: int = Field(description="The worker")
    worker: str | None = Field(None, description="Its name")
    host: str | None = Field(None, description="Its host")
    pid: int | None = Field(None, description="Its process ID on that host")
    handlers: list[str] = Field(default_factory=list, description="The handlers that it offers")
    said: str = Field(description="How many slots died, and how the last one ended")


class NoWorker(Alert):
    """Batches wait, and no worker has offered their handler for a while. At most one alert an hour per handler."""

    advice = "evtrack workers --all --handler {handler}"
    page = "/handlers?name={handler}"

    event: Literal[AlertKind.NO_WORKER]
    handler: str = Field(description="The handler")
    jobs: int | None = Field(None, description="How many jobs of this handler wait")
    batches: int = Field(description="How many of their batches wait")
    since: AwareDatetime | None = Field(None, description="When the oldest of them began to wait")
    waited_s: float | None = Field(None, description="How long the oldest has waited, in seconds")
    example_job_id: int | None = Field(None, description="One of the jobs")
    workers: int | None = Field(None, description="Live workers, none of which offers the handler")


class NeverStarted(JobAlert):
    """Batches of a job do not start although slots are free. At most one alert an hour per job."""

    event: Literal[AlertKind.NEVER_STARTED]
    batches: int = Field(description="How many batches wait")
    since: AwareDatetime | None = Field(None, description="When the oldest of them began to wait")
    waited_s: float | None = Field(None, description="How long the oldest has waited, in seconds")
    workers: int | None = Field(None, description="Live workers that offer the handler")
    free_slots: int | None = Field(None, description="Idle slots of these workers")


class CrashRateHigh(Alert):
    """Too many of a handler's attempts crash. At most one alert an hour per handler."""

    advice = "evtrack crashes --since 1h"
    page = "/crashes?handler={handler}"

    event: Literal[AlertKind.CRASH_RATE_HIGH]
    handler: str = Field(description="The handler")
    attempts: int = Field(description="Attempts that ended in the time window")
    crashed: int = Field(description="How many of them crashed")
    crash_rate_pct: float = Field(description="Crashed attempts in percent")
    max_crash_rate: float | None = Field(None, description="The threshold")
    span_s: float | None = Field(None, description="The length of the time window, in seconds")


class QueueDeep(Alert):
    """A handler has too many pending batches outside suspended jobs. At most one alert an hour per handler."""

    advice = "evtrack workers --handler {handler}"
    page = "/handlers?name={handler}"

    event: Literal[AlertKind.QUEUE_DEEP]
    handler: str = Field(description="The handler")
    batches: int = Field(description="Pending batches")
    items: int | None = Field(None, description="Items in them")
    jobs: int | None = Field(None, description="Jobs that they belong to")
    max_pending: int | None = Field(None, description="The threshold")


class RunsLong(BatchAlert):
    """An item, or a whole batch, runs much longer than others of its handler did. At most one alert an hour each."""

    event: Literal[AlertKind.RUNS_LONG]
    item_key: str | None = Field(None, description="Key of the item in hand; absent if the handler has the whole batch")
    ordinal: int | None = Field(None, description="Ordinal of the item in hand")
    pid: int | None = Field(None, description="The process that runs it")
    begun_at: AwareDatetime | None = Field(None, description="When it began")
    running_s: float = Field(description="How many seconds it had run")
    p50_s: float | None = Field(None, description="How many seconds half of the handler's runs took")
    p99_s: float | None = Field(None, description="How many seconds 99 of 100 of them took at most")
    known_attempts: int | None = Field(None, description="How many runs that is known from")


class AlertStorm(JobAlert):
    """A job exceeded its limit of alerts of one kind in a minute."""

    advice = "evtrack status {job_id}"

    event: Literal[AlertKind.ALERT_STORM]
    of: str = Field(description="The kind of alert")
    alerts: int = Field(description="How many alerts of that minute were only counted")
    minute: str = Field(description="The minute in which they were raised")

    @computed_field(description="A query that lists all of them")  # type: ignore[prop-decorator]  # pydantic's own form
    @property
    def view(self) -> str:
        """The query that lists all of them."""
        return _QUERIES.get(self.of, "SELECT * FROM evtrack.batch_status WHERE job_id = {job_id}").format(
            job_id=self.job_id
        )
