"""`evtrack run`: submit a source and process it until the job is finished."""

from __future__ import annotations

import shlex
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Self

import click
import structlog

from evtrack.config import settings_from, web_settings_from
from evtrack.domain import log_names
from evtrack.domain.errors import EvtrackError, UnknownHandler
from evtrack.interfaces.cli.processing.submit import SubmissionRequest, submission_options
from evtrack.interfaces.cli.processing.work import stop_worker_on_signals, worker_options, worker_setup, worker_state
from evtrack.interfaces.cli.shared.dashboard import serving_dashboard
from evtrack.interfaces.cli.shared.options import json_option, print_json, with_dsn
from evtrack.interfaces.cli.shared.outage_log import OutageLog
from evtrack.interfaces.notices import notice
from evtrack.interfaces.terminal.drawing import show, stderr_console
from evtrack.interfaces.terminal.progress import LOG_EVERY_S, ProgressDisplay, job_state
from evtrack.interfaces.terminal.reports.job import job_head
from evtrack.interfaces.words.formatting import counted
from evtrack.runtime.slot.handlers import HandlerKind
from evtrack.runtime.worker.slots.container_memory import container_limit
from evtrack.runtime.worker.slots.limits import SlotLimits
from evtrack.runtime.worker.slots.memory_limits import MemoryLimits
from evtrack.runtime.worker.supervisor import Supervisor
from evtrack.storage.connection.connect import connect
from evtrack.storage.connection.patience import ANSWER_S, Patience, PatientReader
from evtrack.storage.connection.preconditions import require_call
from evtrack.storage.reports.job_reports import job_progress, job_status

if TYPE_CHECKING:
    from evtrack.interfaces.cli.shared.signals import ReceivedSignals
    from evtrack.runtime.submit.progress import SubmitProgress
    from evtrack.storage.reports.job_reports import JobProgress

NOT_ALL_DONE: Final = 3
"""The exit code of a run with items that did not complete."""

_POLL_S: Final = 0.25
_RECONNECT_S: Final = 1.0
_JOIN_S: Final = 5.0

_log = structlog.get_logger()


@click.command()
@submission_options
@worker_options
@click.option("--web", "serves", is_flag=True, help="Serve the dashboard on this host meanwhile.")
@json_option
@with_dsn()
def run(dsn: str, /, *, request: SubmissionRequest, serves: bool, as_json: bool, **options: Any) -> None:
    """Submit SOURCE... and process it here until the job is finished.

    Takes the options of `submit` and of `work`. The job is an ordinary one: other workers may help with it.

    On SIGTERM, SIGHUP or Ctrl-C, running batches have --grace to finish, and the others go back to the queue. On a
    second signal, all go back at once. The job stays in the database, a message explains how to continue it, and the
    exit code is 143, 129 or 130.

    Exit codes: 0 all items completed; 3 some items failed, crashed or were invalid.

    \b
    evtrack run corpus.jsonl --key sourcedb,sourceid --batch-size 50 \\
        --import examples.disease_stats --handler disease-stats
    """  # noqa: D301  # \b makes click keep these lines as they are
    handler = request.named_spec.handler
    worker = Supervisor(
        dsn=dsn,
        setup=worker_setup(dsn, options),
        slots=options["slots"],
        grace_s=options["grace"],
        lose_grace_s=options["lose_grace"],
        lease_s=options["lease"],
        max_batches=options["max_batches"],
        state=worker_state(options["state_dir"]),
        limits=SlotLimits(
            memory=MemoryLimits(
                job_max_rss_bytes=request.max_rss,
                recycle_rss_bytes=options["recycle_rss"],
                container=None if request.max_rss == 0 else container_limit(),
                slot_cgroups=settings_from().slot_cgroups,
            )
        ),
    )
    with stop_worker_on_signals(worker, options["grace"]) as received:
        kinds = worker.prepare()
        try:
            if not received and handler not in kinds:
                raise UnknownHandler(handler, known=kinds)
            with serving_dashboard(dsn, wanted=serves, token_file=web_settings_from().token_file):
                job_id = None if received else _submit_and_work(dsn, worker, _with_kind(request, kinds), received)
        finally:
            worker.close()
    if job_id is not None:
        patience = Patience(observer=OutageLog("run"), waits_at_start=True)
        with PatientReader(dsn, purpose="run", patience=patience) as reader:
            final, status = reader.read(lambda conn: (job_progress(conn, job_id), job_status(conn, job_id)))
        if as_json:
            print_json(_summary(final))
        else:
            show(job_head(status, final))
        _exit_with_result(final, received, continue_with=_work_command(options), quiet=as_json)
    raise click.exceptions.Exit(received.exit_code)


def _with_kind(request: SubmissionRequest, kinds: dict[str, str]) -> SubmissionRequest:
    # Whoever has to split a batch of this job later needs to know whether its items are independent.
    spec = request.named_spec
    per_item = kinds[spec.handler] == HandlerKind.ITEM
    return replace(request, spec=replace(spec, policy={**spec.policy, "per_item": per_item}))


def _submit_and_work(dsn: str, worker: Supervisor, request: SubmissionRequest, received: ReceivedSignals) -> int:
    failures: list[BaseException] = []
    with connect(dsn, purpose="submit") as conn, JobMonitor(dsn=dsn) as monitor:
        require_call(conn, "register_worker")  # before a job exists that nobody here could work on
        submitter = request.begin(conn, on_progress=monitor.report_waiting)
        monitor.watch(submitter.job_id)
        worker.await_job(submitter.job_id)

        def submit() -> None:
            try:
                submitter.run()
            except BaseException as error:  # noqa: BLE001  it is raised again in the main thread
                failures.append(error)
                worker.stop()

        thread = threading.Thread(target=submit, name="evtrack-submit", daemon=True)
        thread.start()
        try:
            worker.run()
        except EvtrackError:
            notice(f"Job {submitter.job_id} is kept. For the next step, see: evtrack status {submitter.job_id}")
            raise
        finally:
            submitter.stop()
            thread.join()
    if failures and not received:
        raise failures[0]
    return submitter.job_id


class JobMonitor:
    """Show a job's progress on stderr, from a thread and a connection of its own."""

    def __init__(self, *, dsn: str) -> None:
        self._dsn = dsn
        # The pace of the log lines is that of the polls.
        self._display = ProgressDisplay(
            "", console=stderr_console(), log_name=log_names.JOB_PROGRESS, log_every_s=0, keeps_last=True
        )
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start drawing."""
        self._display.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Draw the last state, and stop."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(_JOIN_S)
        self._display.__exit__()

    def watch(self, job_id: int) -> None:
        """Start watching a job."""
        self._thread = threading.Thread(target=self._watch, args=(job_id,), name="evtrack-progress", daemon=True)
        self._thread.start()

    def report_waiting(self, submission: SubmitProgress) -> None:
        """Log that the submission waits: the only part of its progress that the database does not show.

        Args:
            submission: Its progress.
        """
        if submission.waited_s:
            _log.info(
                log_names.SUBMISSION_THROTTLED,
                job_id=submission.job_id,
                waited_s=round(submission.waited_s, 1),
                pending=submission.pending,
            )

    def _watch(self, job_id: int) -> None:
        reported = False
        while True:
            try:
                self._poll(job_id)
            except EvtrackError as error:
                # The run continues without the display, which returns when the database is back.
                if not reported:
                    _log.warning(log_names.PROGRESS_CONNECTION_LOST, job_id=job_id, error=str(error))
                reported = True
            if self._stopped.wait(_RECONNECT_S):
                return

    def _poll(self, job_id: int) -> None:
        every_s = _POLL_S if self._display.is_live else LOG_EVERY_S
        with connect(self._dsn, purpose="progress", answer_s=ANSWER_S) as conn:
            while not self._stopped.wait(every_s):
                self._display.update(job_state(job_progress(conn, job_id)))
            if self._display.is_live:
                self._display.update(job_state(job_progress(conn, job_id)))


def _summary(final: JobProgress) -> dict[str, Any]:
    same = ("job_id", "phase", "total", "done", "failed", "crashed", "invalid", "cancelled")
    return {name: getattr(final, name) for name in same} | {
        "pending": final.pending + final.running,
        "batches": final.batches,
        "seconds": round(final.elapsed_s, 3),
        "items_per_s": round(final.done / final.elapsed_s, 1) if final.elapsed_s else None,
    }


def _work_command(options: dict[str, Any]) -> str:
    names = {"--import": "imports", "--exec": "commands", "--keep-env": "kept_variables"}
    given = [(option, each) for option, name in names.items() for each in options[name]]
    return shlex.join(["evtrack", "work", *(word for pair in given for word in pair)])


def _exit_with_result(final: JobProgress, received: ReceivedSignals, *, continue_with: str, quiet: bool) -> None:
    if final.phase not in {"finished", "cancelled"}:
        notice(_unfinished(final, continue_with))
        if received:
            raise click.exceptions.Exit(received.exit_code)
        raise EvtrackError(f"Job {final.job_id} is still {final.phase}.", hint="See `evtrack status`.")
    bad = final.failed + final.crashed + final.invalid + final.cancelled
    if bad and not quiet:
        notice(f"{counted(bad, 'item')} did not complete. For details, see: evtrack status {final.job_id}")
    raise click.exceptions.Exit(NOT_ALL_DONE if bad else 0)


def _unfinished(final: JobProgress, continue_with: str) -> str:
    left = f"{final.pending + final.running} of {counted(final.total, 'item')} left"
    if final.phase == "sealed":
        return f"Job {final.job_id} is not finished: {left}.\nContinue with: {continue_with}"
    return (
        f"Job {final.job_id} is not finished: {left}, and the source was not read to its end.\n"
        f"Read the rest: evtrack submit --resume {final.job_id}\nContinue with: {continue_with}"
    )
