"""The defaults of budgets and thresholds are the same in SQL and in Python."""

from dataclasses import asdict

import pytest

from client import Client
from evtrack.domain.alerts.thresholds import Thresholds
from evtrack.domain.policy import Policy

pytestmark = pytest.mark.integration

DEFAULTS = {name: value for name, value in Policy().model_dump().items() if value is not None}


def test_a_policy_without_a_number_has_the_default_of_the_pure_rules(client: Client) -> None:
    assert "max_errors" in DEFAULTS
    for policy in ("{}", "null", '{"max_errors": null, "backoff_s": "soon"}'):
        assert DEFAULTS == {
            name: client.one("SELECT evtrack.policy_number(%s::jsonb, %s)", policy, name) for name in DEFAULTS
        }


def test_a_policy_keeps_its_own_numbers(client: Client) -> None:
    assert client.one("""SELECT evtrack.policy_number('{"max_errors": 0}', 'max_errors')""") == 0


def test_check_alerts_has_the_thresholds_of_a_watcher(client: Client) -> None:
    (row,) = client.rows("SELECT pg_get_function_arguments('evtrack.check_alerts'::regproc) AS arguments")
    defaults = [each.split(" DEFAULT ")[1] for each in row["arguments"].split(", ")]
    found = client.rows(
        "SELECT extract(epoch FROM {}) AS never_started_s, {} AS max_crash_rate, extract(epoch FROM {}) AS"
        " crash_span_s, {} AS least_attempts, {} AS max_pending,"
        " extract(epoch FROM {}) AS runs_long_s, {} AS runs_long_factor,"
        " extract(epoch FROM {}) AS no_worker_s".format(*defaults)
    )
    assert [asdict(Thresholds())] == found
