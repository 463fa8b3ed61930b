"""`evtrack verify`: replay the log, compare it with its digests and the projection, and fix the projection."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Final

import click

from evtrack.domain import log_names
from evtrack.domain.errors import NoSuchJob
from evtrack.domain.proof.stream_proof import Difference
from evtrack.domain.text import printable
from evtrack.interfaces.cli.shared.options import optional_job_argument, print_json, with_connection
from evtrack.interfaces.terminal.drawing import stderr_console
from evtrack.interfaces.terminal.progress import ProgressDisplay, verification_state
from evtrack.interfaces.terminal.reports.verify import VerifyReport, rebuild_line
from evtrack.storage.connection.connect import Connection
from evtrack.storage.log import proof
from evtrack.storage.log.rebuild import rebuild
from evtrack.storage.reports.verifications import KEPT, job_version, record_verification

_DIFFERENT: Final = 2
_LINE_LIMIT: Final = 2000


@click.command()
@optional_job_argument
@click.option("--fix", is_flag=True, help="Rebuild the projection of jobs that differ.")
@click.option("--trust-log", is_flag=True, help="With --fix: rebuild it even from a damaged log.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per difference, and one with the totals.")
@with_connection("verify", owner=True)
def verify(conn: Connection, job_id: int | None, *, fix: bool, trust_log: bool, as_json: bool) -> None:
    """Verify the log, the projection and the counters.

    Replays the log, and compares it with its digests, the projection and the counters. The report distinguishes a
    damaged log from a projection that differs from an intact log. Each job is read in one snapshot, so workers can keep
    running. Items are counted but not read, and results are not verified. Run this as the owner of the tables.

    With --fix, a job's rows and counters are rebuilt in one transaction, unless its log is damaged: then nothing is
    changed. Restore a damaged log from a backup or an archive. If there is none, --fix --trust-log rebuilds the
    projection from the events that are left; it also rebuilds their digests, which then no longer show what was
    changed.

    For each job, a row of what was found is kept, which the view evtrack.job_verification shows.

    Exit codes: 0 no differences, or all were fixed; 2 differences, or wrong usage.
    """
    if trust_log and not fix:
        raise click.UsageError("--trust-log needs --fix.")
    display = ProgressDisplay(
        "verifying", console=stderr_console(), log_name=log_names.VERIFY_PROGRESS, shows_elapsed=True
    )
    with display:
        run = _Verification(conn, display, trust_log=trust_log, as_json=as_json)
        for number in proof.jobs(conn) if job_id is None else [job_id]:
            if fix:
                run.fix(number)
            else:
                run.verify(number)
    report = run.report
    if job_id is not None and run.events == 0 and report.differences == 0:
        raise NoSuchJob(f"There is no job {job_id}.", hint="`evtrack jobs` lists the latest jobs.")
    if as_json:
        print_json({"jobs": run.jobs, "events": run.events, **report.totals()})
    else:
        click.echo(report.text(jobs=run.jobs, events=run.events))
    if report.differences:
        raise click.exceptions.Exit(_DIFFERENT)


class _Verification:
    """Verifies jobs, prints their differences, and counts what is left."""

    def __init__(self, conn: Connection, display: ProgressDisplay, *, trust_log: bool, as_json: bool) -> None:
        self._conn = conn
        self._display = display
        self._trust_log = trust_log
        self._as_json = as_json
        self._job_id: int | None = None
        self._earlier_events = self._job_events = 0
        self.report = VerifyReport(log_was_trusted=trust_log)
        self.jobs = 0

    @property
    def events(self) -> int:
        """How many events were verified."""
        return self._earlier_events + self._job_events

    def verify(self, job_id: int) -> None:
        self._prove(job_id, prints=True)

    def fix(self, job_id: int) -> None:
        # First without a lock, so that an intact job is not disturbed.
        version = job_version(self._conn, job_id)
        if not any(True for _ in proof.verify(self._conn, job_id, on_progress=self._on_progress)):
            self._record(job_id, version, VerifyReport(), [])
            return
        done = rebuild(self._conn, job_id, trust_log=self._trust_log)
        for _ in self._printed(done.found):
            pass
        if self._as_json:
            facts = {name: value for name, value in asdict(done).items() if name != "found"}
            print_json(facts | {"damaged": done.damaged})
        else:
            self._display.print(rebuild_line(done))
        self._prove(job_id, prints=False)

    def _prove(self, job_id: int, *, prints: bool) -> None:
        version = job_version(self._conn, job_id)
        found = proof.verify(self._conn, job_id, on_progress=self._on_progress)
        first: list[Difference] = []
        report = VerifyReport()
        report.add(job_id, _beginning(self._printed(found) if prints else found, first))
        self.report.include(report)
        self._record(job_id, version, report, first)

    def _record(self, job_id: int, version: int | None, report: VerifyReport, first: list[Difference]) -> None:
        if self._job_events or report.differences:
            record_verification(
                self._conn,
                job_id,
                version=version,
                events=self._job_events,
                found=report.differences,
                damaged=report.damaged.number > 0,
                first=first,
            )

    def _on_progress(self, job_id: int, events: int) -> None:
        if job_id != self._job_id:
            self._earlier_events, self._job_id = self.events, job_id
            self.jobs += 1
        self._job_events = events
        self._display.update(verification_state(job_id, jobs=self.jobs, events=self.events))

    def _printed(self, found: Iterable[Difference]) -> Iterable[Difference]:
        for each in found:
            if self._as_json:
                print_json(asdict(each))
            else:
                self._display.print(printable(str(each), _LINE_LIMIT))
            yield each


def _beginning(found: Iterable[Difference], first: list[Difference]) -> Iterable[Difference]:
    """Pass differences on, and collect the first of them."""
    for each in found:
        if len(first) < KEPT:
            first.append(each)
        yield each
