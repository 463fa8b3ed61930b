"""Acts on the items of a job with a key: retry and quarantine them."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Final

from evtrack.domain.states import BatchStatus, JobPhase
from evtrack.domain.text import printable
from evtrack.interfaces.web.acts.kinds import RETRYABLE, SHOWN, Kind, Preview
from evtrack.interfaces.web.address import NoSuchPage
from evtrack.interfaces.words.act_results import item_reason, items_result
from evtrack.runtime.acts.queue_act import Step
from evtrack.storage.queue import job_control
from evtrack.storage.reports.item_lists import items_by_key
from evtrack.storage.reports.job_reports import job_progress

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from evtrack.interfaces.web.acts.kinds import Target
    from evtrack.storage.connection.connect import Connection
    from evtrack.storage.queue.job_control import ItemVerdict

_COUNTED: Final = 1_000
"""Of how many items with one key those are counted that an act touches: keys repeat seldom."""

_CANCELLABLE: Final = (BatchStatus.PENDING, *RETRYABLE)


def _key(target: Target) -> str:
    if target.key is None:
        raise NoSuchPage
    return target.key


def _title(target: Target) -> str:
    return f"{printable(_key(target), 80)} of job {target.job_id}"


def _preview(conn: Connection, target: Target, act: str, statuses: Iterable[str], effect: str) -> Preview:
    key = _key(target)
    job = job_progress(conn, target.job_id)
    there = items_by_key(conn, key, job_id=job.job_id, limit=_COUNTED)
    found = [each for each in there if each.status in set(statuses)]
    refusal = ""
    if not there:
        refusal = f"Job {job.job_id} has no item with this key."
    elif not found:
        refusal = f"Nothing to {act}: the item {item_reason(there[0].status)}."
    if act == "retry" and job.phase == JobPhase.CANCELLED:
        refusal = f"Job {job.job_id} is cancelled: its items cannot be retried. Submit a new job."
    # With an equals sign, a key may begin with a dash.
    command = f"evtrack {act} {job.job_id} {quote(f'--items={key}')}"
    return Preview(len(found), effect, command, refusal, items=(found or there)[:SHOWN])


def _retry_preview(conn: Connection, target: Target) -> Preview:
    effect = (
        "It returns to the queue with new budgets, apart from the other items of its batch. A finished job is reopened."
    )
    return _preview(conn, target, "retry", target.statuses, effect)


def _quarantine_preview(conn: Connection, target: Target) -> Preview:
    effect = "It is cancelled and never runs again, for good. The other items of its batch do run."
    return _preview(conn, target, "quarantine", _CANCELLABLE, effect)


def _retry(conn: Connection, target: Target) -> Generator[Step]:
    verdicts = job_control.retry_items(conn, target.job_id, [_key(target)], statuses=target.statuses)
    yield _step(verdicts, "retry")


def _quarantine(conn: Connection, target: Target) -> Generator[Step]:
    yield _step(job_control.quarantine_items(conn, target.job_id, [_key(target)]), "quarantined")


def _step(verdicts: list[ItemVerdict], done: str) -> Step:
    left = [each for each in verdicts if each.verdict != done]
    notes = tuple(f"{printable(each.item_key, 200)}: {item_reason(each.verdict)}" for each in left)
    return Step(len(verdicts) - len(left), notes)


RETRY_ITEMS: Final = Kind(
    name="retry items",
    path="/jobs/{job_id}/retry-items",
    noun="item",
    title=lambda target: f"Retry {_title(target)}",
    preview=_retry_preview,
    steps=_retry,
    result=lambda target, changed: items_result(target.job_id, "retry", changed),
)

QUARANTINE: Final = Kind(
    name="quarantine",
    path="/jobs/{job_id}/quarantine",
    noun="item",
    title=lambda target: f"Quarantine {_title(target)}",
    preview=_quarantine_preview,
    steps=_quarantine,
    result=lambda target, changed: items_result(target.job_id, "quarantine", changed),
    is_final=True,
)
