"""Alerts: a frozen model for each kind, which is also the schema of the line that a watcher writes."""

from __future__ import annotations

from enum import StrEnum
from shlex import quote
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self
from urllib.parse import quote as percent_encoded

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, computed_field

from evtrack.domain.text import json_text

if TYPE_CHECKING:
    from collections.abc import Mapping


class AlertKind(StrEnum):
    """The kinds of alerts, as in the field `event` of a watcher's line."""

    BATCH_CRASHED = "batch_crashed"
    ITEM_POISONED = "item_poisoned"
    BATCH_FAILED = "batch_failed"
    JOB_ABANDONED = "job_abandoned"
    JOB_FINISHED_WITH_ERRORS = "job_finished_with_errors"
    WORKER_LOST = "worker_lost"
    SLOTS_KEEP_DYING = "slots_keep_dying"
    NO_WORKER = "no_worker"
    NEVER_STARTED = "never_started"
    CRASH_RATE_HIGH = "crash_rate_high"
    QUEUE_DEEP = "queue_deep"
    RUNS_LONG = "runs_long"
    ALERT_STORM = "alert_storm"


class Alert(BaseModel):
    """Something that operators need to know."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    advice: ClassVar[str] = "evtrack alerts"
    page: ClassVar[str] = "/alerts"

    timestamp: AwareDatetime = Field(description="When the alert was raised, by the database's clock")
    level: Literal["warning", "error"] = Field(description="Severity")
    event: str = Field(description="The kind of alert")
    alert_id: int = Field(description="The alert's number; if it repeats, the same alert was delivered again")
    url: str | None = Field(None, description="The page that shows more; only if EVTRACK_WEB_URL is set")

    @computed_field(description="The command to run next")  # type: ignore[prop-decorator]  # pydantic's own form
    @property
    def next(self) -> str:
        """The command that shows more."""
        # A handler's name may have any characters.
        return self.advice.format_map({name: quote(str(value)) for name, value in self})

    def linked(self, web_url: str | None) -> Self:
        """Return the alert with a link to the page that shows more.

        Args:
            web_url: Where `evtrack web` is found; None or empty for no link.
        """
        if not web_url:
            return self
        values = {name: percent_encoded(str(value), safe="") for name, value in self}
        return self.model_copy(update={"url": web_url.rstrip("/") + self.page.format_map(values)})

    def line(self) -> dict[str, Any]:
        """Return the alert as the fields of a log line.

        Returns:
            A dict ready for JSON, without unset fields; the next command comes last.
        """
        return self.model_dump(mode="json", exclude_none=True)

    def text(self) -> str:
        """Return the alert as one line of JSON.

        Returns:
            The line, without a newline.
        """
        return json_text(self.line())


class JobAlert(Alert):
    """An alert about a job."""

    advice = "evtrack status {job_id}"
    page = "/jobs/{job_id}"

    job_id: int = Field(description="The job")
    job_name: str | None = Field(None, description="The job's name")
    handler: str | None = Field(None, description="The job's handler")


class BatchAlert(JobAlert):
    """An alert about a batch."""

    advice = "evtrack show {job_id} {batch_no}"
    page = "/jobs/{job_id}/batches/{batch_no}"

    batch_no: int = Field(description="The batch")
    attempt: int | None = Field(None, description="The attempt that ended")
    items: str | None = Field(None, description="Keys of the batch's first three items at that time, and how many more")
    item_count: int | None = Field(None, description="How many items the batch had at that time")
    worker_id: int | None = Field(None, description="The worker that ran it")
    worker: str | None = Field(None, description="That worker's name")
    host: str | None = Field(None, description="The host of that worker")


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


class OtherAlert(Alert):
    """An alert of a kind that this version does not know, with its facts exactly as in the database."""

    model_config = ConfigDict(frozen=True, extra="allow")


_QUERIES: Final = {
    "batch_crashed": "SELECT * FROM evtrack.crash WHERE job_id = {job_id} ORDER BY at DESC",
    "item_poisoned": "SELECT * FROM evtrack.crash WHERE job_id = {job_id} AND poison ORDER BY at DESC",
    "batch_failed": "SELECT * FROM evtrack.error_summary WHERE job_id = {job_id} ORDER BY failures DESC",
}

ALERT_MODELS: Final[Mapping[str, type[Alert]]] = {
    str(AlertKind.BATCH_CRASHED): BatchCrashed,
    str(AlertKind.ITEM_POISONED): ItemPoisoned,
    str(AlertKind.BATCH_FAILED): BatchFailed,
    str(AlertKind.JOB_ABANDONED): JobAbandoned,
    str(AlertKind.JOB_FINISHED_WITH_ERRORS): JobFinishedWithErrors,
    str(AlertKind.WORKER_LOST): WorkerLostAlert,
    str(AlertKind.SLOTS_KEEP_DYING): SlotsKeepDying,
    str(AlertKind.NO_WORKER): NoWorker,
    str(AlertKind.NEVER_STARTED): NeverStarted,
    str(AlertKind.CRASH_RATE_HIGH): CrashRateHigh,
    str(AlertKind.QUEUE_DEEP): QueueDeep,
    str(AlertKind.RUNS_LONG): RunsLong,
    str(AlertKind.ALERT_STORM): AlertStorm,
}
"""The model of each kind."""


def alert_from(row: Mapping[str, Any]) -> Alert:
    """Build an alert from its row in the outbox.

    Args:
        row: Its columns and fields, under the names in the models.

    Returns:
        The alert. If this version does not know its kind or form, its fields are passed on unchanged.
    """
    model = ALERT_MODELS.get(str(row["event"]), OtherAlert)
    try:
        return model.model_validate(row)
    except ValidationError:
        # A field of an unexpected type must not prevent the alert's delivery.
        return OtherAlert.model_validate({key: value for key, value in row.items() if key != "next"})
