"""Reads the outbox of alerts."""

from typing import Any

from client import Client


def alerts(client: Client, job: int | None = None, kind: str | None = None) -> list[dict[str, Any]]:
    """Return the alerts of a job, oldest first."""
    return client.rows(
        "SELECT * FROM evtrack.alert WHERE (%s::bigint IS NULL OR job_id = %s) AND (%s::text IS NULL OR kind = %s)"
        " ORDER BY alert_id",
        job, job, kind, kind,
    )  # fmt: skip


def kinds(client: Client, job: int) -> list[tuple[str, int | None, str]]:
    """Return (kind, batch, severity) of the alerts of a job."""
    return [(row["kind"], row["batch_no"], row["severity"]) for row in alerts(client, job)]
