"""`evtrack run`: submit a source and work on it until it is finished."""

from __future__ import annotations

import shlex
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click

from evtrack.domain.errors import BadArgument, EvtrackError, UnknownHandler
from evtrack.interfaces.cli.processing.submission_options import Wish, submission_options
from evtrack.interfaces.cli.processing.work import worker_options
from evtrack.interfaces.cli.shared.options import json_option, located, print_json
from evtrack.interfaces.cli.shared.stopping import Signals, stopping
from evtrack.interfaces.notices import notice
from evtrack.interfaces.terminal.drawing import show
from evtrack.interfaces.terminal.progress.run_progress import RunProgress
from evtrack.interfaces.terminal.reports.job_report import job_head
from evtrack.runtime.slot.handlers import HandlerKind
from evtrack.runtime.worker.offered_handlers import slot_setup
from evtrack.runtime.worker.supervisor import Supervisor
from evtrack.storage.connection.connect import connect
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.connection.preconditions import require_call
from evtrack.storage.reports.job_reports import job_progress, job_status

if TYPE_CHECKING:
    from evtrack.storage.reports.job_reports import JobProgress

NOT_ALL_DONE: Final = 3


@click.command()
@submission_options
@worker_options
@json_option
@located()
def run(dsn: str, /, *, wish: Wish, as_json: bool, **options: Any) -> None:
    """Submit SOURCE... and work on it here until it is finished.

    It takes the options of `submit` and of `work`. The job is an ordinary one: others may watch it, and other workers
    may help.

    SIGTERM or Ctrl-C lets running batches end within --grace and gives the rest back; a second one does so at once.
    The job stays then, this says how to go on with it, and the exit code is 143 or 130.

    Exit code 0 when every item completed, 3 when some failed, crashed or were invalid.

    \b
    evtrack run corpus.jsonl --key sourcedb,sourceid --batch-size 50 \\
        --import examples.disease_stats --handler disease-stats
    """  # noqa: D301  # click's mark for lines that are to stay as they are
    if wish.spec is None:
        raise BadArgument("no handler is named", hint="Say who shall work on the items: --handler NAME.")
    worker = Supervisor(
        dsn=dsn,
        setup=slot_setup(options["imports"], options["commands"]),
        slots=options["slots"],
        grace_s=options["grace"],
        lose_grace_s=options["lose_grace"],
        lease_s=options["lease"],
        max_batches=options["max_batches"],
    )
    hint = f"Stopping: what runs may end within {options['grace']:g} s. Once more stops at once."
    with stopping(worker.stop, hint=hint) as came:
        kinds = worker.prepare()
        try:
            if not came.received and wish.spec.handler not in kinds:
                raise UnknownHandler(wish.spec.handler, known=kinds)
            job_id = None if came.received else _submit_and_work(dsn, worker, _with_kind(wish, kinds), came)
        finally:
            worker.close()
    if job_id is not None:
        with connect(dsn, purpose="run") as conn:
            final = job_progress(conn, job_id)
            _tell(final, as_json=as_json, head=None if as_json else job_head(job_status(conn, job_id), final))
        _leave(final, came, work=_work_command(options), quiet=as_json)
    raise click.exceptions.Exit(came.exit_code)


def _with_kind(wish: Wish, kinds: dict[str, str]) -> Wish:
    assert wish.spec is not None  # noqa: S101  asked before
    # Whoever has to part a batch of this job later wants to know whether its items are independent.
    per_item = kinds[wish.spec.handler] == HandlerKind.ITEM
    return replace(wish, spec=replace(wish.spec, policy={**wish.spec.policy, "per_item": per_item}))


def _submit_and_work(dsn: str, worker: Supervisor, wish: Wish, came: Signals) -> int:
    failures: list[BaseException] = []
    with connect(dsn, purpose="submit") as conn, RunProgress(dsn=dsn) as progress:
        with translated():
            require_call(conn, "register_worker")  # before there is a job that nobody here works on
        submitter = wish.begin(conn, told=progress.submitted)
        progress.watch(submitter.job_id)
        worker.await_job(submitter.job_id)

        def submit() -> None:
            try:
                submitter.run()
            except BaseException as error:  # noqa: BLE001  it is raised again where someone hears it
                failures.append(error)
                worker.stop()

        thread = threading.Thread(target=submit, name="evtrack-submit", daemon=True)
        thread.start()
        try:
            worker.run()
        except EvtrackError:
            notice(f"Job {submitter.job_id} stays: evtrack status {submitter.job_id} says what to do with it.")
            raise
        finally:
            submitter.stop()
            thread.join()
    if failures and not came.received:
        raise failures[0]
    return submitter.job_id


def _tell(final: JobProgress, *, as_json: bool, head: Any) -> None:
    if not as_json:
        show(head)
        return
    print_json(
        {
            "job_id": final.job_id,
            "phase": final.phase,
            "total": final.total,
            "done": final.done,
            "failed": final.failed,
            "crashed": final.crashed,
            "invalid": final.invalid,
            "cancelled": final.cancelled,
            "pending": final.pending + final.running,
            "batches": final.batches,
            "seconds": round(final.elapsed_s, 3),
            "items_per_s": round(final.done / final.elapsed_s, 1) if final.elapsed_s else None,
        }
    )


def _work_command(options: dict[str, Any]) -> str:
    given = [("--import", each) for each in options["imports"]] + [("--exec", each) for each in options["commands"]]
    return shlex.join(["evtrack", "work", *(word for pair in given for word in pair)])


def _left(final: JobProgress, work: str) -> str:
    count = final.pending + final.running
    items = "1 item" if count == 1 else f"{count} items"
    left = f"Job {final.job_id} is not finished: {items} of {final.total} wait."
    if final.phase != "sealed":
        left = f"{left[:-1]}, and the source is not read to its end."
        left = f"{left}\nRead the rest: evtrack submit --resume {final.job_id}"
    return f"{left}\nGo on with it: {work}"


def _leave(final: JobProgress, came: Signals, *, work: str, quiet: bool) -> None:
    if final.phase not in {"finished", "cancelled"}:
        notice(_left(final, work))
        if came.received:
            raise click.exceptions.Exit(came.exit_code)
        raise EvtrackError(f"Job {final.job_id} was left {final.phase}.", hint="See `evtrack status`.")
    bad = final.failed + final.crashed + final.invalid + final.cancelled
    if bad and not quiet:
        notice(f"Not all is done: evtrack status {final.job_id} tells why.")
    raise click.exceptions.Exit(NOT_ALL_DONE if bad else 0)
