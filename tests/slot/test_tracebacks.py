"""The formatted frames of an exception are kept by place, and the text is as `traceback` writes it."""

import traceback
from collections.abc import Callable
from typing import Any

import pytest

from evtrack.runtime.slot import failures

SOURCE = """
def act(kind, value):
    if kind == "deep":
        return act("plain", value)
    if kind == "cause":
        raise ValueError(value) from KeyError(value)
    if kind == "context":
        try:
            {}[value]
        except KeyError:
            raise ValueError(value)
    if kind == "suppressed":
        try:
            {}[value]
        except KeyError:
            raise ValueError(value) from None
    if kind == "name":
        return value_
    if kind == "group":
        raise ExceptionGroup(value, [ValueError(value)])
    if kind == "notes":
        error = ValueError(value)
        error.add_note(value)
        raise error
    if kind == "recursion":
        return act(kind, value)
    raise ValueError(value)
"""


def compiled(name: str) -> Callable[[str, Any], Any]:
    space: dict[str, Any] = {}
    exec(compile(SOURCE, name, "exec"), space)  # noqa: S102  its own text
    act: Callable[[str, Any], Any] = space["act"]
    return act


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "_heads", {})
    monkeypatch.setattr(failures, "_PLACES", 3)


@pytest.mark.parametrize(
    "kind", ["plain", "deep", "cause", "context", "suppressed", "name", "group", "notes", "recursion"]
)
def test_a_traceback_is_as_python_formats_it(kind: str) -> None:
    acts = [compiled("one.py"), compiled("two.py")]
    for value in ("first", "second\nline", 3):
        for act in acts:
            try:
                act(kind, value if kind != "group" else str(value))
            except Exception as error:  # noqa: BLE001  what is tested
                expected = "".join(traceback.format_exception(error))
                found = failures.item_failure(0, error, with_traceback=True).traceback
                assert found == (expected if len(expected) <= failures.TRACEBACK_BOUND else found)
                assert expected[-100:] in found


def test_few_places_are_kept() -> None:
    for number in range(10):
        with pytest.raises(ValueError, match=str(number)) as caught:
            compiled(f"{number}.py")("plain", number)
        assert f'"{number}.py"' in failures.item_failure(0, caught.value, with_traceback=True).traceback
        assert len(failures._heads) <= 3
