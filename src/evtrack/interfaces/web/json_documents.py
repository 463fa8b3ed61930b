"""Writes a page's model as JSON."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

from evtrack.domain.text import json_text


def json_document(model: Any) -> str:
    """Write a model as one JSON document.

    Args:
        model: A dataclass of values that JSON has, times, dates, and other dataclasses.

    Returns:
        A line that ends with a newline; times as ISO 8601 in UTC.
    """
    return json_text(asdict(model), default=_json_value) + "\n"


def _json_value(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
