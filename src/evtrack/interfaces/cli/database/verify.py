"""The command that proves the log: replay it, compare, and mend the projection where that is all that is wrong."""

from collections.abc import Iterable
from dataclasses import asdict

import click

from evtrack.domain.errors import NoSuchJob
from evtrack.domain.stream_proof import Difference
from evtrack.domain.text import printable
from evtrack.interfaces.cli.shared.options import connected, print_json
from evtrack.interfaces.terminal.progress.verify_bar import VerifyProgress, verify_progress
from evtrack.interfaces.terminal.reports.verify_report import Verdict, rebuilt_line
from evtrack.storage.connection.connect import Connection
from evtrack.storage.log import proof
from evtrack.storage.log.rebuild import rebuild

_DIFFERENT = 2


@click.command()
@click.argument("job_id", metavar="[JOB]", type=click.IntRange(min=1), required=False)
@click.option("--fix", is_flag=True, help="Make the projection of jobs that differ anew from their log.")
@click.option("--trust-log", is_flag=True, help="With --fix: also from a log that is damaged, as it is now.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line a difference, and one with the sums.")
@connected("verify", owner=True)
def verify(conn: Connection, job_id: int | None, *, fix: bool, trust_log: bool, as_json: bool) -> None:
    """Replay the log and compare: with its digests, with the projection, with the counters.

    Each job is read as one snapshot has it, so workers may be at work. Needs to read the tables: run it as their owner.
    It says whether the log itself is damaged, or only the projection departs from it. Items are counted, not read, and
    results are no part of it.

    With --fix a job's rows and counters are made anew in one transaction, unless its log itself is damaged: then
    nothing is changed. Restore such a log from a backup or an archive. Where there is none, --fix --trust-log makes the
    projection of what is there, and the damage no longer shows in the digests of the streams.

    Exits with 2 where there are differences (also after wrong usage), with 0 where there are none, or all were mended.
    """
    if trust_log and not fix:
        raise click.UsageError("--trust-log says from what --fix makes the projection anew: give both.")
    with verify_progress() as progress:
        work = _Work(conn, progress, trust_log=trust_log, as_json=as_json)
        for number in proof.jobs(conn) if job_id is None else [job_id]:
            if fix:
                work.mend(number)
            else:
                work.look(number)
    verdict = work.verdict
    if job_id is not None and progress.events == 0 and verdict.differences == 0:
        raise NoSuchJob(f"There is no job {job_id}, and nothing of one in the log.", hint="evtrack jobs lists them.")
    if as_json:
        print_json({"jobs": progress.jobs, "events": progress.events, **verdict.sums()})
    else:
        click.echo(verdict.line(jobs=progress.jobs, events=progress.events))
    if verdict.differences:
        raise click.exceptions.Exit(_DIFFERENT)


class _Work:
    """Goes over jobs, prints what it finds, and keeps in mind what is left."""

    def __init__(self, conn: Connection, progress: VerifyProgress, *, trust_log: bool, as_json: bool) -> None:
        self._conn = conn
        self._progress = progress
        self._trust_log = trust_log
        self._as_json = as_json
        self.verdict = Verdict(log_was_trusted=trust_log)

    def look(self, job_id: int) -> None:
        found = proof.verify(self._conn, job_id, on_progress=self._progress.tell)
        self.verdict.add(job_id, self._printed(found))

    def mend(self, job_id: int) -> None:
        # Looked at without a lock first: a whole job is left alone.
        if not any(True for _ in proof.verify(self._conn, job_id, on_progress=self._progress.tell)):
            return
        done = rebuild(self._conn, job_id, trust_log=self._trust_log)
        for _ in self._printed(done.found):
            pass
        if self._as_json:
            facts = {name: value for name, value in asdict(done).items() if name != "found"}
            print_json(facts | {"damaged": done.damaged})
        else:
            self._progress.say(rebuilt_line(done))
        self.verdict.add(job_id, proof.verify(self._conn, job_id, on_progress=self._progress.tell))

    def _printed(self, found: Iterable[Difference]) -> Iterable[Difference]:
        for each in found:
            if self._as_json:
                print_json(asdict(each))
            else:
                self._progress.say(printable(str(each), 2000))
            yield each
