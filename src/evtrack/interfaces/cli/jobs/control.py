"""Commands that steer a job: suspend, resume, cancel, retry, quarantine."""

from dataclasses import asdict

import click

from evtrack.domain.errors import BadArgument
from evtrack.domain.states import BatchStatus as Status
from evtrack.domain.text import printable, quoted
from evtrack.interfaces.cli.jobs.status import job_argument, words
from evtrack.interfaces.cli.shared.options import BATCH_NO, connected, json_option, print_json
from evtrack.interfaces.notices import notice
from evtrack.interfaces.terminal.text import counted
from evtrack.storage.connection.connect import Connection
from evtrack.storage.queue import job_control

_ENDED_BADLY = (Status.FAILED, Status.CRASHED)


@click.command()
@job_argument
@json_option
@connected("suspend")
def suspend(conn: Connection, job_id: int, *, as_json: bool) -> None:
    """Hand out no more batches of a job; what runs goes on."""
    changed = job_control.suspend_job(conn, job_id)
    said = "is suspended: what runs goes on, nothing more is handed out" if changed else "was suspended already"
    _tell(job_id, "suspend", said, changed=changed, as_json=as_json)


@click.command()
@job_argument
@json_option
@connected("resume")
def resume(conn: Connection, job_id: int, *, as_json: bool) -> None:
    """Hand out a suspended job's batches again."""
    changed = job_control.resume_job(conn, job_id)
    _tell(job_id, "resume", "goes on" if changed else "was not suspended", changed=changed, as_json=as_json)


@click.command()
@job_argument
@json_option
@connected("cancel")
def cancel(conn: Connection, job_id: int, *, as_json: bool) -> None:
    """Cancel a job for good: what runs goes to its end, the rest never runs."""
    changed = job_control.cancel_job(conn, job_id)
    said = "is cancelled: what runs goes to its end, the rest never runs" if changed else "was cancelled already"
    _tell(job_id, "cancel", said, changed=changed, as_json=as_json)


@click.command()
@job_argument
@click.argument("more_keys", metavar="", nargs=-1)
@click.option(
    "--status", "statuses", callback=words(_ENDED_BADLY), help="failed, crashed, or both with a comma.  [default: both]"
)
@click.option(
    "--batch",
    "batch_nos",
    type=BATCH_NO,
    multiple=True,
    help="Only this batch; may be repeated.",
)
@click.option("--items", "item_keys", metavar="KEY...", multiple=True, help="Only the items with these keys.")
@json_option
@connected("retry")
def retry(
    conn: Connection,
    job_id: int,
    *,
    statuses: list[str] | None,
    batch_nos: tuple[int, ...],
    item_keys: tuple[str, ...],
    more_keys: tuple[str, ...],
    as_json: bool,
) -> None:
    """Bring failed and crashed batches or items back, their budgets anew; a finished job is reopened."""
    wanted = statuses or list(_ENDED_BADLY)
    keys = _keys(item_keys, more_keys)
    if keys:
        items = job_control.retry_items(conn, job_id, keys, statuses=wanted, batch_nos=batch_nos or None)
        _tell_items(job_id, "retry", items, as_json=as_json)
        return
    number = job_control.retry_job(conn, job_id, statuses=wanted, batch_nos=batch_nos or None)
    if as_json:
        print_json({"job_id": job_id, "action": "retry", "changed": number > 0, "batches": number})
    else:
        batches = counted(number, "batch", "batches") if number else f"no {' or '.join(wanted)} batch"
        click.echo(f"Job {job_id}: {batches} {'comes' if number <= 1 else 'come'} back.")


@click.command()
@job_argument
@click.argument("more_keys", metavar="", nargs=-1)
@click.option("--items", "item_keys", metavar="KEY...", multiple=True, required=True, help="The keys of the items.")
@json_option
@connected("quarantine")
def quarantine(
    conn: Connection, job_id: int, *, item_keys: tuple[str, ...], more_keys: tuple[str, ...], as_json: bool
) -> None:
    """Keep known poison out: these items of a job are cancelled and never run; the others go on."""
    items = job_control.quarantine_items(conn, job_id, _keys(item_keys, more_keys))
    _tell_items(job_id, "quarantine", items, as_json=as_json)


def _keys(item_keys: tuple[str, ...], more_keys: tuple[str, ...]) -> list[str]:
    # `--items A B C`: click gives the option the first word and leaves the others.
    if more_keys and not item_keys:
        raise click.UsageError(f"What is {quoted(more_keys[0])}? Item keys follow --items.")
    return list(dict.fromkeys((*item_keys, *more_keys)))


_NOT_TAKEN = {
    "unknown": "no item of this job has the key",
    "running": "it is running: try again when it has ended",
    "pending": "it is pending already",
    "completed": "it is completed",
    "cancelled": "it is cancelled for good",
}


def _tell_items(job_id: int, action: str, items: list[job_control.ItemVerdict], *, as_json: bool) -> None:
    done = {"retry": "retry", "quarantine": "quarantined"}[action]
    taken = [item for item in items if item.verdict == done]
    if as_json:
        rows = [asdict(item) for item in items]
        print_json({"job_id": job_id, "action": action, "changed": bool(taken), "items": rows})
    else:
        said = {"retry": "brought back", "quarantine": "kept out, and will not run"}[action]
        click.echo(f"Job {job_id}: {counted(len(taken), 'item') if taken else 'no item'} {said}.")
        for item in items:
            if item.verdict != done:
                why = _NOT_TAKEN.get(item.verdict, f"it is {item.verdict}, which was not asked for")
                notice(f"  {printable(item.item_key, 200)}: {why}")
    if any(item.verdict == "unknown" for item in items):
        raise BadArgument(
            f"Job {job_id} has no item with some of these keys.",
            hint=f"`evtrack batches {job_id}` shows the first keys of each batch; a key is written as there.",
        )


def _tell(job_id: int, action: str, said: str, *, changed: bool, as_json: bool) -> None:
    if as_json:
        print_json({"job_id": job_id, "action": action, "changed": changed})
    else:
        click.echo(f"Job {job_id} {said}.")
