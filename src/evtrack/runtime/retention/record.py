"""Makes a dataclass of parsed JSON that anybody may have written, and names the field that is wrong."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, Final, TypeVar

from evtrack.domain.text import printable, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

SHOWN: Final = 60
"""How much of a wrong value a message shows, in characters."""


def _is_text(value: object) -> bool:
    # Half a surrogate pair can be written in JSON, and is no text.
    return isinstance(value, str) and not any("\ud800" <= each <= "\udfff" for each in value)


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


# By the annotations of the fields, which are texts.
_KINDS: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    "str": (_is_text, "a text"),
    "str | None": (lambda value: value is None or _is_text(value), "a text or null"),
    "dict[str, str]": (
        lambda value: isinstance(value, dict) and all(map(_is_text, value.values())),
        "an object of texts",
    ),
    "int": (_is_count, "a whole number from 0"),
    "dict[str, int]": (
        lambda value: isinstance(value, dict) and all(map(_is_count, value.values())),
        "an object of whole numbers",
    ),
}


def record(kind: type[T], content: object, where: str = "", **made: object) -> T:
    """Make one.

    Args:
        kind: A dataclass whose fields are texts, whole numbers or counts by name.
        content: What JSON was parsed to.
        where: Where it stands, as `jobs[3].`, to name its fields.
        **made: Fields that are made already, and are not looked at.

    Returns:
        The record.

    Raises:
        ValueError: It has not just these fields, or one is of another kind; the text names it.
    """
    if not isinstance(content, dict):
        raise ValueError(f"{where.rstrip('.') or 'it'} is no object")  # noqa: TRY004  caught with the others
    wanted = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]  # a dataclass, as said
    for name in sorted(content.keys() - wanted.keys()):
        raise ValueError(f"the field {where}{printable(name)} is unknown")
    values = dict(made)
    for name, field in wanted.items():
        if name in made or (name not in content and (field.default, field.default_factory) != (MISSING, MISSING)):
            continue
        if name not in content:
            raise ValueError(f"the field {where}{name} is missing")
        fits, words = _KINDS[str(field.type)]
        if not fits(content[name]):
            raise ValueError(f"the field {where}{name} must be {words}, not {quoted(content[name], SHOWN)}")
        values[name] = content[name]
    return kind(**values)
