"""Items -> batches: by size, by weight, and never two batches for one run of the same key."""

from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar

Item = TypeVar("Item")
Mode = Literal["add", "replace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """Say when a batch is full and what may stand in it.

    Args:
        batch_size: A batch is full from this sum of weights on; an item weighs 1 when nothing else is said.
        max_batch_bytes: No batch holds more, nor does a run of items of the same key.
        mode: "replace" refuses an item whose key is that of the item before it; "add" takes it.

    Raises:
        ValueError: A limit is below 1, or the mode unknown.
    """

    batch_size: int = 100
    max_batch_bytes: int = 256 * 1024 * 1024
    mode: Mode = "add"

    def __post_init__(self) -> None:
        """Reject limits that no batch can keep."""
        if self.batch_size < 1:
            raise ValueError(f"a batch holds at least one item: batch_size is {self.batch_size}")
        if self.max_batch_bytes < 1:
            raise ValueError(f"max_batch_bytes is {self.max_batch_bytes}, it must be at least 1")
        if self.mode not in ("add", "replace"):
            raise ValueError(f"mode is {self.mode!r}, it must be 'add' or 'replace'")


class ItemBatch(NamedTuple, Generic[Item]):
    """Hold a full batch. A named tuple: a million may be made of a million items.

    Args:
        items: Its items, in the order they came.
        weight: The sum of their weights.
    """

    items: list[Item]
    weight: int


class ItemRejected(Exception):  # says what happened to an item; the submission goes on
    """An item cannot stand in any batch.

    Args:
        reason: Why, in words for the one who submitted it.
        taken_back: Items of the same run that were in the open batch and are refused with it.
    """

    def __init__(self, reason: str, taken_back: tuple[object, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.taken_back = taken_back


class Batcher(Generic[Item]):
    """Gather items into batches.

    A batch closes when it is full *and* the next item has another key, so the items of one document never lie in
    two batches, and a batch may be larger than its limit.

    Args:
        limits: When a batch is full.
        last_key: The key of the item before the first one, when a submission goes on.
        run_refused: Whether the run of that key was refused.
    """

    def __init__(self, limits: BatchLimits, *, last_key: str | None = None, run_refused: bool = False) -> None:
        self._size = limits.batch_size
        self._max_bytes = limits.max_batch_bytes
        self._replace = limits.mode == "replace"
        self._last_key = last_key
        self._refused_key = last_key if run_refused else None
        self._items: list[Item] = []
        self._weight = self._bytes = 0
        # Where in the open batch the run of the last key begins, and what the batch was before it.
        self._run_start = self._run_weight_before = self._run_bytes_before = 0

    @property
    def is_empty(self) -> bool:
        """Whether no item waits for its batch to close."""
        return not self._items

    @property
    def last_key(self) -> str | None:
        """The key of the last valid item."""
        return self._last_key

    @property
    def run_refused(self) -> bool:
        """Whether the run of the last key is refused."""
        return self._refused_key is not None

    def add(self, item: Item, *, key: str, weight: int, size: int) -> ItemBatch[Item] | None:
        """Take one item.

        Args:
            item: The item.
            key: Its key.
            weight: What it counts towards the batch's size.
            size: Its length in bytes, at most max_batch_bytes.

        Returns:
            The batch that had to close before this item, if one had to.

        Raises:
            ItemRejected: The item stands in no batch.
        """
        closed = None
        if key == self._last_key:
            if self._replace:
                raise ItemRejected(
                    "the same key as the item before it, and replacing would keep only one of the two: "
                    "remove the duplicate, or submit with --mode add"
                )
            if key == self._refused_key or self._bytes - self._run_bytes_before + size > self._max_bytes:
                raise ItemRejected(self._too_long(), self._take_back_run(key))
        else:
            if self._weight >= self._size or (self._items and self._bytes + size > self._max_bytes):
                closed = self.flush()
            self._last_key = key
            self._refused_key = None
            self._run_start = len(self._items)
            self._run_weight_before = self._weight
            self._run_bytes_before = self._bytes
        self._items.append(item)
        self._weight += weight
        self._bytes += size
        return closed

    def flush(self) -> ItemBatch[Item] | None:
        """Close the open batch, full or not: at the end of a file.

        Returns:
            The batch, or None when no item is waiting.
        """
        if not self._items:
            return None
        closed = ItemBatch(self._items, self._weight)
        self._items = []
        self._weight = self._bytes = 0
        self._run_start = self._run_weight_before = self._run_bytes_before = 0
        return closed

    def _take_back_run(self, key: str) -> tuple[Item, ...]:
        """Take the run's earlier items out of the open batch: half a document would be worse than none."""
        taken = tuple(self._items[self._run_start :])
        del self._items[self._run_start :]
        self._weight, self._bytes = self._run_weight_before, self._run_bytes_before
        self._refused_key = key
        return taken

    def _too_long(self) -> str:
        return f"the items of this key in a row are above --max-batch-bytes ({self._max_bytes})"
