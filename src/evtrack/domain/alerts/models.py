"""The model of each kind of alert, and how an alert is built from its row in the outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import ConfigDict, ValidationError

from evtrack.domain.alerts.alert import Alert, AlertKind
from evtrack.domain.alerts.condition_alerts import (
    AlertStorm,
    CrashRateHigh,
    NeverStarted,
    NoWorker,
    QueueDeep,
    RunsLong,
    SlotsKeepDying,
)
from evtrack.domain.alerts.incident_alerts import (
    BatchCrashed,
    BatchFailed,
    ItemPoisoned,
    JobAbandoned,
    JobFinishedWithErrors,
    WorkerLostAlert,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class OtherAlert(Alert):
    """An alert of a kind that this version does not know, with its facts exactly as in the database."""

    model_config = ConfigDict(frozen=True, extra="allow")


ALERT_MODELS: Final[Mapping[str, type[Alert]]] = {
    str(AlertKind.BATCH_CRASHED): BatchCrashed,
    str(AlertKind.ITEM_POISONED): ItemPoisoned,
    str(AlertKind.BATCH_FAILED): BatchFailed,
    str(AlertKind.JOB_ABANDONED): JobAbandoned,
    str(AlertKind.JOB_FINISHED_WITH_ERRORS): JobFinishedWithErrors,
    str(AlertKind.WORKER_LOST): WorkerLostAlert,
    str(AlertKind.SLOTS_KEEP_DYING): SlotsKeepDying,
    str(AlertKind.NO_WORKER): NoWorker,
    str(AlertKind.NEVER_STARTED): NeverStarted,
    str(AlertKind.CRASH_RATE_HIGH): CrashRateHigh,
    str(AlertKind.QUEUE_DEEP): QueueDeep,
    str(AlertKind.RUNS_LONG): RunsLong,
    str(AlertKind.ALERT_STORM): AlertStorm,
}
"""The model of each kind."""


def alert_from(row: Mapping[str, Any]) -> Alert:
    """Build an alert from its row in the outbox.

    Args:
        row: Its columns and fields, under the names in the models.

    Returns:
        The alert. If this version does not know its kind or form, its fields are passed on unchanged.
    """
    model = ALERT_MODELS.get(str(row["event"]), OtherAlert)
    try:
        return model.model_validate(row)
    except ValidationError:
        # A field of an unexpected type must not prevent the alert's delivery.
        return OtherAlert.model_validate({key: value for key, value in row.items() if key != "next"})
