"""`evtrack alerts`: delivered alerts, and alerts that wait for a watcher."""

from dataclasses import asdict
from typing import Any

import click

from evtrack.domain.text import printable
from evtrack.interfaces.cli.shared.options import json_option, print_json, with_connection
from evtrack.interfaces.cli.shared.parameter_types import JOB_ID, LIMIT
from evtrack.interfaces.notices import notice
from evtrack.interfaces.terminal.drawing import show
from evtrack.interfaces.terminal.reports.alerts import alerts_table
from evtrack.interfaces.words.formatting import counted, duration
from evtrack.storage.connection.connect import Connection
from evtrack.storage.monitoring import alert_outbox as outbox
from evtrack.storage.monitoring.alert_delivery import DeliveryRow, deliveries, sink_sums
from evtrack.storage.monitoring.alert_outbox import undelivered_alerts
from evtrack.storage.reports import job_reports


@click.command()
@click.option("--job", "job_id", type=JOB_ID, help="Only alerts of this job.")
@click.option("--undelivered", is_flag=True, help="Only alerts that no watcher has delivered yet.")
@click.option("--limit", type=LIMIT, default=50, show_default=True, help="List at most this many alerts, latest first.")
@json_option
@with_connection("alerts")
def alerts(conn: Connection, *, job_id: int | None, undelivered: bool, limit: int, as_json: bool) -> None:
    """List alerts, whether a watcher has delivered them, and whether sinks have accepted them.

    Sinks are what watchers have as --exec, --webhook and --slack.
    """
    if job_id is not None:
        job_reports.job_key(conn, job_id)
    found = outbox.alerts(conn, limit=limit, job_id=job_id, undelivered=undelivered)
    made: dict[int, list[DeliveryRow]] = {row.alert_id: [] for row in found}
    for delivery in deliveries(conn, list(made)):
        made[delivery.alert_id].append(delivery)
    if as_json:
        print_json([{**asdict(row), "deliveries": [_fields(each) for each in made[row.alert_id]]} for row in found])
        return
    if not found:
        click.echo("No undelivered alerts." if undelivered else "No alerts.")
        return
    show(alerts_table(found, made, with_job=job_id is None))
    if len(found) == limit:
        click.echo(f"These are the latest {counted(limit, 'alert')}. Raise --limit to see more.")
    # Of all jobs, including those that are not listed: a watcher delivers them all.
    waiting, _ = undelivered_alerts(conn)
    if waiting:
        notice(f"{counted(waiting, 'alert waits', 'alerts wait')} for a watcher. Start one: evtrack watch")
    for sink in sink_sums(conn):
        if sink.pending:
            last = f" Last error: {printable(sink.error, 200)}" if sink.error else ""
            waiting_for = f"{counted(sink.pending, 'alert waits', 'alerts wait')} for {printable(sink.sink)}"
            step = "Fix it, or start a watcher that has it."
            notice(f"{waiting_for}, the oldest for {duration(round(sink.lag_s))}.{last}\n{step}")
        if sink.gave_up:
            lost = counted(sink.gave_up, "alert was", "alerts were")
            notice(f"{lost} given up for {printable(sink.sink)} in the last day.")


def _fields(delivery: DeliveryRow) -> dict[str, Any]:
    return {name: value for name, value in asdict(delivery).items() if name != "alert_id"}
