"""Handlers: decorated functions and programs that a worker offers.

Every slot imports this module, so it uses only the standard library and imports fast.
"""

import inspect
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

from evtrack.domain.errors import BadArgument, UnknownHandler
from evtrack.domain.text import quoted

CANARY_HANDLER: Final = "evtrack.canary"
"""A handler that every worker offers and that does nothing: `evtrack doctor` uses it, and listings hide its jobs."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


class HandlerKind(StrEnum):
    """What a handler is called with: an item, a batch, or a batch as the input of a program."""

    ITEM = "item"
    BATCH = "batch"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Handler:
    """A named piece of user code.

    Args:
        name: The name by which jobs refer to it.
        kind: What it is called with.
        function: The function; None for a command.
        takes_context: Whether the function takes a context as its second argument.
        origin: Where it is defined, for error messages.
        argv: A command's program and arguments.
    """

    name: str
    kind: HandlerKind
    function: Callable[..., Any] | None
    takes_context: bool
    origin: str
    argv: tuple[str, ...] = ()


class Registry:
    """Handlers by name."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    def __getitem__(self, name: str) -> Handler:
        """Find a handler.

        Raises:
            UnknownHandler: No handler has that name.
        """
        try:
            return self._handlers[name]
        except KeyError:
            raise UnknownHandler(name, known=self._handlers) from None

    def __iter__(self) -> Iterator[Handler]:
        """Iterate over all handlers."""
        return iter(self._handlers.values())

    def add(self, handler: Handler) -> None:
        """Add a handler.

        Args:
            handler: The handler; the same function may be added again, when its module is reloaded.

        Raises:
            BadArgument: The name is empty or not one line, or belongs to another handler.
        """
        if not handler.name or "\n" in handler.name or "\0" in handler.name:
            raise BadArgument(f"a handler's name must be one non-empty line of text, got {handler.name!r}")
        held = self._handlers.get(handler.name)
        if held is not None and held.origin != handler.origin:
            raise BadArgument(
                f"two handlers are named {handler.name!r}: {held.origin} and {handler.origin}; rename one"
            )
        self._handlers[handler.name] = handler

    def only(self, names: Iterable[str]) -> "Registry":
        """Select handlers by name.

        Args:
            names: The names to keep; empty for all.

        Returns:
            A registry of those handlers.

        Raises:
            UnknownHandler: No handler has one of the names.
        """
        chosen = Registry()
        for handler in [self[name] for name in names] or self:
            chosen.add(handler)
        return chosen


OFFERED: Final = Registry()
"""The handlers that decorators have registered in this process."""


def handler(name: str) -> Callable[[_Function], _Function]:
    """Register a function that takes one item.

    It is called with each item of a batch in turn, and with a context if it has a second parameter. Its return value
    is the item's result; an exception fails that item, and the other items of the batch still run.

    Args:
        name: The name by which jobs refer to it.

    Returns:
        A decorator that returns the function unchanged.
    """
    return _decorator(name, HandlerKind.ITEM)


def batch_handler(name: str) -> Callable[[_Function], _Function]:
    """Register a function that takes a whole batch.

    It is called with a batch, which has ``items``, ``keys`` and ``ordinals``, and with a context if it has a second
    parameter. It returns None, or one result for each item in order; an exception fails the batch.

    Args:
        name: The name by which jobs refer to it.

    Returns:
        A decorator that returns the function unchanged.
    """
    return _decorator(name, HandlerKind.BATCH)


def command(name: str, argv: Iterable[str]) -> Handler:
    """Describe a program that reads a batch as JSON lines from its standard input.

    Args:
        name: The name by which jobs refer to it.
        argv: The program and its arguments.

    Returns:
        The handler.
    """
    words = tuple(argv)
    return Handler(
        name, HandlerKind.COMMAND, None, takes_context=False, origin=f"--exec {shlex.join(words)}", argv=words
    )


def parse_command(text: str) -> tuple[str, list[str]]:
    """Parse ``NAME=PROGRAM ARGUMENTS``, quoted as in a shell; no shell runs it.

    Args:
        text: The value of --exec.

    Returns:
        The handler's name and the argument list.

    Raises:
        BadArgument: The name or the program is missing, or a quote is not closed.
    """
    name, _, line = text.partition("=")
    try:
        argv = shlex.split(line)
    except ValueError as error:
        raise BadArgument(f"cannot read the command of --exec {quoted(text)}: {error}") from None
    if not name.strip() or not argv:
        raise BadArgument(f"--exec takes NAME='PROGRAM ARGUMENTS', got {quoted(text)}")
    return name.strip(), argv


def _decorator(name: str, kind: HandlerKind) -> Callable[[_Function], _Function]:
    def offer(function: _Function) -> _Function:
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise BadArgument(f"the handler {name!r} is async; evtrack calls plain functions: use asyncio.run() inside")
        origin = f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', function)}"
        OFFERED.add(Handler(name, kind, function, _takes_context(function), origin))
        return function

    return offer


def _takes_context(function: Callable[..., Any]) -> bool:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return False
    positional = [p for p in parameters if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
    if len(positional) < 2:  # noqa: PLR2004  the item and the context
        return False
    # A second parameter with a default belongs to the author, unless it is named as a context.
    return positional[1].default is positional[1].empty or positional[1].name in {"ctx", "context"}
