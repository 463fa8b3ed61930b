"""Reads plain lines: each line is an item, a JSON string."""

from collections.abc import Iterable

import msgspec

from evtrack.sources.lines import read_lines
from evtrack.sources.record import MAX_ITEM_BYTES, Fault, Records


def read_text(
    blocks: Iterable[bytes], *, offset: int = 0, line: int = 0, max_item_bytes: int = MAX_ITEM_BYTES
) -> Records:
    """Read plain lines, leaving out empty ones.

    Args:
        blocks: The bytes from `offset` on.
        offset: Where they begin.
        line: How many lines went before.
        max_item_bytes: A longer line is a fault.

    Yields:
        Groups of records.
    """
    for group in read_lines(blocks, offset=offset, line=line, max_item_bytes=max_item_bytes):
        yield [
            (number, text if isinstance(text, Fault) else msgspec.json.encode(text.decode()), end)
            for number, text, end in group
        ]
