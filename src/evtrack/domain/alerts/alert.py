"""What all alerts have in common: their kinds, and the fields and methods of a line that a watcher writes."""

from __future__ import annotations

from enum import StrEnum
from shlex import quote
from typing import Any, ClassVar, Literal, Self
from urllib.parse import quote as percent_encoded

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, computed_field

from evtrack.domain.text import json_text


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
