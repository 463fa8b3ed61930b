"""Reads an item's key and weight, and checks that the item is valid."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec

from evtrack.domain.errors import BadArgument
from evtrack.domain.text import quoted
from evtrack.sources.records import InvalidItem

# A btree entry must fit into a third of a page, so the index on item keys would reject longer keys.
MAX_KEY_BYTES = 1000

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# What the decoder cannot look for in the name of a field.
_UNREADABLE = re.compile(r'["\\\x00-\x1f\ud800-\udfff]')
_ITSELF = "."
_DEFAULT_KEY = ("id",)
_ANY = str | int | float | bool | list[msgspec.Raw] | dict[str, msgspec.Raw] | None

_NAMES: dict[type, str] = {str: "text", int: "a number", float: "a number", bool: "true or false", list: "a list"}


class InvalidItemError(Exception):
    """An item is invalid. The submission notes that and continues.

    Args:
        reason: Why, for the user who submitted it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ItemReader:
    """Reads an item's key and weight without decoding the rest of it.

    Args:
        key: The fields whose values, joined with colons, are the key; "." is the item itself. If empty, the key is the
            field "id" if there is one, else the file and the line.
        weight: The fields whose lists are counted; if empty, an item weighs 1. A value that is not a list counts as 0.
        arrays: Whether an item may be an array.
        key_of: Returns the key of the item on a line; replaces `key`.

    Raises:
        BadArgument: A field name is empty, unreadable or named twice, or "." is combined with other fields.
    """

    def __init__(
        self,
        *,
        key: Sequence[str] = (),
        weight: Sequence[str] = (),
        arrays: bool = False,
        key_of: Callable[[int], str | None] | None = None,
    ) -> None:
        _check_fields(key, weight)
        self._key = tuple(key)
        self._weight = tuple(weight)
        self._arrays = arrays
        self._key_of = key_of
        self._decode: Any = _decoder(self._key, self._weight).decode
        key_names = [f"k{i}" for i in range(len(key or _DEFAULT_KEY))]
        self._values: Callable[[Any], tuple[Any, ...]] = _getter(key_names)
        self._columns: list[Callable[[Any], Any]] = [attrgetter(each) for each in key_names]
        self._lists: Callable[[Any], tuple[Any, ...]] = _getter([f"w{i}" for i in range(len(weight))])

    def read(self, item: bytes, name: str, line: int | None) -> tuple[str, int]:
        """Read one item.

        Args:
            item: The item, valid UTF-8.
            name: The name of its file.
            line: Its line in the file.

        Returns:
            Its key and its weight.

        Raises:
            InvalidItemError: It is not valid JSON, or has no key.
        """
        try:
            found = self._decode(item)
        except (msgspec.ValidationError, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return self._read_whole(item, name, line), 1
        values = self._values(found)
        if self._key_of is not None:
            key = self._key_of(line or 0) or ""
        elif self._key:
            try:
                key = ":".join(values)
            except TypeError:
                key = ":".join([str(value) for value in values])
            if "" in values:
                raise InvalidItemError(f"the key field {self._key[values.index('')]!r} is empty")
        else:
            key = _default(values[0], name, line)
        return _checked(key), self._weight_of(found) if self._weight else 1

    def read_all(
        self, items: Sequence[bytes | InvalidItem], name: str, lines: Sequence[int | None]
    ) -> tuple[list[str], list[int]] | None:
        """Read many items at once, as `read` would one by one, in a fraction of the time.

        Args:
            items: The items, at least one.
            name: The name of their file.
            lines: The line of each.

        Returns:
            Their keys and their weights; None if one of them may be invalid, or is not an object with all key fields.
            Then `read` must decide about each.
        """
        try:
            found = list(map(self._decode, items))
        except (TypeError, msgspec.ValidationError, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return None
        if self._key_of is not None:
            keys = [self._key_of(line or 0) or "" for line in lines]
        else:
            columns = [list(map(column, found)) for column in self._columns]
            if any("" in column for column in columns) and self._key:
                return None
            if self._key or all(type(value) is int for value in columns[0]):
                texts = [list(map(str, column)) for column in columns]
                keys = texts[0] if len(texts) == 1 else list(map(":".join, zip(*texts, strict=True)))
            else:
                keys = [_default(value, name, line) for value, line in zip(columns[0], lines, strict=True)]
        if not (all(keys) and "".join(keys).isprintable() and max(map(len, keys)) * 4 <= MAX_KEY_BYTES):
            return None
        return keys, list(map(self._weight_of, found)) if self._weight else [1] * len(keys)

    def _weight_of(self, found: Any) -> int:
        return max(1, sum([len(value) for value in self._lists(found) if type(value) is list]))

    def _read_whole(self, item: bytes, name: str, line: int | None) -> str:  # noqa: C901  # one error per branch
        """Read an item that is not an object with all key fields: return its key, or raise why it has none."""
        try:
            whole = msgspec.json.decode(item)
        except RecursionError:
            raise InvalidItemError("nested too deeply") from None
        except msgspec.MsgspecError as error:
            position = item.find(b"\0")
            problem = str(error).removeprefix("JSON is malformed: ").lower()
            reason = f"a NUL character (byte {position + 1})" if position >= 0 else f"broken JSON: {problem}"
            raise InvalidItemError(reason) from None
        if whole is None:
            raise InvalidItemError("null is not an item")
        if isinstance(whole, list) and not self._arrays:
            raise InvalidItemError("an array is not an item: each line or element must be one item")
        if self._key == (_ITSELF,):
            if type(whole) not in (str, int, float):
                raise InvalidItemError(f"the item is {_name(whole)}, not text or a number, so it cannot be the key")
            return _checked(str(whole))
        if not self._key:
            return _checked((self._key_of and self._key_of(line or 0)) or _default(None, name, line))
        if not isinstance(whole, dict):
            raise InvalidItemError(f"the item is {_name(whole)}, not an object with a key field {self._key[0]!r}")
        for field in self._key:
            if field not in whole:
                raise InvalidItemError(f"the key field {field!r} is missing")
            if type(whole[field]) not in (str, int, float):
                raise InvalidItemError(f"the key field {field!r} is {_name(whole[field])}, not text or a number")
        raise InvalidItemError("broken JSON")


def _check_fields(key: Sequence[str], weight: Sequence[str]) -> None:
    for option, names in (("key", key), ("weight", weight)):
        for position, name in enumerate(names):
            if not name:
                raise BadArgument(f"{option}: a field name is empty: {quoted(list(names))}")
            if _UNREADABLE.search(name):
                raise BadArgument(
                    f"{option}: the field name {quoted(name)} contains a quote, a backslash, a control character or "
                    "invalid UTF-8",
                    hint="Rename the field in the source.",
                )
            if name in names[:position]:
                raise BadArgument(f"{option}: the field {quoted(name)} is named twice", hint="Name each field once.")
    if _ITSELF in key and (len(key) > 1 or weight):
        raise BadArgument("key: the field . means the item itself, so there can be no other fields")
    for name in weight:
        if name in (key or _DEFAULT_KEY):
            raise BadArgument(
                f"weight: the field {quoted(name)} is {'the key' if key else 'read as the default key'}",
                hint="A weight counts the elements of lists, and a key is text or a number: name list fields as "
                "weight, or other fields as key.",
            )


def _getter(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that reads these attributes at once; a loop over getattr() takes as long as the decoder."""
    if len(names) == 1:
        first = attrgetter(names[0])
        return lambda found: (first(found),)
    return attrgetter(*names) if names else lambda _: ()


@lru_cache
def _decoder(key: tuple[str, ...], weight: tuple[str, ...]) -> Any:
    """Return the decoder of these fields: making it takes as long as enqueuing a job of one item."""
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [(f"k{i}", str | int | float) for i in range(len(key))]
    if not key:
        fields = [("k0", _ANY, None)]
    fields += [(f"w{i}", _ANY, None) for i in range(len(weight))]
    names = {f"k{i}": n for i, n in enumerate(key or _DEFAULT_KEY)} | {f"w{i}": n for i, n in enumerate(weight)}
    return msgspec.json.Decoder(msgspec.defstruct("Item", fields, rename=names, gc=False))


def _default(value: Any, name: str, line: int | None) -> str:
    if (value and type(value) in (str, int)) or (value == 0 and type(value) is int):
        return str(value)
    return name if line is None else f"{name}:{line}"


def _checked(key: str) -> str:
    if not key:
        raise InvalidItemError("the key is empty")
    # isprintable() is fast. It also rejects some valid keys, so the slower search decides about those.
    if not key.isprintable() and (bad := _CONTROL.search(key)):
        raise InvalidItemError(f"the key contains a control character (U+{ord(bad[0]):04X})")
    if len(key) * 4 > MAX_KEY_BYTES and (size := len(key.encode())) > MAX_KEY_BYTES:
        raise InvalidItemError(f"the key has {size} bytes, more than the {MAX_KEY_BYTES} allowed")
    return key


def _name(value: Any) -> str:
    return "null" if value is None else _NAMES.get(type(value), "an object")
