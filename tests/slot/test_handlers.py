"""How handlers are defined: by decorators, programs and modules."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import evtrack
from evtrack.domain.errors import BadArgument, HandlerImportError, UnknownHandler
from evtrack.runtime.slot import loading
from evtrack.runtime.slot.handlers import OFFERED, HandlerKind, Registry, parse_command
from evtrack.runtime.slot.loading import load_handlers
from evtrack.runtime.worker.offered_handlers import slot_setup


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = dict(OFFERED._handlers)
    yield
    OFFERED._handlers.clear()
    OFFERED._handlers.update(before)


def test_a_decorator_returns_the_function_unchanged() -> None:
    def double(item: int) -> int:
        return 2 * item

    assert double is evtrack.handler("double")(double)
    assert (HandlerKind.ITEM, double) == (OFFERED["double"].kind, OFFERED["double"].function)
    assert HandlerKind.BATCH == (evtrack.batch_handler("twice")(double), OFFERED["twice"].kind)[1]


def alone(item: Any) -> Any: ...
def both(item: Any, ctx: Any) -> Any: ...
def renamed(item: Any, anything: Any) -> Any: ...
def defaulted(item: Any, ctx: Any = None) -> Any: ...
def own_option(item: Any, strict: int = 1) -> Any: ...
def by_name(item: Any, *, ctx: Any) -> Any: ...
def gathered(*items: Any) -> Any: ...


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (alone, False),
        (both, True),
        (renamed, True),
        (defaulted, True),
        (own_option, False),
        (by_name, False),
        (gathered, False),
        (print, False),
    ],
)
def test_a_handler_with_a_second_argument_gets_a_context(function: Any, wanted: bool) -> None:  # noqa: FBT001
    evtrack.handler("any")(function)
    assert wanted == OFFERED["any"].takes_context


def test_two_handlers_with_one_name_are_refused_with_both_locations() -> None:
    evtrack.handler("same")(len)
    evtrack.handler("same")(len)  # the same one again: its module was reloaded
    with pytest.raises(BadArgument, match=r"builtins\.len and builtins\.max"):
        evtrack.handler("same")(max)


@pytest.mark.parametrize("name", ["", "a\nb", "a\0b"])
def test_a_handler_name_must_be_one_line_of_text(name: str) -> None:
    with pytest.raises(BadArgument, match="a handler's name"):
        evtrack.handler(name)(len)


def test_an_async_function_is_refused_with_an_alternative() -> None:
    async def wait(item: Any) -> None: ...

    with pytest.raises(BadArgument, match=r"asyncio\.run"):
        evtrack.handler("async")(wait)


def test_an_unknown_handler_is_refused_with_the_known_names() -> None:
    registry = Registry()
    with pytest.raises(UnknownHandler, match="offered here: none"):
        registry["absent"]
    OFFERED._handlers.clear()
    evtrack.handler("b")(len)
    evtrack.handler("a")(len)
    with pytest.raises(UnknownHandler, match=r"'absent'; offered here: a, b\."):
        OFFERED.only(["a", "absent"])
    assert ["a"] == [each.name for each in OFFERED.only(["a"])]


def test_a_failed_import_shows_only_the_lines_of_the_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needs_absent.py").write_text("def deep():\n    import absent_module\ndeep()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(HandlerImportError) as caught:
        load_handlers(["needs_absent"], {})
    assert "needs_absent" == caught.value.module
    assert 1 == caught.value.traceback.count("Traceback")
    assert "in deep" in caught.value.traceback
    assert loading.__file__ not in caught.value.traceback


@pytest.mark.parametrize(
    ("text", "name", "argv"),
    [
        ("a=./annotate --fast", "a", ["./annotate", "--fast"]),
        ("a=sh -c 'x=1; echo $x'", "a", ["sh", "-c", "x=1; echo $x"]),
        ("a = cat", "a", ["cat"]),
    ],
)
def test_a_command_is_split_like_in_a_shell(text: str, name: str, argv: list[str]) -> None:
    assert (name, argv) == parse_command(text)


@pytest.mark.parametrize("text", ["", "cat", "=cat", "a=", "a='open"])
def test_an_invalid_command_is_refused_as_it_was_given(text: str) -> None:
    with pytest.raises(BadArgument) as caught:
        parse_command(text)
    assert repr(text) in caught.value.message


@pytest.mark.parametrize("program", ["no-such-program", "./no-such-program", "/etc"])
def test_a_program_that_cannot_run_is_refused_at_the_start(program: str) -> None:
    with pytest.raises(BadArgument, match=f"no executable program '{program}'"):
        slot_setup([], [f"a={program} --fast"])


def test_a_setup_needs_a_handler() -> None:
    with pytest.raises(BadArgument, match="no handler to offer"):
        slot_setup([], [])
    with pytest.raises(BadArgument, match="names 'a' twice"):
        slot_setup([], ["a=cat", "a=tac"])
    told = slot_setup(["m", "m"], ["a=cat"], ["x"])
    assert (["m"], {"a": ["cat"]}, ["x"], str(Path.cwd())) == (told.imports, told.commands, told.only, told.path)
