"""Models of the pages about crashes, items, handlers, workers, alerts and storage, whose texts are all the same."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from evtrack.domain.alerts.alert import AlertKind
from evtrack.domain.crash import CrashCause
from evtrack.interfaces.web.charts.crash_map import crash_grid
from evtrack.interfaces.web.pages.alerts import Alerts, AlertsArgs, shown_alert
from evtrack.interfaces.web.pages.crashes import Crashes, CrashesArgs, CrashMap
from evtrack.interfaces.web.pages.doctor import Doctor
from evtrack.interfaces.web.pages.handlers import HandlerLine, Handlers, OneHandler
from evtrack.interfaces.web.pages.help import ADDRESSES, BADGES, KEYS, STATUSES, Help
from evtrack.interfaces.web.pages.items import Items, ItemsArgs, Life, summary
from evtrack.interfaces.web.pages.proof import Proof, ProofArgs, ProvedJob
from evtrack.interfaces.web.pages.storage import Storage
from evtrack.interfaces.web.pages.workers import OneWorker, Workers, WorkersArgs
from evtrack.interfaces.words.proof_badge import ProofBadge
from evtrack.runtime.doctor.findings import Finding, Level
from evtrack.storage.monitoring.alert_delivery import DeliveryRow
from evtrack.storage.reports.handler_sums import HandlerSums
from evtrack.storage.reports.item_lists import ItemPlace
from evtrack.storage.reports.system_lists import AlertEntry, StoredDay, TableSize
from evtrack.storage.reports.trouble_lists import CrashCell
from evtrack.storage.reports.verifications import Verification
from evtrack.storage.reports.worker_reports import LostWorker, RunningItem, WorkerRow
from evtrack.storage.retention.ledger import LedgerLine
from page_samples import AT, Sample, crash, job_status

if TYPE_CHECKING:
    from collections.abc import Callable

DAY = AT.date()


def _map(text: str) -> CrashMap:
    days = [DAY - timedelta(days=number) for number in range(4)]
    found = [
        CrashCell(text, DAY, 1204, 1200, 1, 3, 0),
        CrashCell(text, days[1], 10, 10, 0, 0, 0),
        CrashCell("other", days[2], 5, 0, 0, 5, 0),
    ]
    return CrashMap(AT, days, crash_grid(found, days, limit=9), 12)


def _crashes(text: str) -> Sample:
    return Sample(
        CrashesArgs(text, "signal", DAY, None), Crashes(_map(text), [CrashCause.SIGNAL], [crash(text)], "1-2-3")
    )


def _items(text: str) -> Sample:
    place = ItemPlace(12, 3, text, "crashed", 7, 2, text, [1, 7], 4, AT, AT, text, text, "sealed", DAY)
    lives = [Life("poison", place)]
    return Sample(ItemsArgs(text, None, None, 0), Items(text, summary(lives), lives, [crash(text)], has_older=True))


def _line(text: str) -> HandlerLine:
    return HandlerLine(HandlerSums(text, 2, 30, 10, 50, 3, 2, 1), 0, 0, _map(text).rows[-1])


def _handlers(text: str) -> Sample:
    return Sample(None, Handlers([_line(text)], 70, None))


def _handler(text: str) -> Sample:
    one = OneHandler(_line(text), _map(text).days, [worker(text)], [job_status(text)], [crash(text)])
    return Sample(text, Handlers([], 1, one))


def worker(text: str, state: str = "alive") -> WorkerRow:
    """Make a worker whose texts are all the same."""
    return WorkerRow(1, text, state, text, 4711, [text, "other"], 4, 1, text, AT, AT, 0.1)


def _lost(text: str) -> LostWorker:
    return LostWorker(1, text, text, 4711, [text], AT, AT, text, 2, 0)


def _workers(text: str) -> Sample:
    return Sample(WorkersArgs(every=True, before=9), Workers([worker(text), worker(text, "lost")], [_lost(text)], 8))


def _worker(text: str) -> Sample:
    running = RunningItem(12, 7, 1, 1, text, text, 0, text, text, 3, 5, AT, 100.0, 50, 1.0, 2.0)
    return Sample(1, OneWorker(worker(text, "silent"), [running], None, []))


def _lost_worker(text: str) -> Sample:
    return Sample(1, OneWorker(worker(text, "lost"), [], _lost(text), [crash(text)]))


def _alerts(text: str) -> Sample:
    facts = {"signal": text, "item_key": text, "items": text, "run_s": 3.25, "handler": text, "handlers": [text, text]}
    delivery = DeliveryRow(1, text, "pending", 2, AT, None, None, text, text)
    kinds = {"batch_crashed": (12, 7), "job_abandoned": (12, None), "worker_lost": (None, None), text: (None, None)}
    found = [
        shown_alert(
            AlertEntry(
                number, kind, "error", job_id, batch_no, AT, AT, text, AT,
                facts | ({"worker_id": 1} if kind == "worker_lost" else {}), text, 1, 1,
            ),
            [delivery],
        )
        for number, (kind, (job_id, batch_no)) in enumerate(kinds.items(), 1)
    ]  # fmt: skip
    sinks = [{"sink": text, "pending": 1, "gave_up": 1, "lag_s": 4.0, "error": text}]
    return Sample(
        AlertsArgs(None, undelivered=False, before=9), Alerts(3, 90.0, sinks, [AlertKind.BATCH_CRASHED], found, 8)
    )


def _proof(text: str) -> Sample:
    found = Verification(12, AT, text, "damaged", 100, 30, [{"field": text, "log": text, "batch_no": 3}], "ab" * 32)
    job = ProvedJob(12, text, text, "finished", False, "ok", 0, AT, ProofBadge.DAMAGED, found)
    return Sample(ProofArgs(12, None), Proof([job], [found], None))


def _storage(text: str) -> Sample:
    line = LedgerLine(
        3, DAY, text, text, "finished", {"completed": 9}, {"done": 90}, 4, 100, AT, AT, AT, text, "ab" * 32
    )
    days = [StoredDay(DAY, 4096, 3, 2, 12), StoredDay(DAY, 4096, 1, 0, None)]
    return Sample(9, Storage(8192, AT, [TableSize("event", 3, 9, 5, 5, 10)], days, 400, [line], 2))


def _doctor(text: str) -> Sample:
    return Sample(True, Doctor(AT, 1, [Finding(text, level, text, text) for level in Level]))


def _help(text: str) -> Sample:
    del text
    return Sample((), Help(KEYS, STATUSES, BADGES, ADDRESSES))


ROOM_SAMPLES: dict[str, Callable[[str], Sample]] = {
    "crashes": _crashes,
    "items": _items,
    "handlers": _handlers,
    "handlers:one": _handler,
    "workers": _workers,
    "worker": _worker,
    "worker:lost": _lost_worker,
    "alerts": _alerts,
    "proof": _proof,
    "storage": _storage,
    "doctor": _doctor,
    "help": _help,
}
"""What makes a model of a text, by template; a template that shows several things has a name for each."""
