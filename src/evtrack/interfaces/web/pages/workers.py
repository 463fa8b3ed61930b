"""The workers: who works, who is silent, and what lost ones held."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from evtrack.domain.alerts.alert import AlertKind
from evtrack.domain.crash import CrashCause
from evtrack.domain.errors import NoSuchJob
from evtrack.interfaces.web.address import Address, link
from evtrack.interfaces.web.page import Page
from evtrack.storage.connection.connect import Connection
from evtrack.storage.reports import system_lists, trouble_lists, worker_reports
from evtrack.storage.reports.batch_reports import Crash
from evtrack.storage.reports.trouble_lists import CrashCursor
from evtrack.storage.reports.worker_reports import LostWorker, RunningItem, WorkerRow

_PAGE: Final = 50
_AT_WORK: Final = 50
_LOST: Final = 10
_HELD: Final = 200
_LOSS: Final = timedelta(minutes=2)
"""How long before and after the loss of a worker the crashes of its batches are looked for."""


@dataclass(frozen=True, slots=True)
class WorkersArgs:
    """Which workers.

    Args:
        every: Whether stopped and lost ones too.
        before: Only those with a smaller number.
    """

    every: bool
    before: int | None


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers at work, or a page of all by their numbers, which are random.

    Args:
        workers: The workers.
        lost: How workers were lost: the latest ones, or those of the page.
        older: Before which number there are more; None if there are none.
        is_cut: Whether more are at work.
    """

    workers: list[WorkerRow]
    lost: list[LostWorker]
    older: int | None
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class OneWorker:
    """A worker.

    Args:
        worker: Its row.
        in_hand: What its slots have had in hand for over a second.
        lost: How it was lost; None if it was not.
        held: What it held when it was lost.
    """

    worker: WorkerRow
    in_hand: list[RunningItem]
    lost: LostWorker | None
    held: list[Crash]


def _parse(address: Address) -> WorkersArgs:
    return WorkersArgs(address.choice("all", ("yes",)) is not None, address.optional_number("before"))


def _address(args: WorkersArgs) -> str:
    return link("/workers", all="yes" if args.every else None, before=args.before)


def _read(conn: Connection, args: WorkersArgs) -> Workers:
    if args.every:
        found = system_lists.workers_page(conn, limit=_PAGE, before=args.before)
        lost = [worker.worker_id for worker in found.rows if worker.state == "lost"]
        return Workers(found.rows, _losses(conn, lost), found.next)
    alerts = system_lists.alerts_page(conn, kind=AlertKind.WORKER_LOST, limit=_LOST)
    ids = [alert.facts.get("worker_id") for alert in alerts.rows]
    lost = [each for each in ids if isinstance(each, int)]
    live = worker_reports.live_workers(conn, limit=_AT_WORK + 1)
    return Workers(live[:_AT_WORK], _losses(conn, lost), None, is_cut=len(live) > _AT_WORK)


def _losses(conn: Connection, worker_ids: list[int]) -> list[LostWorker]:
    found = worker_reports.lost_workers(conn, worker_ids) if worker_ids else []
    return sorted(found, key=lambda lost: lost.lost_at, reverse=True)


def _read_one(conn: Connection, worker_id: int) -> OneWorker:
    found = worker_reports.workers_by_id(conn, [worker_id])
    if not found:
        raise NoSuchJob(f"There is no worker {worker_id}.", hint="`evtrack workers --all` lists the latest workers.")
    worker = found[0]
    if worker.state == "lost":
        lost = next(iter(worker_reports.lost_workers(conn, [worker_id])), None)
        return OneWorker(worker, [], lost, [] if lost is None else _held(conn, lost))
    in_hand = worker_reports.running_items(conn, limit=_HELD, worker_id=worker_id)
    return OneWorker(worker, in_hand, None, [])


def _held(conn: Connection, lost: LostWorker) -> list[Crash]:
    """Read what a worker held when it was lost."""
    begun, until = lost.lost_at - _LOSS, CrashCursor(lost.lost_at + _LOSS, 0, 0)
    found = trouble_lists.crashes_page(
        conn, cause=CrashCause.WORKER_LOST, worker_id=lost.worker_id, day=begun, before=until, limit=_HELD
    )
    return found.rows


WORKERS: Final = Page(
    name="workers",
    path="/workers",
    parse=_parse,
    address=_address,
    read=_read,
    title=lambda _: "Workers",
    every_s=2.0,
)

WORKER: Final = Page(
    name="worker",
    path="/workers/{worker_id}",
    parse=lambda address: address.number("worker_id"),
    address=lambda worker_id: link(f"/workers/{worker_id}"),
    read=_read_one,
    title=lambda page: f"Worker {page.worker.worker_id}",
    every_s=2.0,
)
