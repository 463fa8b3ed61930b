"""The data of events for those who look at it: what was written behind the functions' back is shown cut."""

import json
import math
import re
from typing import Any, Final

from psycopg import Cursor
from psycopg.types.json import set_json_loads

_DEEPEST: Final = 200
"""Twice of what our functions let into the log; what shows data goes down it step by step, and has only so many."""

_SHOWN: Final = 200
_STEP: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]')
_LONG: Final = re.compile(r"\d{309}")


def read_event_data(cursor: Cursor[Any]) -> None:
    """Let a cursor read the data of any event: what cannot be read is an object with the field `unreadable`.

    Args:
        cursor: Reads events.
    """
    set_json_loads(_data, cursor)


def _data(said: str | bytes) -> dict[str, Any]:
    text = said if isinstance(said, str) else said.decode()
    try:
        if text.count("[") + text.count("{") > _DEEPEST and _depth(text) > _DEEPEST:
            raise ValueError  # noqa: TRY301  ends as what is no JSON to Python does
        # A number beyond those that a float has is none to most readers, and to what makes words of it.
        data = json.loads(text, parse_int=_number, parse_float=_number) if _LONG.search(text) else json.loads(text)
    except (RecursionError, ValueError, OverflowError):
        data = None
    if isinstance(data, dict):
        return data
    return {"unreadable": text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"}


def _depth(text: str) -> int:
    depth = deepest = 0
    for found in _STEP.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        deepest = max(deepest, depth)
    return deepest


def _number(digits: str) -> int | float:
    number = float(digits)
    if math.isinf(number):
        raise OverflowError
    return int(digits) if digits.isdecimal() else number
