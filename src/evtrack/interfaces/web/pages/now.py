"""The overview: whether all is well, what runs, what crashed, and who works."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from evtrack.domain.alerts.thresholds import Thresholds
from evtrack.interfaces.web.address import Address
from evtrack.interfaces.web.page import Page
from evtrack.interfaces.words.verdict import Verdict, system_verdict
from evtrack.runtime.doctor.findings import MAX_ALERT_LAG_S
from evtrack.runtime.live.remembered import Remembered
from evtrack.storage.connection.connect import Connection
from evtrack.storage.monitoring.alert_outbox import undelivered_alerts
from evtrack.storage.reports import batch_reports, job_reports, system_health, worker_reports
from evtrack.storage.reports.batch_reports import Crash
from evtrack.storage.reports.job_reports import JobStatus
from evtrack.storage.reports.system_health import Health
from evtrack.storage.reports.trouble_lists import HuntRow, hunts
from evtrack.storage.reports.worker_reports import WorkerRow

_SPAN_S: Final = 3600.0
_DAY_S: Final = 86_400.0
_JOBS: Final = 10
_LATEST: Final = 5
_CRASHES: Final = 10
_HUNTS: Final = 5
_MAX_CRASH_RATE: Final = 5.0


HEALTH: Final = Remembered(lambda conn: system_health.health(conn, span_s=_SPAN_S), keep_s=30.0, times=100)
"""The health of each database: it reads the counters of all open jobs, which takes long where there are thousands."""


@dataclass(frozen=True, slots=True)
class Now:
    """The whole system at a moment.

    Args:
        verdict: Whether all is well.
        judged_at: When the health was read.
        health: The attempts, the queue and the workers.
        undelivered: How many alerts wait for delivery.
        jobs: The jobs under way.
        latest: The latest jobs, if none is under way.
        hunts: The hunts under way.
        crashes: The latest crashes.
        workers: The live workers.
    """

    verdict: Verdict
    judged_at: datetime
    health: Health
    undelivered: int
    jobs: list[JobStatus]
    latest: list[JobStatus]
    hunts: list[HuntRow]
    crashes: list[Crash]
    workers: list[WorkerRow]

    @property
    def crashes_too_often(self) -> bool:
        """Whether the crash rate is what makes the system unhealthy."""
        return self.health.crashes_too_often(_MAX_CRASH_RATE, Thresholds().least_attempts)

    @property
    def is_empty(self) -> bool:
        """Whether there is no job at all, so that a page has one thing to say: how to submit one."""
        return not self.jobs and not self.latest


def _parse(address: Address) -> tuple[()]:
    del address
    return ()


def _read(conn: Connection, args: tuple[()]) -> Now:
    del args
    health = HEALTH(conn)
    undelivered = undelivered_alerts(conn)
    jobs = job_reports.active_jobs(conn, limit=_JOBS)
    return Now(
        verdict=system_verdict(
            health,
            undelivered,
            span_s=_SPAN_S,
            max_crash_rate=_MAX_CRASH_RATE,
            least_attempts=Thresholds().least_attempts,
            max_alert_lag_s=MAX_ALERT_LAG_S,
        ),
        judged_at=health.since + timedelta(seconds=_SPAN_S),
        health=health,
        undelivered=undelivered.undelivered,
        jobs=jobs,
        latest=[] if jobs else job_reports.jobs(conn, limit=_LATEST),
        hunts=hunts(conn, limit=_HUNTS),
        crashes=batch_reports.latest_crashes(conn, span_s=_DAY_S, limit=_CRASHES),
        workers=worker_reports.live_workers(conn, limit=_JOBS),
    )


NOW: Final = Page(
    name="now", path="/", parse=_parse, address=lambda _: "/", read=_read, title=lambda _: "Overview", every_s=1.0
)
