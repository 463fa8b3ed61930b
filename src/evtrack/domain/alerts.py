"""Alerts: one frozen model a kind, which is also the schema of the line that a watcher writes."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, computed_field

from evtrack.domain.text import json_text

if TYPE_CHECKING:
    from collections.abc import Mapping


class AlertKind(StrEnum):
    """What people are told of; each is the name of an event in the watcher's lines."""

    BATCH_CRASHED = "batch_crashed"
    ITEM_POISONED = "item_poisoned"
    BATCH_FAILED = "batch_failed"
    JOB_ABANDONED = "job_abandoned"
    JOB_FINISHED_WITH_ERRORS = "job_finished_with_errors"
    WORKER_LOST = "worker_lost"
    SLOTS_KEEP_DYING = "slots_keep_dying"
    NEVER_STARTED = "never_started"
    CRASH_RATE_HIGH = "crash_rate_high"
    QUEUE_DEEP = "queue_deep"
    ALERT_STORM = "alert_storm"


class Alert(BaseModel):
    """Something that people are to be told."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    advice: ClassVar[str] = "evtrack alerts"

    timestamp: AwareDatetime = Field(description="When it was raised, by the database's clock")
    level: Literal["warning", "error"] = Field(description="How bad it is")
    event: str = Field(description="The kind of alert")
    alert_id: int = Field(description="Its number; the same number again is the same alert, told twice")

    @computed_field(description="What to run next")  # type: ignore[prop-decorator]  # pydantic's own form
    @property
    def next(self) -> str:
        """The command that tells more."""
        return self.advice.format_map(dict(self))

    def line(self) -> dict[str, Any]:
        """Give the alert as a log line has it.

        Returns:
            A dict ready for JSON, without what is unknown; the command to run next at its end.
        """
        return self.model_dump(mode="json", exclude_none=True)

    def text(self) -> str:
        """Give the alert as a line of JSON.

        Returns:
            The line, without its end.
        """
        return json_text(self.line())


class OfJob(Alert):
    """Concerns a job."""

    advice = "evtrack status {job_id}"

    job_id: int = Field(description="The job")
    job_name: str | None = Field(None, description="What people call the job")
    handler: str | None = Field(None, description="The job's handler")


class OfBatch(OfJob):
    """Concerns a batch."""

    advice = "evtrack show {job_id} {batch_no}"

    batch_no: int = Field(description="The batch")
    attempt: int | None = Field(None, description="Which attempt it was")
    items: str | None = Field(None, description="Keys of the items that the batch held then: the first three")
    item_count: int | None = Field(None, description="How many items it held then")
    worker_id: int | None = Field(None, description="The worker that had it")
    worker: str | None = Field(None, description="That worker's name")
    host: str | None = Field(None, description="The host of that worker")


class OfCrash(OfBatch):
    """Concerns a process that died."""

    cause: str | None = Field(None, description="What ended the process; evtrack.crash lists the words")
    signal: str | None = Field(None, description="Name of the signal that ended it")
    exit_code: int | None = Field(None, description="Its exit code")
    item_key: str | None = Field(None, description="Key of the item in hand, where it is known")
    ordinal: int | None = Field(None, description="Ordinal of the item in hand")
    pid: int | None = Field(None, description="The process that died")
    run_s: float | None = Field(None, description="Seconds that the handler had run")


class BatchCrashed(OfCrash):
    """The process that ran a batch died, or its worker was lost."""

    event: Literal[AlertKind.BATCH_CRASHED]
    final: bool = Field(description="Whether the batch stays crashed; else its items go on, in it or in others")


class ItemPoisoned(OfCrash):
    """An item has crashed its process alone as often as its budget allows; it stays crashed."""

    event: Literal[AlertKind.ITEM_POISONED]


class BatchFailed(OfBatch):
    """The handler of a batch has raised as often as its budget allows; it stays failed."""

    event: Literal[AlertKind.BATCH_FAILED]
    error_type: str | None = Field(None, description="Type of the last error")
    error: str | None = Field(None, description="Its message, cut to 300 characters")


class JobAbandoned(OfJob):
    """The submitter of a job is gone before the end of the source."""

    advice = "evtrack submit --resume {job_id}"

    event: Literal[AlertKind.JOB_ABANDONED]


class JobFinishedWithErrors(OfJob):
    """A job is finished, and not all of its items are completed."""

    event: Literal[AlertKind.JOB_FINISHED_WITH_ERRORS]
    completed: int | None = Field(None, description="Items that are done")
    failed: int | None = Field(None, description="Items that failed")
    crashed: int | None = Field(None, description="Items that crashed")
    cancelled: int | None = Field(None, description="Items that were kept out")
    invalid: int | None = Field(None, description="Items that could not be submitted")


class WorkerLost(Alert):
    """A worker's session is gone, or its heartbeat; its batches crashed with it and come back."""

    advice = "evtrack workers"

    event: Literal[AlertKind.WORKER_LOST]
    worker_id: int = Field(description="The worker")
    worker: str | None = Field(None, description="Its name")
    host: str | None = Field(None, description="Its host")
    pid: int | None = Field(None, description="Its process there")
    handlers: list[str] = Field(default_factory=list, description="What it offered")
    why: str | None = Field(None, description="How it is known: session gone, no heartbeat")
    batches: int = Field(0, description="How many batches it held")
    seen_at: AwareDatetime | None = Field(None, description="Its last heartbeat")


class SlotsKeepDying(Alert):
    """A worker's slots die before they do anything, so that it cannot work; at most one an hour of a worker."""

    advice = "evtrack workers"

    event: Literal[AlertKind.SLOTS_KEEP_DYING]
    worker_id: int = Field(description="The worker")
    worker: str | None = Field(None, description="Its name")
    host: str | None = Field(None, description="Its host")
    pid: int | None = Field(None, description="Its process there")
    handlers: list[str] = Field(default_factory=list, description="What it offers")
    said: str = Field(description="How many died so, and how the last one ended")


class NeverStarted(OfJob):
    """Batches of a job are not begun although slots are free; at most one an hour of a job."""

    event: Literal[AlertKind.NEVER_STARTED]
    batches: int = Field(description="How many batches wait")
    since: AwareDatetime | None = Field(None, description="Since when the oldest waits")
    waited_s: float | None = Field(None, description="For how long that is")
    workers: int | None = Field(None, description="Live workers that offer the handler")
    free_slots: int | None = Field(None, description="Their slots that have nothing to do")


class CrashRateHigh(Alert):
    """Too many of a handler's attempts crash; at most one an hour of a handler."""

    advice = "evtrack crashes --since 1h"

    event: Literal[AlertKind.CRASH_RATE_HIGH]
    handler: str = Field(description="The handler")
    attempts: int = Field(description="Attempts that ended in the span")
    crashed: int = Field(description="How many of them crashed")
    crash_rate_pct: float = Field(description="How many in a hundred that is")
    max_crash_rate: float | None = Field(None, description="The threshold")
    span_s: float | None = Field(None, description="The span that was looked at")


class QueueDeep(Alert):
    """Too many batches of a handler are pending, those of suspended jobs aside; at most one an hour of a handler."""

    advice = "evtrack workers"

    event: Literal[AlertKind.QUEUE_DEEP]
    handler: str = Field(description="The handler")
    batches: int = Field(description="Batches that are pending")
    items: int | None = Field(None, description="Items in them")
    jobs: int | None = Field(None, description="Jobs that they are of")
    max_pending: int | None = Field(None, description="The threshold")


class AlertStorm(OfJob):
    """More of a kind happened to a job in a minute than are told one by one."""

    advice = "evtrack status {job_id}"

    event: Literal[AlertKind.ALERT_STORM]
    of: str = Field(description="The kind")
    alerts: int = Field(description="How many of that minute were not told one by one")
    minute: str = Field(description="The minute")

    @computed_field(description="Which view has them all")  # type: ignore[prop-decorator]  # pydantic's own form
    @property
    def view(self) -> str:
        """The query that tells of each."""
        return _VIEWS.get(self.of, "SELECT * FROM evtrack.batch_status WHERE job_id = {job_id}").format(
            job_id=self.job_id
        )


class OtherAlert(Alert):
    """An alert of a kind that this version does not know; its facts are as the database has them."""

    model_config = ConfigDict(frozen=True, extra="allow")


_VIEWS: Final = {
    "batch_crashed": "SELECT * FROM evtrack.crash WHERE job_id = {job_id} ORDER BY at DESC",
    "item_poisoned": "SELECT * FROM evtrack.crash WHERE job_id = {job_id} AND poison ORDER BY at DESC",
    "batch_failed": "SELECT * FROM evtrack.error_summary WHERE job_id = {job_id} ORDER BY failures DESC",
}

KINDS: Final[Mapping[str, type[Alert]]] = {
    str(AlertKind.BATCH_CRASHED): BatchCrashed,
    str(AlertKind.ITEM_POISONED): ItemPoisoned,
    str(AlertKind.BATCH_FAILED): BatchFailed,
    str(AlertKind.JOB_ABANDONED): JobAbandoned,
    str(AlertKind.JOB_FINISHED_WITH_ERRORS): JobFinishedWithErrors,
    str(AlertKind.WORKER_LOST): WorkerLost,
    str(AlertKind.SLOTS_KEEP_DYING): SlotsKeepDying,
    str(AlertKind.NEVER_STARTED): NeverStarted,
    str(AlertKind.CRASH_RATE_HIGH): CrashRateHigh,
    str(AlertKind.QUEUE_DEEP): QueueDeep,
    str(AlertKind.ALERT_STORM): AlertStorm,
}
"""The model of each kind."""


def alert_from(told: Mapping[str, Any]) -> Alert:
    """Read an alert as the outbox has it.

    Args:
        told: Its columns and facts, under the names that the models have.

    Returns:
        The alert; of a kind or a form that this version does not know, as it is.
    """
    model = KINDS.get(str(told["event"]), OtherAlert)
    try:
        return model.model_validate(told)
    except ValidationError:
        # A fact in a form of its own must not keep people from hearing of it.
        return OtherAlert.model_validate({key: value for key, value in told.items() if key != "next"})
