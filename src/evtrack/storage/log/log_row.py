"""A row of the log, and how any data that a client wrote into it is read."""

import json
import math
import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, NamedTuple

_DEEPEST: Final = 200
"""Twice the depth that our functions accept; programs that display data descend step by step, to a limited depth."""

_SHOWN: Final = 200
_STEP: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]')
_LONG: Final = re.compile(r"\d{309}")


@dataclass(frozen=True, slots=True)
class LogRow:
    """A row of evtrack.event_log.

    Any event can be read, whatever a client wrote into the table: where `data` is not an object, is nested too deep or
    contains a number that is too long, it is replaced by an object with its beginning as `unreadable`.
    """

    job_day: date
    job_id: int
    batch_no: int
    version: int
    type: str
    attempt: int
    worker_id: int | None
    at: datetime
    seq: int
    xid: int
    data: dict[str, Any]


class LogSnapshot(NamedTuple):
    """What has ended now, the first transaction that has not begun, and where: cluster, database, timeline."""

    snapshot: str
    end: int
    system_identifier: int
    database: int
    timeline: int
    is_standby: bool


def readable(written: str | bytes) -> dict[str, Any]:
    """Parse an event's data.

    Args:
        written: The JSON that the log contains.

    Returns:
        The object, or one with its beginning as `unreadable`.
    """
    text = written if isinstance(written, str) else written.decode()
    try:
        if text.count("[") + text.count("{") > _DEEPEST and _depth(text) > _DEEPEST:
            raise ValueError  # noqa: TRY301  handled like text that is not JSON
        # Most JSON parsers cannot read a number beyond the range of a float.
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
