"""Makes a source of any Python iterable."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import msgspec

from evtrack.sources.record import MAX_ITEM_BYTES, Fault, Record, Records, too_large

# Items are handed on in small groups, so that a slow iterable is not held back for long.
_GROUP = 64


class IterableSource:
    """The items of an iterable, written as JSON. It is its own only part.

    Args:
        items: Anything that msgspec can write as JSON: dicts, lists, texts, numbers, dataclasses, and objects with a
            model_dump() such as pydantic's; bytes are taken for JSON text as it is.
        name: What notes and item keys call it.
        max_item_bytes: A larger item is a fault.
        key: Makes an item's key; without it the item's fields do.
    """

    def __init__(
        self,
        items: Iterable[Any],
        *,
        name: str = "items",
        max_item_bytes: int = MAX_ITEM_BYTES,
        key: Callable[[Any], Any] | None = None,
    ) -> None:
        self._items = items
        self._key = key
        self._keys: dict[int, str] = {}
        self._max_item_bytes = max_item_bytes
        self.name = name
        self.bytes_total: int | None = None
        self.bytes_read = 0

    def describe(self) -> list[dict[str, Any]]:
        """Return what a job stores about its source."""
        return [{"iterable": self.name}]

    def parts(self, *, head: str | None = None) -> Iterator["IterableSource"]:  # noqa: ARG002  # as FileSource
        """Yield itself."""
        yield self

    def fingerprint(self, offset: int) -> str | None:  # noqa: ARG002  # the Part protocol
        """Return None: nothing proves that an iterable is the same."""
        return None

    def records(self, *, offset: int = 0, line: int = 0) -> Records:  # noqa: ARG002  # the count is the position
        """Yield groups of records; an item's place, from 1, is both its line and its offset."""
        rest = islice(iter(self._items), offset, None)
        place = offset
        while chunk := list(islice(rest, _GROUP)):
            group: list[Record] = []
            self._keys.clear()
            for item in chunk:
                place += 1
                written = self._write(item)
                self.bytes_read += 0 if isinstance(written, Fault) else len(written)
                group.append((place, written, place))
                if self._key is not None:
                    self._keys[place] = str(self._key(item))
            yield group

    def key_of(self, place: int) -> str | None:
        """Return what the key function made of an item of the last group.

        Args:
            place: The item's place.
        """
        return self._keys.get(place)

    def _write(self, item: Any) -> bytes | Fault:
        try:
            if isinstance(item, bytes):
                text = item.strip()
                text.decode()
                text = msgspec.json.format(text, indent=-1) if b"\n" in text else text
            else:
                text = msgspec.json.encode(item, enc_hook=_dumped)
        except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
            return Fault(f"cannot be written as JSON: {error}")
        return text if len(text) <= self._max_item_bytes else too_large(len(text), self._max_item_bytes)


def _dumped(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is None:
        raise TypeError(f"a {type(value).__name__} has no form in JSON")
    return dump(mode="json")
