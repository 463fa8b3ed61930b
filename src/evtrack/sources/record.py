"""What a source yields: records, each the bytes of one item or what is wrong with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

MAX_ITEM_BYTES = 16 * 1024 * 1024
BLOCK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Fault:
    """Say what is wrong with a record, in words for the one who submitted it.

    Args:
        reason: What is wrong.
    """

    reason: str


# (line in its file, the item as one line of JSON or what is wrong, where it ends in its file). A plain tuple: millions
# are made, and a class would cost more than reading the line does.
Record: TypeAlias = tuple[int | None, bytes | Fault, int]

# Records come in groups, one for each block that was read. An empty group means that nothing has come yet.
Records: TypeAlias = Iterator[list[Record]]


def too_large(size: int, max_bytes: int) -> Fault:
    """Word the fault of an item above the limit.

    Args:
        size: Its length in bytes.
        max_bytes: The limit.
    """
    return Fault(f"an item of {size} bytes is above --max-item-bytes ({max_bytes})")


def not_utf8(error: UnicodeDecodeError) -> Fault:
    """Word the fault of bytes that are no UTF-8.

    Args:
        error: What the decoder said.
    """
    return Fault(f"not UTF-8: byte {error.start + 1} is 0x{error.object[error.start]:02x}")
