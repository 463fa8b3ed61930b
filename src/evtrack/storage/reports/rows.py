"""The rows of reports: jobs, batches, crashes and workers as the views show them, frozen."""

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A row of evtrack.job_status: what a job is and where it stands; item counts have the bare names."""

    job_id: int
    name: str | None
    handler: str
    priority: int
    phase: str
    suspended: bool
    outcome: str | None
    total: int
    done: int
    failed: int
    crashed: int
    cancelled: int
    invalid: int
    pending: int
    running: int
    percent: float | None
    batches: int
    pace: float | None
    eta: datetime | None
    elapsed_s: float
    note_count: int
    created_at: datetime
    sealed_at: datetime | None
    finished_at: datetime | None
    cancelled_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobProgress:
    """A row of evtrack.job_progress: a job's items and batches by status; items have the bare names."""

    job_id: int
    phase: str
    suspended: bool
    total: int
    done: int
    failed: int
    crashed: int
    cancelled: int
    invalid: int
    pending: int
    running: int
    ended: int
    percent: float | None
    batches: int
    batches_pending: int
    batches_running: int
    batches_completed: int
    batches_failed: int
    batches_crashed: int
    batches_split: int
    batches_cancelled: int
    bytes_read: int
    bytes_total: int | None
    pace: float | None
    remaining_s: float | None
    eta: datetime | None
    elapsed_s: float
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """A row of evtrack.batch_status."""

    job_id: int
    batch_no: int
    status: str
    item_count: int
    weight: int
    attempt: int
    worker: str | None
    enqueued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    run_s: float | None
    error: str | None
    item_summary: str
    root_no: int | None
    parent_no: int | None
    errors: int
    crashes: int
    losses: int
    run_at: datetime | None


@dataclass(frozen=True, slots=True)
class Crash:
    """A row of evtrack.crash, without the bulk of the dossier."""

    job_id: int
    batch_no: int
    attempt: int
    at: datetime
    cause: str | None
    signal: str | None
    exit_code: int | None
    item_key: str | None
    ordinal: int | None
    worker: str | None
    batch_status: str
    item_summary: str
    poison: bool
    host: str | None
    pid: int | None
    run_s: float | None
    cpu_s: float | None
    peak_rss_bytes: int | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row of evtrack.waiting: since when a job's pending batches wait, and why."""

    job_id: int
    batches: int
    items: int
    since: datetime | None
    waited_s: float | None
    workers: int
    free_slots: int
    why: str


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """A row of evtrack.error_summary: one error and how often it was raised."""

    job_id: int
    type: str | None
    message: str | None
    failures: int
    batches: int
    first_at: datetime
    last_at: datetime
    example_batch_no: int
    example_item_key: str | None


@dataclass(frozen=True, slots=True)
class Note:
    """A message about an item, a line or a file of a job's source."""

    job_id: int
    at: datetime
    source: str | None
    reason: str | None
    key: str | None


@dataclass(frozen=True, slots=True)
class Worker:
    """A row of evtrack.worker_status."""

    worker_id: int
    name: str
    state: str
    host: str
    pid: int
    handlers: list[str]
    slots: int
    busy: int
    version: str
    started_at: datetime
    seen_at: datetime
    silent_s: float


@dataclass(frozen=True, slots=True)
class Health:
    """How the whole is doing: attempts that ended since a time, what waits, who works."""

    since: datetime
    attempts: int
    completed: int
    failed: int
    crashed: int
    workers_lost: int
    running: int
    jobs_waiting: int
    pending: int
    pending_items: int
    oldest_s: float | None
    no_worker: int
    never_started: int
    workers: int
    slots: int
    busy: int
    silent: int
    silent_busy: int
    longest_silent_s: float | None

    @property
    def crash_rate_pct(self) -> float:
        """Crashed attempts in a hundred; 0 when none ended."""
        return 100.0 * self.crashed / self.attempts if self.attempts else 0.0


@dataclass(frozen=True, slots=True)
class RecentSums:
    """What became of the items (bare names) and batches of the jobs that were created since a time."""

    jobs: int
    done: int
    failed: int
    crashed: int
    cancelled: int
    invalid: int
    pending: int
    running: int
    total: int
    batches_done: int
    batches_failed: int
    batches_crashed: int
    batches_split: int
    batches_cancelled: int
    batches_pending: int
    batches_running: int
    batches_total: int


@dataclass(frozen=True, slots=True)
class JobKey:
    """Where a job's rows lie, whom to wake for it, and its phase."""

    job_day: date
    handler: str
    phase: str
