"""Commands that steer a job: suspend, resume, cancel, retry."""

import click

from evtrack.domain.states import BatchStatus as Status
from evtrack.interfaces.cli.looking import job_argument, words
from evtrack.interfaces.cli.options import connected, json_option, print_json
from evtrack.interfaces.terminal.text import counted
from evtrack.storage import control
from evtrack.storage.database import Connection


@click.command()
@job_argument
@json_option
@connected("suspend")
def suspend(conn: Connection, job_id: int, *, as_json: bool) -> None:
    """Hand out no more batches of a job; what runs goes on."""
    changed = control.suspend_job(conn, job_id)
    said = "is suspended: what runs goes on, nothing more is handed out" if changed else "was suspended already"
    _tell(job_id, "suspend", said, changed=changed, as_json=as_json)


@click.command()
@job_argument
@json_option
@connected("resume")
def resume(conn: Connection, job_id: int, *, as_json: bool) -> None:
    """Hand out a suspended job's batches again."""
    changed = control.resume_job(conn, job_id)
    _tell(job_id, "resume", "goes on" if changed else "was not suspended", changed=changed, as_json=as_json)


@click.command()
@job_argument
@json_option
@connected("cancel")
def cancel(conn: Connection, job_id: int, *, as_json: bool) -> None:
    """Cancel a job for good: what runs goes to its end, the rest never runs."""
    changed = control.cancel_job(conn, job_id)
    said = "is cancelled: what runs goes to its end, the rest never runs" if changed else "was cancelled already"
    _tell(job_id, "cancel", said, changed=changed, as_json=as_json)


@click.command()
@job_argument
@click.option(
    "--status", "statuses", callback=words(Status), help="failed, crashed, or both with a comma.  [default: both]"
)
@click.option(
    "--batch", "batch_nos", type=click.IntRange(min=1), multiple=True, help="Only this batch; may be repeated."
)
@json_option
@connected("retry")
def retry(
    conn: Connection, job_id: int, *, statuses: list[str] | None, batch_nos: tuple[int, ...], as_json: bool
) -> None:
    """Bring failed and crashed batches back, their budgets anew; a finished job is reopened."""
    wanted = statuses or [Status.FAILED, Status.CRASHED]
    number = control.retry_job(conn, job_id, statuses=wanted, batch_nos=batch_nos or None)
    if as_json:
        print_json({"job_id": job_id, "action": "retry", "changed": number > 0, "batches": number})
    else:
        batches = counted(number, "batch", "batches") if number else "no batch"
        come = "comes" if number <= 1 else "come"
        click.echo(f"Job {job_id}: {batches} {'or '.join(wanted) if not number else ''}".rstrip() + f" {come} back.")


def _tell(job_id: int, action: str, said: str, *, changed: bool, as_json: bool) -> None:
    if as_json:
        print_json({"job_id": job_id, "action": action, "changed": changed})
    else:
        click.echo(f"Job {job_id} {said}.")
