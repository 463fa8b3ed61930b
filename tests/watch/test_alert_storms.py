"""A job that raises many alerts of one kind in a minute: they are counted, and one alert has their number."""

import pytest

from alert_rows import alerts
from client import Claim, Client

pytestmark = pytest.mark.integration


def fail_differently(client: Client, worker: int, claims: list[Claim]) -> None:
    """Fail batches, each with an error of its own type."""
    for claim in claims:
        client.fail(worker, [claim], {"type": f"Error{claim.batch_no}", "message": "no"})


def test_alerts_above_the_rate_per_minute_are_counted_instead_of_raised(client: Client, other: Client) -> None:
    job, worker = client.job(9, max_errors=1, max_alerts=3), client.worker()
    first, *rest = client.claim(worker, job)
    fail_differently(client, worker, [first])
    fail_differently(other, worker, rest[:4])
    fail_differently(client, worker, rest[4:])
    told = len(alerts(client, job))
    kept = client.one("SELECT sum(alerts)::int FROM evtrack.alert_storm WHERE job_id = %s", job)
    assert 9 == told + kept
    assert told in {3, 6}, "6 when the minute ended meanwhile"


def test_a_storm_becomes_one_alert_with_the_count_after_its_minute(client: Client) -> None:
    job, worker = client.job(5, max_errors=1, max_alerts=1), client.worker()
    fail_differently(client, worker, client.claim(worker, job))
    client.conn.execute(
        "UPDATE evtrack.alert_storm SET minute = minute - interval '5 minutes' WHERE job_id = %s", [job]
    )
    client.one("SELECT evtrack.check_alerts()")
    (storm,) = alerts(client, job, "alert_storm")
    assert ("batch_failed", 4, client.handler) == tuple(storm["facts"][name] for name in ("of", "alerts", "handler"))
    client.one("SELECT evtrack.mark_alerts(%s::bigint[], 'x')", [storm["alert_id"]])
    # A late commit is added, and the alert is raised again with the total.
    client.conn.execute(
        "INSERT INTO evtrack.alert_storm SELECT 'batch_failed', job_id, occasion::timestamptz, -1, 2"
        " FROM evtrack.alert WHERE alert_id = %s",
        [storm["alert_id"]],
    )
    client.one("SELECT evtrack.check_alerts()")
    (again,) = alerts(client, job, "alert_storm")
    assert (storm["alert_id"], 6, None) == (again["alert_id"], again["facts"]["alerts"], again["delivered_at"])
    assert 0 == client.one("SELECT count(*) FROM evtrack.alert_storm WHERE job_id = %s", job)
