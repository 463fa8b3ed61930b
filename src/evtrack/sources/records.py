"""The records that a source yields: each is an item, or the reason why there is none."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

MAX_ITEM_BYTES = 16 * 1024 * 1024
BLOCK_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True)
class InvalidItem:
    """A record that is not an item.

    Args:
        reason: Why, for the user who submitted it.
    """

    reason: str


# (line in its file, the item as one line of JSON or the reason why there is none, offset of its end in its file).
# A plain tuple: there may be millions, and creating an object takes longer than reading the line.
Record: TypeAlias = tuple[int | None, bytes | InvalidItem, int]

# Records come in groups, one per block that was read. An empty group means that nothing has arrived yet.
Records: TypeAlias = Iterator[list[Record]]


def too_large(size: int, max_bytes: int) -> InvalidItem:
    """Describe an item that exceeds the limit.

    Args:
        size: Its length in bytes.
        max_bytes: The limit.
    """
    return InvalidItem(f"the item has {size} bytes, more than --max-item-bytes ({max_bytes})")


def not_utf8(error: UnicodeDecodeError) -> InvalidItem:
    """Describe bytes that are not valid UTF-8.

    Args:
        error: The decoder's error.
    """
    return InvalidItem(f"not valid UTF-8: byte {error.start + 1} is 0x{error.object[error.start]:02x}")
