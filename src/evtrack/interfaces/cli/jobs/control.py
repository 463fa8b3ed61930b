"""`evtrack suspend`, `resume`, `cancel`, `retry` and `quarantine`: control a job."""

from dataclasses import asdict
from typing import Final

import click

from evtrack.domain.errors import BadArgument
from evtrack.domain.states import BatchStatus as Status
from evtrack.domain.text import printable, quoted
from evtrack.interfaces.cli.shared.options import job_argument, json_option, print_json, with_connection
from evtrack.interfaces.cli.shared.parameter_types import BATCH_NO, Words
from evtrack.interfaces.notices import notice
from evtrack.interfaces.words.act_results import item_reason, items_result, job_result, retry_result
from evtrack.storage.connection.connect import Connection
from evtrack.storage.queue import job_control

_RETRYABLE: Final = (Status.FAILED, Status.CRASHED)


@click.command()
@job_argument
@json_option
@with_connection("suspend", writes=True)
def suspend(conn: Connection, job_id: int, *, as_json: bool) -> None:
    """Suspend a job.

    Running batches continue. Pending batches wait until `evtrack resume`.
    """
    changed = job_control.suspend_job(conn, job_id)
    _report_job(job_id, "suspend", changed=changed, as_json=as_json)


@click.command()
@job_argument
@json_option
@with_connection("resume", writes=True)
def resume(conn: Connection, job_id: int, *, as_json: bool) -> None:
    """Resume a suspended job."""
    changed = job_control.resume_job(conn, job_id)
    _report_job(job_id, "resume", changed=changed, as_json=as_json)


@click.command()
@job_argument
@json_option
@with_connection("cancel", writes=True)
def cancel(conn: Connection, job_id: int, *, as_json: bool) -> None:
    """Cancel a job for good.

    Running batches finish; pending batches never run.
    """
    changed = job_control.cancel_job(conn, job_id)
    _report_job(job_id, "cancel", changed=changed, as_json=as_json)


@click.command()
@job_argument
@click.argument("more_keys", metavar="", nargs=-1)
@click.option(
    "--status",
    "statuses",
    type=Words("STATUS", _RETRYABLE),
    help="Retry only failed or only crashed batches.  [default: failed,crashed]",
)
@click.option("--batch", "batch_nos", type=BATCH_NO, multiple=True, help="Retry only this batch; repeatable.")
@click.option("--items", "item_keys", metavar="KEY...", multiple=True, help="Retry only the items with these keys.")
@json_option
@with_connection("retry", writes=True)
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
    """Return failed and crashed batches to the queue.

    Their budgets are reset. A finished job is reopened.
    """
    wanted = statuses or list(_RETRYABLE)
    keys = _keys(item_keys, more_keys)
    if keys:
        items = job_control.retry_items(conn, job_id, keys, statuses=wanted, batch_nos=batch_nos or None)
        _report_items(job_id, "retry", items, as_json=as_json)
        return
    number = job_control.retry_job(conn, job_id, statuses=wanted, batch_nos=batch_nos or None)
    if as_json:
        print_json({"job_id": job_id, "action": "retry", "changed": number > 0, "batches": number})
    else:
        click.echo(retry_result(job_id, number, wanted))


@click.command()
@job_argument
@click.argument("more_keys", metavar="", nargs=-1)
@click.option(
    "--items", "item_keys", metavar="KEY...", multiple=True, required=True, help="Keys of the items to cancel."
)
@json_option
@with_connection("quarantine", writes=True)
def quarantine(
    conn: Connection, job_id: int, *, item_keys: tuple[str, ...], more_keys: tuple[str, ...], as_json: bool
) -> None:
    """Cancel poison items of a job before they run.

    They never run; the other items of their batches do.
    """
    items = job_control.quarantine_items(conn, job_id, _keys(item_keys, more_keys))
    _report_items(job_id, "quarantine", items, as_json=as_json)


def _keys(item_keys: tuple[str, ...], more_keys: tuple[str, ...]) -> list[str]:
    # Of `--items A B C`, click gives the option only the first word.
    if more_keys and not item_keys:
        raise click.UsageError(f"Unexpected argument {quoted(more_keys[0])}. Put item keys after --items.")
    return list(dict.fromkeys((*item_keys, *more_keys)))


def _report_items(job_id: int, action: str, items: list[job_control.ItemVerdict], *, as_json: bool) -> None:
    done = {"retry": "retry", "quarantine": "quarantined"}[action]
    changed = [item for item in items if item.verdict == done]
    if as_json:
        rows = [asdict(item) for item in items]
        print_json({"job_id": job_id, "action": action, "changed": bool(changed), "items": rows})
    else:
        click.echo(items_result(job_id, action, len(changed)))
        for item in items:
            if item.verdict != done:
                notice(f"  {printable(item.item_key, 200)}: {item_reason(item.verdict)}")
    if any(item.verdict == "unknown" for item in items):
        raise BadArgument(
            f"Job {job_id} has no item with some of these keys.",
            hint=f"`evtrack batches {job_id}` shows the first keys of each batch. Write keys as it shows them.",
        )


def _report_job(job_id: int, action: str, *, changed: bool, as_json: bool) -> None:
    if as_json:
        print_json({"job_id": job_id, "action": action, "changed": changed})
    else:
        click.echo(job_result(job_id, action, changed=changed))
