"""The models of alerts match docs/alerts.md, and an unknown alert is passed on."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

import alerts_doc
from evtrack.domain.alerts.alert import AlertKind
from evtrack.domain.alerts.models import ALERT_MODELS, OtherAlert, alert_from

HEAD = {"level": "error", "timestamp": datetime(2026, 11, 25, 1, 2, 3, tzinfo=UTC), "alert_id": 5}


def test_the_document_has_the_schema_of_each_kind() -> None:
    assert alerts_doc.generated() == alerts_doc.written(), "python tests/support/alerts_doc.py prints the new document"


def test_there_is_a_model_for_each_kind() -> None:
    assert {str(kind) for kind in AlertKind} == set(ALERT_MODELS)


def test_a_line_has_the_known_facts_and_the_next_command() -> None:
    told = alert_from({**HEAD, "event": "batch_failed", "job_id": 3, "batch_no": 7, "error": "ü", "worker": None})
    assert (
        '{"timestamp": "2026-11-25T01:02:03Z", "level": "error", "event": "batch_failed", "alert_id": 5, "job_id": 3,'
        ' "batch_no": 7, "error": "ü", "next": "evtrack show 3 7"}'
    ) == told.text()


def test_a_storm_names_the_view() -> None:
    facts = {"job_id": 3, "of": "batch_crashed", "alerts": 900, "minute": "2026-11-25T01:02Z"}
    line = alert_from({**HEAD, "event": "alert_storm", **facts}).line()
    assert "SELECT * FROM evtrack.crash WHERE job_id = 3 ORDER BY at DESC" == line["view"]
    assert "job_id = 3" in alert_from({**HEAD, "event": "alert_storm", **facts, "of": "new"}).line()["view"]


@pytest.mark.parametrize(
    "told",
    [
        {"event": "of_tomorrow", "job_id": None, "batch_no": None, "what": {"a": 1}},
        {"event": "batch_crashed", "job_id": 3, "batch_no": "seven", "final": 1},
        {"next": "rm -rf /", "event": "worker_lost", "worker_id": "many"},
    ],
)
def test_an_unknown_kind_or_value_is_passed_on_unchanged(told: dict[str, Any]) -> None:
    alert = alert_from({**HEAD, **told})
    assert isinstance(alert, OtherAlert)
    line = json.loads(alert.text())
    assert "next" == list(line)[-1]
    assert line.pop("next") == "evtrack alerts"
    expected = {key: value for key, value in told.items() if value is not None and key != "next"}
    assert expected.items() <= line.items()


@pytest.mark.parametrize(
    ("told", "path"),
    [
        ({"event": "batch_failed", "job_id": 3, "batch_no": 7}, "/jobs/3/batches/7"),
        ({"event": "job_abandoned", "job_id": 3}, "/jobs/3"),
        ({"event": "worker_lost", "worker_id": 9}, "/workers/9"),
        ({"event": "queue_deep", "handler": "a/b?&ü", "batches": 5}, "/handlers?name=a%2Fb%3F%26%C3%BC"),
        ({"event": "of_tomorrow", "handler": "x"}, "/alerts"),
    ],
)
def test_an_alert_links_to_its_page(told: dict[str, Any], path: str) -> None:
    alert = alert_from({**HEAD, **told})
    assert alert is alert.linked(None)
    for base in ("https://ops.example.com/evtrack", "https://ops.example.com/evtrack/"):
        line = alert.linked(base).line()
        assert ("https://ops.example.com/evtrack" + path, "next") == (line.pop("url"), list(line)[-1])
        assert alert.line() == line
