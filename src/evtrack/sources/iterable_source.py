"""Makes any Python iterable a source."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import msgspec

from evtrack.sources.records import MAX_ITEM_BYTES, InvalidItem, Record, Records, too_large

# Items are passed on in small groups, so that those of a slow iterable do not wait long.
_GROUP = 64


class IterableSource:
    """The items of an iterable, encoded as JSON. The source is its own only part.

    Args:
        items: Anything that msgspec can encode as JSON: dicts, lists, strings, numbers, dataclasses, and objects with a
            model_dump() such as pydantic's; bytes must be JSON already.
        name: Its name in notes and item keys.
        max_item_bytes: A larger item is invalid.
        key: Returns an item's key; by default the key is made of the item's fields.
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
        """Return None: nothing proves that an iterable has not changed."""
        return None

    def records(self, *, offset: int = 0, line: int = 0) -> Records:  # noqa: ARG002  # the count is the position
        """Yield groups of records; an item's position, from 1, is both its line and its offset."""
        rest = islice(iter(self._items), offset, None)
        position = offset
        while chunk := list(islice(rest, _GROUP)):
            group: list[Record] = []
            self._keys.clear()
            for item in chunk:
                position += 1
                written = self._write(item)
                self.bytes_read += 0 if isinstance(written, InvalidItem) else len(written)
                group.append((position, written, position))
                if self._key is not None:
                    self._keys[position] = str(self._key(item))
            yield group

    def key_of(self, position: int) -> str | None:
        """Return the key that the key function gave an item of the latest group.

        Args:
            position: The item's position.
        """
        return self._keys.get(position)

    def _write(self, item: Any) -> bytes | InvalidItem:
        try:
            if isinstance(item, bytes):
                text = item.strip()
                text.decode()
                text = msgspec.json.format(text, indent=-1) if b"\n" in text else text
            else:
                text = msgspec.json.encode(item, enc_hook=_dump_model)
        except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
            return InvalidItem(f"cannot be encoded as JSON: {error}")
        return text if len(text) <= self._max_item_bytes else too_large(len(text), self._max_item_bytes)


def _dump_model(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is None:
        raise TypeError(f"{type(value).__name__} is not a JSON type")
    return dump(mode="json")
