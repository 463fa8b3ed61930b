"""The alerts: whether they were delivered, by whom, to which sinks, and what to look at."""

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any, Final

from evtrack.domain.alerts.alert import AlertKind
from evtrack.domain.alerts.models import alert_from
from evtrack.interfaces.web.address import Address, link
from evtrack.interfaces.web.page import Page
from evtrack.interfaces.words.formatting import duration, rate_of
from evtrack.storage.connection.connect import Connection
from evtrack.storage.monitoring import alert_delivery, alert_outbox
from evtrack.storage.monitoring.alert_delivery import DeliveryRow, SinkSums
from evtrack.storage.reports import system_lists
from evtrack.storage.reports.system_lists import AlertEntry

_PAGE: Final = 30
# What tells most comes first: a line shows two facts.
_FIRST: Final = (
    *("item_key", "signal", "exit_code", "cause", "error", "why", "said", "crash_rate_pct", "waited_s", "running_s"),
    *("failed", "crashed", "batches", "items"),
)
# Shown elsewhere in the row.
_HIDDEN: Final = frozenset({"job_id", "batch_no", "final"})


@dataclass(frozen=True, slots=True)
class AlertsArgs:
    """Which alerts.

    Args:
        kind: Only those of this kind.
        undelivered: Only those that no watcher has delivered yet.
        before: Only those with a smaller number.
    """

    kind: str | None
    undelivered: bool
    before: int | None


@dataclass(frozen=True, slots=True)
class ShownAlert:
    """An alert.

    Args:
        alert: Its row.
        facts: What it states, the most important first.
        deliveries: Its deliveries to sinks.
        next: The command that shows more.
        view: For a storm, the query that lists all; empty otherwise.
    """

    alert: AlertEntry
    facts: list[tuple[str, str]]
    deliveries: list[DeliveryRow]
    next: str
    view: str


@dataclass(frozen=True, slots=True)
class Alerts:
    """A page of alerts, the latest first.

    Args:
        undelivered: How many no watcher has delivered yet.
        lag_s: For how long the oldest of them has waited.
        sinks: The sinks with deliveries that are pending, or were given up in the last day.
        kinds: The kinds that there are.
        alerts: The alerts.
        older: Before which number there are more; None if there are none.
    """

    undelivered: int
    lag_s: float
    sinks: list[dict[str, Any]]
    kinds: list[AlertKind]
    alerts: list[ShownAlert]
    older: int | None


def _parse(address: Address) -> AlertsArgs:
    return AlertsArgs(
        kind=address.choice("kind", list(AlertKind)),
        undelivered=address.choice("undelivered", ("yes",)) is not None,
        before=address.optional_number("before"),
    )


def _address(args: AlertsArgs) -> str:
    undelivered = "yes" if args.undelivered else None
    return link("/alerts", kind=args.kind, undelivered=undelivered, before=args.before)


def _read(conn: Connection, args: AlertsArgs) -> Alerts:
    found = system_lists.alerts_page(
        conn, kind=args.kind, undelivered=args.undelivered, before=args.before, limit=_PAGE
    )
    shown = found.rows
    deliveries: defaultdict[int, list[DeliveryRow]] = defaultdict(list)
    for each in alert_delivery.deliveries(conn, [row.alert_id for row in shown]):
        deliveries[each.alert_id].append(each)
    waiting = alert_outbox.undelivered_alerts(conn)
    return Alerts(
        undelivered=waiting.undelivered,
        lag_s=waiting.lag_s,
        sinks=[_sink(each) for each in alert_delivery.sink_sums(conn)],
        kinds=list(AlertKind),
        alerts=[shown_alert(row, deliveries[row.alert_id]) for row in shown],
        older=found.next,
    )


def _sink(found: SinkSums) -> dict[str, Any]:
    return found._asdict()


def shown_alert(row: AlertEntry, deliveries: list[DeliveryRow]) -> ShownAlert:
    """Make what is shown of an alert.

    Args:
        row: The alert.
        deliveries: Its deliveries to sinks.
    """
    known = asdict(row)
    alert = alert_from({**row.facts, **known, "event": row.kind, "level": row.severity, "timestamp": row.created_at})
    return ShownAlert(row, _facts(row.facts), deliveries, alert.next, getattr(alert, "view", ""))


def _facts(facts: dict[str, Any]) -> list[tuple[str, str]]:
    shown = [name for name, value in facts.items() if name not in _HIDDEN and value is not None]
    shown.sort(key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))
    return [(_label(name), _text(name, facts[name])) for name in shown]


def _label(name: str) -> str:
    return name.removesuffix("_s").removesuffix("_pct").replace("_", " ")


def _text(name: str, value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_text("", each) for each in value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and name.endswith("_s"):
        return duration(max(0.0, float(value)))  # type: ignore[arg-type]  # it is a number
    if is_number and name.endswith("_pct"):
        return rate_of(float(value))  # type: ignore[arg-type]  # it is a number
    return str(value)


ALERTS: Final = Page(
    name="alerts",
    path="/alerts",
    parse=_parse,
    address=_address,
    read=_read,
    title=lambda _: "Alerts",
    every_s=2.0,
)
