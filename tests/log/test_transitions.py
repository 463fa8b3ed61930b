"""The two state machines in SQL, in Python and in the diagrams are the same, edge by edge."""

import re
from pathlib import Path

import pytest

from client import Client
from evtrack.domain.states import (
    BATCH_TRANSITIONS,
    JOB_TRANSITIONS,
    BatchStatus,
    BatchTransition,
    EventType,
    JobPhase,
    JobTransition,
    Lease,
)

ROOT = Path(__file__).parents[2]

UNDRAWN = {EventType.LATE_RESULT, EventType.SUSPENDED, EventType.RESUMED}
"""They change neither status nor phase, so the diagrams leave them to the tables below them."""


def drawn(page: str) -> list[set[tuple[str, str, str]]]:
    """Read the edges (event, before, after) of each diagram of a page."""
    diagrams = re.findall(
        r"```mermaid\nstateDiagram-v2\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL
    )
    edge = re.compile(r"^\s*(\S+) --> (\w+): (\w+)", re.MULTILINE)
    return [{(event, before, after) for before, after, event in edge.findall(diagram)} for diagram in diagrams]


def edges(table: tuple[BatchTransition, ...] | tuple[JobTransition, ...]) -> set[tuple[str, str, str]]:
    """Return the edges that a diagram draws."""
    return {(step.type, step.before or "[*]", step.after) for step in table if step.type not in UNDRAWN}


def test_the_diagrams_have_every_transition_and_no_other() -> None:
    batch, job = drawn("docs/state_machine.md")
    assert edges(BATCH_TRANSITIONS) == batch
    assert edges(JOB_TRANSITIONS) == job


def test_the_diagram_of_the_readme_has_only_transitions() -> None:
    (short,) = drawn("README.md")
    assert len(short) > 5
    assert edges(BATCH_TRANSITIONS) >= short


@pytest.mark.integration
def test_the_database_has_the_batch_transitions_of_the_pure_fold(client: Client) -> None:
    rows = client.rows(
        "SELECT t.type::text, b.before::text, coalesce(t.after, b.before)::text AS after, t.lease, t.moved, t.derived"
        " FROM unnest(evtrack.batch_transitions()) t CROSS JOIN unnest(t.before) AS b (before)"
    )
    assert sorted(BATCH_TRANSITIONS, key=str) == sorted(
        (
            BatchTransition(
                EventType(row["type"]),
                row["before"] and BatchStatus(row["before"]),
                BatchStatus(row["after"]),
                row["lease"] and Lease(row["lease"]),
                row["moved"],
                row["derived"],
            )
            for row in rows
        ),
        key=str,
    )


@pytest.mark.integration
def test_the_database_has_the_job_transitions_of_the_pure_fold(client: Client) -> None:
    rows = client.rows(
        "SELECT t.type::text, b.before::text, coalesce(t.after, b.before)::text AS after, t.suspended"
        " FROM unnest(evtrack.job_transitions()) t CROSS JOIN unnest(t.before) AS b (before)"
    )
    assert sorted(JOB_TRANSITIONS, key=str) == sorted(
        (
            JobTransition(
                EventType(row["type"]),
                row["before"] and JobPhase(row["before"]),
                JobPhase(row["after"]),
                row["suspended"],
            )
            for row in rows
        ),
        key=str,
    )


@pytest.mark.integration
def test_each_event_type_leads_to_one_status(client: Client) -> None:
    # batch_status_at() and job_progress_at() read the status from the last event, without the one before.
    for table, key in (("batch", "type, moved"), ("job", "type")):
        assert [] == client.rows(
            f"SELECT {key} FROM (SELECT DISTINCT {key}, after FROM unnest(evtrack.{table}_transitions())) t"
            f" GROUP BY {key} HAVING count(*) > 1"
        )
