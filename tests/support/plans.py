"""The plans of what a session runs, as auto_explain reports them, and what can be read from them."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from client import Client

Plan = dict[str, Any]


@contextmanager
def explained(client: Client) -> Iterator[list[Plan]]:
    """Collect the plans of every statement that the session runs, nested ones too.

    Args:
        client: The session; its role must be a superuser.

    Yields:
        The plans so far; clear the list before what is to be looked at.
    """
    plans: list[Plan] = []

    def notice(diagnostic: psycopg.errors.Diagnostic) -> None:
        _, _, plan = (diagnostic.message_primary or "").partition("plan:\n")
        if plan:
            plans.append(json.loads(plan))

    client.conn.add_notice_handler(notice)
    client.conn.execute("LOAD 'auto_explain'")
    for setting in (
        "min_duration = 0",
        "analyze = on",
        "buffers = on",
        "nested_statements = on",
        "format = json",
        "timing = off",
    ):
        client.conn.execute(f"SET auto_explain.log_{setting}".encode())
    client.conn.execute("SET client_min_messages = log")
    yield plans
    client.conn.execute("SET client_min_messages = warning")
    client.conn.execute("SET auto_explain.log_min_duration = -1")
    client.conn.remove_notice_handler(notice)


def nodes(plan: Plan) -> Iterator[Plan]:
    """Walk the nodes of a plan."""
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def rows_read(plan: Plan) -> int:
    """Count the rows that the plan's scans of tables touched, those that they threw away too."""
    return round(sum(_touched(node) * node["Actual Loops"] for node in nodes(plan) if "Relation Name" in node))


def rows_by_table(plans: list[Plan]) -> dict[str, int]:
    """Count the rows that all scans touched, by table; partitions count for their table."""
    found: dict[str, int] = {}
    for plan in plans:
        for node in nodes(plan["Plan"]):
            if "Relation Name" in node:
                table = re.sub(r"_\d{8}$", "", node["Relation Name"])
                found[table] = found.get(table, 0) + round(_touched(node) * node["Actual Loops"])
    return found


def scans(plans: list[Plan], table: str) -> list[tuple[str, str, int]]:
    """Return (node, index, rows read) of each scan of a table, or of its partitions, that was really run."""
    found = []
    for plan in plans:
        for node in nodes(plan["Plan"]):
            name = node.get("Relation Name", "")
            is_wanted = name == table or name.startswith(f"{table}_2")
            if is_wanted and "Scan" in node["Node Type"] and node["Actual Loops"]:
                index = node.get("Index Name") or next((below.get("Index Name", "") for below in nodes(node)), "")
                found.append((node["Node Type"], index, round(node["Actual Loops"] * _touched(node))))
    return found


def blocks(plans: list[Plan]) -> int:
    """Return how many pages the largest statement touched."""
    return max(plan["Plan"].get("Shared Hit Blocks", 0) + plan["Plan"].get("Shared Read Blocks", 0) for plan in plans)


def made_for_one_call(plans: list[Plan]) -> list[str]:
    """Name the statements on partitioned tables whose plan holds the values of this call: the next plans again."""
    return [
        plan["Query Text"].strip()[:60]
        for plan in plans
        if re.search(r"'\d{4}-\d\d-\d\d'::date", json.dumps(plan["Plan"]))
    ]


def compiled(plans: list[Plan]) -> list[str]:
    """Name the statements that were compiled (JIT)."""
    return [plan["Query Text"].strip()[:60] for plan in plans if "JIT" in plan]


def _touched(node: Plan) -> float:
    return float(
        node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    )
