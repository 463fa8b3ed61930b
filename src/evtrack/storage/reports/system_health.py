"""Reports on the whole system: what is running and waiting now, and what ended lately."""

from dataclasses import dataclass
from datetime import datetime

from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.query import rows


@dataclass(frozen=True, slots=True)
class Health:
    """The state of the whole system: attempts that ended since a time, pending batches, workers.

    Attempts whose worker was lost are counted in `workers_lost` only. Of the jobs that no worker offers a handler for
    (`no_worker`), `overdue` are those whose batches should have started by now.
    """

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
    overdue: int
    workers: int
    slots: int
    busy: int
    silent: int
    silent_busy: int
    longest_silent_s: float | None

    @property
    def crash_rate_pct(self) -> float:
        """The percentage of attempts that crashed; 0 when none ended."""
        return 100.0 * self.crashed / self.attempts if self.attempts else 0.0

    def crashes_too_often(self, max_crash_rate: float, least_attempts: int) -> bool:
        """Return whether too many attempts crashed, of enough to judge that.

        Args:
            max_crash_rate: The highest percentage of attempts that may crash.
            least_attempts: The attempts below which the percentage is not judged.
        """
        return self.attempts >= least_attempts and self.crash_rate_pct > max_crash_rate


@dataclass(frozen=True, slots=True)
class RecentSums:
    """Items and batches by status, of the jobs created since a time; fields such as `done` count items."""

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


def health(conn: Connection, *, span_s: float) -> Health:
    """Read the state of the whole system; the cost does not depend on the number of batches.

    Args:
        span_s: Over how many seconds, up to now.
    """
    return rows(conn, Health, "health", span_s=span_s)[0]


def recent_sums(conn: Connection, *, span_s: float) -> RecentSums:
    """Read the items and batches by status, of the jobs created lately.

    Args:
        span_s: In how many last seconds.
    """
    return rows(conn, RecentSums, "recent_sums", span_s=span_s)[0]
