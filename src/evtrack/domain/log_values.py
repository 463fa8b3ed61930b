"""Cuts values of user code to what a log line can hold, whatever they are."""

from __future__ import annotations

import json
import math
from typing import Final

_DEPTH: Final = 12
_ITEMS: Final = 100
_INTEGER: Final = 1 << 64
"""Longer integers are text: most readers of JSON would round them, and Python refuses to print the longest."""
_CUT: Final = "…"
_TRIES: Final = 8


def json_record(facts: object, limit: int) -> str:
    """Write a value as JSON that is no longer than a limit, by cutting what is in it.

    Args:
        facts: Anything; what is not JSON is shown as Python shows it.
        limit: The most bytes in UTF-8.

    Returns:
        One line of JSON.
    """
    text, room = "", limit
    for _ in range(_TRIES):  # pragma: no branch  the last tries have room for nothing, which fits
        text = json.dumps(bounded(facts, room), ensure_ascii=False)
        if len(text.encode("utf-8", "backslashreplace")) <= limit:
            break
        room //= 2
    return text


def bounded(value: object, limit: int) -> object:
    """Cut a value to something that JSON can represent.

    Args:
        value: Anything.
        limit: The most characters to keep, about; one text gets at most half of them.

    Returns:
        Dicts, lists, text, numbers and None; text where a value is infinite, too long or nested too deeply.
    """
    return _Cutter(limit).cut(value, _DEPTH)


class _Cutter:
    def __init__(self, room: int) -> None:
        self._room = room
        self._longest = room // 2

    def cut(self, value: object, depth: int) -> object:
        if value is None or isinstance(value, bool):
            return value
        self._room -= 4
        if isinstance(value, int):
            return int(value) if -_INTEGER < value < _INTEGER else self._text(hex(value))
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else str(float(value))
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return self._dict(value, depth - 1) if depth else _CUT
        if isinstance(value, list | tuple | set | frozenset):
            return self._list(value, depth - 1) if depth else _CUT
        return self._text(_shown(value))

    def _dict(self, value: dict[object, object], depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, each in value.items():
            if self._room <= 0 or len(found) >= _ITEMS:
                found[_CUT] = f"{len(value) - len(found)} more"
                break
            found[self._text(name if isinstance(name, str) else _shown(name))] = self.cut(each, depth)
        return found

    def _list(
        self, value: list[object] | tuple[object, ...] | set[object] | frozenset[object], depth: int
    ) -> list[object]:
        found: list[object] = []
        for each in value:
            if self._room <= 0 or len(found) >= _ITEMS:
                found.append(f"{_CUT} {len(value) - len(found)} more")
                break
            found.append(self.cut(each, depth))
        return found

    def _text(self, value: str) -> str:
        room = max(0, min(self._room, self._longest))
        self._room -= min(len(value), room)
        return str(value) if len(value) <= room else f"{value[:room]}{_CUT}"


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001  __repr__ is user code
        return f"<{type(value).__qualname__}: __repr__ raised {type(error).__qualname__}>"
