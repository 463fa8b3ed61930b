"""Every log event has one name: a constant in one module, used by every log call and listed in docs/logs.md."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from evtrack.domain import log_names

ROOT = Path(__file__).parents[2]
NAMES = {name: value for name, value in vars(log_names).items() if name.isupper()}
LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "msg"}


def calls() -> Iterator[tuple[str, ast.Call, str]]:
    """Walk over all calls of a module's logger, as (place, call, level)."""
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case (
                    ast.Call(func=ast.Attribute(value=ast.Name(id="_log"), attr=level))
                    | ast.Call(func=ast.Attribute(value=ast.Attribute(attr="_log"), attr=level))
                ) if level in LEVELS:
                    yield f"{path.name}:{node.lineno}", node, level


def name_of(call: ast.Call) -> str | None:
    """Return the constant that a call begins with."""
    match call.args:
        case [ast.Attribute(value=ast.Name(id="log_names"), attr=name)]:
            return name
    return None


def rows() -> dict[str, tuple[str, str]]:
    """Return level and keys of each event in the document."""
    text = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| `(\w+)` \| ([^|]+) \| [^|]+ \| ([^|]*) ?\|$", text, re.MULTILINE)
    return {name: (level.strip(), keys) for name, level, keys in found}


def test_a_log_name_resembles_its_constant_and_is_unique() -> None:
    assert len(NAMES) == len(set(NAMES.values()))
    for value in NAMES.values():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", value)


def test_every_log_call_uses_a_constant() -> None:
    places = [place for place, call, _ in calls() if name_of(call) not in NAMES]
    assert [] == places
    assert len(list(calls())) >= 25


def test_every_constant_is_used_and_no_name_is_a_literal_elsewhere() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")}
    for name in NAMES:
        assert any(f"log_names.{name}" in text for text in texts.values()), name
    loggers = [path.name for path, text in texts.items() if re.search(r"^_?log\w* = .*get_logger", text, re.MULTILINE)]
    named = [path.name for path, text in texts.items() if "log_names" in text]
    assert set(loggers) <= set(named)


def test_the_document_lists_every_name_with_its_level_and_keys() -> None:
    told = rows()
    assert set(NAMES.values()) == set(told)
    for place, call, level in calls():
        event = NAMES[name_of(call) or ""]
        # Repeated messages have debug level.
        assert level == "debug" or told[event][0] in {level, "the record's"}, place
        # structlog renders exc_info as `exception`.
        for key in (keyword.arg for keyword in call.keywords if keyword.arg not in {None, "exc_info"}):
            assert re.search(rf"\b{key}\b", told[event][1]), f"{place}: {event} has the key {key}"
