"""The generated part of docs/alerts.md: a table for each kind of alert, from its model."""

import re
import sys
from pathlib import Path
from typing import Any

from evtrack.domain.alerts.alert import Alert
from evtrack.domain.alerts.models import ALERT_MODELS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "alerts.md"
_BEGIN, _END = "<!-- generated: tests/support/alerts_doc.py -->\n", "<!-- end of the generated part -->\n"


def generated() -> str:
    """Return the tables."""
    common = _rows(Alert)
    parts = ["## Every line\n", _table(common)]
    for kind, model in ALERT_MODELS.items():
        rows = [row for row in _rows(model) if row not in common]
        parts += [f"## `{kind}`\n", f"{_first(model)} Next: `{model.advice}`.\n", _table(rows)]
    return "\n".join(parts)


def written() -> str:
    """Return the generated part as it is in the document now."""
    return _parts()[1]


def _parts() -> tuple[str, str, str]:
    head, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(_BEGIN)
    body, _, tail = rest.partition(_END)
    return head, body, tail


def _first(model: type[Alert]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


def _rows(model: type[Alert]) -> list[tuple[str, str, str, str]]:
    schema = model.model_json_schema(mode="serialization")
    needed = {name for name, field in model.model_fields.items() if field.is_required()} | {"next", "view"}
    return [
        (name, _type(facts), "always" if name in needed else "if known", facts["description"])
        for name, facts in schema["properties"].items()
        if name != "event" or model is Alert
    ]


def _type(facts: dict[str, Any]) -> str:
    if "anyOf" in facts:
        return next(_type(one) for one in facts["anyOf"] if one.get("type") != "null")
    if "enum" in facts:
        return " or ".join(f"`{word}`" for word in facts["enum"])
    if facts.get("format") == "date-time":
        return "time"
    if facts["type"] == "array":
        return "list of " + _type(facts["items"])
    return str(facts["type"])


def _table(rows: list[tuple[str, str, str, str]]) -> str:
    lines = [f"| `{name}` | {kind} | {when} | {what} |" for name, kind, when, what in rows]
    return "\n".join(["| key | type | present | meaning |", "| --- | --- | --- | --- |", *lines]) + "\n"


if __name__ == "__main__":
    head, _, tail = _parts()
    text = head + _BEGIN + generated() + _END + tail
    sys.stdout.write(re.sub(r"\n{3,}", "\n\n", text))
