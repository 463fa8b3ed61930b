"""What stands in Python and in SQL must be the same."""

from enum import StrEnum

import pytest

from client import Client
from evtrack.domain.states import BatchStatus, EventType, JobPhase

pytestmark = pytest.mark.db


@pytest.mark.parametrize(
    ("sql_type", "labels"), [("status", BatchStatus), ("phase", JobPhase), ("event_type", EventType)]
)
def test_the_labels_are_the_same_in_the_same_order(client: Client, sql_type: str, labels: type[StrEnum]) -> None:
    rows = client.rows(f"SELECT unnest(enum_range(NULL::evtrack.{sql_type}))::text AS label")
    assert [str(label) for label in labels] == [row["label"] for row in rows]
