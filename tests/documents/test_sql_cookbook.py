"""docs/sql_cookbook.md shows what its queries return."""

import re

import pytest

import cookbook
from evtrack.storage.connection.connect import Connection

pytestmark = pytest.mark.integration

# The views that users query; the others serve programs, or describe the schema itself.
VIEWS = (
    *("batch_status", "job_status", "job_progress", "item_status", "item_result", "handler_status", "waiting"),
    *("attempt", "crash", "crash_rate_daily", "error_summary", "item_failures", "batch_duration", "slowest_batch"),
    *("worker_status", "alert_outbox", "table_size"),
)


def test_the_cookbook_shows_the_results_of_its_queries(dsn: str, conn: Connection) -> None:
    cookbook.prepare(dsn)
    assert cookbook.written(conn).splitlines() == cookbook.DOCUMENT.read_text(encoding="utf-8").splitlines(), (
        "run bin/cookbook"
    )


def test_every_view_has_a_query_and_every_query_is_one_line() -> None:
    text = cookbook.DOCUMENT.read_text(encoding="utf-8")
    queries = re.findall(r"^```sql\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(queries) >= 20
    assert [] == [query for query in queries if query.count("\n") > 1]
    assert [] == sorted(
        view for view in VIEWS if not any(f"evtrack.{view} " in query.replace(";", " ") for query in queries)
    )
