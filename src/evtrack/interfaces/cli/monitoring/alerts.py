"""`evtrack alerts`: what watchers have told, and what still waits for one."""

from dataclasses import asdict

import click

from evtrack.domain.column_limits import BIGINT_MAX
from evtrack.interfaces.cli.shared.options import LIMIT, connected, json_option, print_json
from evtrack.interfaces.notices import notice
from evtrack.interfaces.terminal.drawing import show
from evtrack.interfaces.terminal.reports.alerts import alerts_table
from evtrack.interfaces.terminal.text import counted
from evtrack.storage.connection.connect import Connection
from evtrack.storage.monitoring import alert_outbox as outbox
from evtrack.storage.monitoring.alert_outbox import undelivered_alerts
from evtrack.storage.reports import job_reports


@click.command()
@click.option("--job", "job_id", type=click.IntRange(1, BIGINT_MAX), help="Only those of this job.")
@click.option("--undelivered", is_flag=True, help="Only those that no watcher has told yet.")
@click.option("--limit", type=LIMIT, default=50, show_default=True, help="At most so many, latest first.")
@json_option
@connected("alerts")
def alerts(conn: Connection, *, job_id: int | None, undelivered: bool, limit: int, as_json: bool) -> None:
    """List alerts: what went wrong, and whether a watcher has told it."""
    if job_id is not None:
        job_reports.job_key(conn, job_id)
    found = outbox.alerts(conn, limit=limit, job_id=job_id, undelivered=undelivered)
    if as_json:
        print_json([asdict(row) for row in found])
        return
    if not found:
        click.echo("No alert." if not undelivered else "No alert waits.")
        return
    show(alerts_table(found, with_job=job_id is None))
    if len(found) == limit:
        click.echo(f"The latest {counted(limit, 'alert')}; --limit shows more.")
    # Of all jobs, also those that are not shown: a watcher tells them all.
    waiting, _ = undelivered_alerts(conn)
    if waiting:
        notice(f"{counted(waiting, 'alert waits', 'alerts wait')} for a watcher: evtrack watch")
