"""The handlers: their items, who offers them, how often they crash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from evtrack.interfaces.web.address import Address, link
from evtrack.interfaces.web.page import Page
from evtrack.interfaces.web.pages.crashes import CRASH_MAP
from evtrack.runtime.live.remembered import Remembered
from evtrack.storage.reports import job_lists, trouble_lists, worker_reports
from evtrack.storage.reports.handler_sums import HandlerSums, handler_sums

if TYPE_CHECKING:
    from datetime import date

    from evtrack.interfaces.web.charts.crash_map import MapRow
    from evtrack.storage.connection.connect import Connection
    from evtrack.storage.reports.batch_reports import Crash
    from evtrack.storage.reports.job_reports import JobStatus
    from evtrack.storage.reports.worker_reports import WorkerRow

SUMS_KEPT_S: Final = 10.0
"""For how long the sums of handlers are shown before they are read again: that reads the counters of all jobs."""

_READ: Final = 1_000
_HANDLERS: Final = 60
_JOBS: Final = 10
_CRASHES: Final = 10

SUMS: Final = Remembered(lambda conn: handler_sums(conn, limit=_READ), keep_s=SUMS_KEPT_S)
"""The sums of each database's handlers."""


@dataclass(frozen=True, slots=True)
class HandlerLine:
    """A handler.

    Args:
        sums: The items of its jobs.
        workers: How many live workers offer it.
        slots: How many slots these have.
        rate: Its attempts and crashes on the days of the crash map; None without any.
    """

    sums: HandlerSums
    workers: int
    slots: int
    rate: MapRow | None


@dataclass(frozen=True, slots=True)
class OneHandler:
    """A handler, in detail.

    Args:
        line: Its sums and rate.
        days: The days of its rate, the latest first.
        workers: The live workers that offer it.
        jobs: Its latest jobs.
        crashes: Its latest crashes.
    """

    line: HandlerLine
    days: list[date]
    workers: list[WorkerRow]
    jobs: list[JobStatus]
    crashes: list[Crash]


@dataclass(frozen=True, slots=True)
class Handlers:
    """All handlers, or one.

    Args:
        handlers: Those with most under way first; empty if one was asked for.
        known: How many there are.
        one: The one that was asked for.
    """

    handlers: list[HandlerLine]
    known: int
    one: OneHandler | None


def _read(conn: Connection, name: str | None) -> Handlers:
    workers = worker_reports.live_workers(conn)
    crash_map = CRASH_MAP(conn)
    rates = {row.handler: row for row in crash_map.rows}
    sums = {each.handler: each for each in SUMS(conn)}
    if name is None:
        offered = {handler for worker in workers for handler in worker.handlers} - set(sums)
        known = [*sums.values(), *(_nothing(handler) for handler in sorted(offered))]
        lines = [_line(each, workers, rates.get(each.handler)) for each in known[:_HANDLERS]]
        return Handlers(lines, len(known), None)
    crashes = trouble_lists.crashes_page(conn, handler=name, limit=_CRASHES)
    one = OneHandler(
        line=_line(sums.get(name) or _nothing(name), workers, rates.get(name)),
        days=crash_map.days,
        workers=[worker for worker in workers if name in worker.handlers],
        jobs=job_lists.jobs_page(conn, limit=_JOBS, handler=name).rows,
        crashes=crashes.rows,
    )
    return Handlers([], 1, one)


def _nothing(handler: str) -> HandlerSums:
    return HandlerSums(handler, 0, 0, 0, 0, 0, 0, 0)


def _line(sums: HandlerSums, workers: list[WorkerRow], rate: MapRow | None) -> HandlerLine:
    offering = [worker for worker in workers if worker.state == "alive" and sums.handler in worker.handlers]
    return HandlerLine(sums, len(offering), sum(worker.slots for worker in offering), rate)


def _parse(address: Address) -> str | None:
    return address.text("name")


HANDLERS: Final = Page(
    name="handlers",
    path="/handlers",
    parse=_parse,
    address=lambda name: link("/handlers", name=name),
    read=_read,
    title=lambda page: "Handlers" if page.one is None else f"Handler {page.one.line.sums.handler}",
    every_s=5.0,
)
