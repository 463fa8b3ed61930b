"""Labels and causes that are defined in both Python and SQL are the same."""

import re
from enum import StrEnum
from pathlib import Path

import pytest

from client import Client
from evtrack.domain.crash import CrashCause
from evtrack.domain.states import BatchStatus, EventType, JobPhase

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("sql_type", "labels"), [("status", BatchStatus), ("phase", JobPhase), ("event_type", EventType)]
)
def test_enum_labels_match_the_database_in_order(client: Client, sql_type: str, labels: type[StrEnum]) -> None:
    rows = client.rows(f"SELECT unnest(enum_range(NULL::evtrack.{sql_type}))::text AS label")
    assert [str(label) for label in labels] == [row["label"] for row in rows]


def test_the_causes_of_crashes_are_the_same_everywhere(client: Client) -> None:
    comment = client.one(
        "SELECT col_description('evtrack.crash'::regclass, attnum) FROM pg_attribute "
        "WHERE attrelid = 'evtrack.crash'::regclass AND attname = 'cause'"
    )
    listed = re.sub(r" \([^)]*\)", "", comment.partition(": ")[2]).rstrip(".").split(", ")
    document = (Path(__file__).parents[2] / "docs/sql_api.md").read_text(encoding="utf-8")
    found = re.search(r"object with `cause` \(([^)]*)\)", document)
    assert found
    causes = [str(cause) for cause in CrashCause]
    assert (causes, causes) == (listed, re.findall(r"`(\w+)`", found[1]))
