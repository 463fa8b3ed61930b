"""Write alerts for users: one as a line, or many as a table."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Final

import click
from rich.text import Text

from evtrack.domain.text import printable
from evtrack.interfaces.terminal.drawing import cell, table
from evtrack.interfaces.words.formatting import moment
from evtrack.storage.monitoring.alert_delivery import DELIVERED, GAVE_UP, PENDING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.table import Table

    from evtrack.domain.alerts.alert import Alert
    from evtrack.storage.monitoring.alert_delivery import DeliveryRow
    from evtrack.storage.monitoring.alert_outbox import AlertRow

_COLOURS: Final = {"warning": "yellow", "error": "red"}
_VALUE_LIMIT: Final = 200
# The most important facts come first, because a narrow terminal cuts the rest.
_FIRST: Final = ("cause", "signal", "exit_code", "item_key", "error", "items", "failed", "crashed")


def alert_line(alert: Alert) -> str:
    """Write an alert as one line.

    Returns:
        Its time, level, kind and facts; coloured on a terminal.
    """
    facts = alert.line()
    head = f"{moment(alert.timestamp)} [{facts.pop('level'):<7}] {printable(facts.pop('event'))}"
    if sys.stdout.isatty():
        head = click.style(head, fg=_COLOURS.get(alert.level), bold=alert.level == "error")
    del facts["timestamp"]
    return f"{head}  {_facts(facts)}"


def alerts_table(
    alerts: Sequence[AlertRow], deliveries: Mapping[int, Sequence[DeliveryRow]], *, with_job: bool
) -> Table:
    """Draw a list of alerts.

    Args:
        deliveries: The deliveries of each to sinks.
        with_job: Whether to show the job of each.

    Returns:
        A table with a row per alert.
    """
    job = ["JOB"] if with_job else []
    names = ["ALERT", "WHEN", *job, "BATCH", "KIND", "DELIVERED", "FACTS"]
    drawn = table(*names, right="ALERT JOB BATCH", flexible="FACTS")
    for row in alerts:
        ranked = sorted(row.facts.items(), key=lambda fact: _FIRST.index(fact[0]) if fact[0] in _FIRST else len(_FIRST))
        facts = {name: value for name, value in ranked if name not in {"handler", "job_id", "final"}}
        drawn.add_row(
            str(row.alert_id),
            moment(row.created_at),
            *([str(row.job_id or "")] if with_job else []),
            str(row.batch_no or ""),
            Text(printable(row.kind), style=_COLOURS.get(row.severity, "")),
            _delivered(row, deliveries[row.alert_id]),
            cell(_facts(facts)),
        )
    return drawn


def _delivered(row: AlertRow, deliveries: Sequence[DeliveryRow]) -> Text:
    """Write whether an alert was delivered, and how many of its sinks have accepted it."""
    if not row.delivered_at:
        return Text("no", style="yellow")
    if not deliveries:
        return Text("yes")
    states = [each.state for each in deliveries]
    style = "red" if GAVE_UP in states else "yellow" if PENDING in states else ""
    return Text(f"{states.count(DELIVERED)}/{len(states)} sinks", style=style)


def _facts(facts: dict[str, object]) -> str:
    return " ".join(f"{printable(name)}={_value(value)}" for name, value in facts.items())


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    shown = printable(text, _VALUE_LIMIT)
    return json.dumps(shown, ensure_ascii=False) if " " in shown and isinstance(value, str) else shown
