"""Groups items into batches by weight and size; a run of items with the same key stays in one batch."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, compress, pairwise
from operator import ne
from typing import Generic, Literal, NamedTuple, TypeVar

Item = TypeVar("Item")
Mode = Literal["add", "replace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """The limits of a batch.

    Args:
        batch_size: The sum of weights at which a batch is full; by default an item weighs 1.
        max_batch_bytes: The maximum size of a batch, and of a run of items with the same key.
        mode: "replace" rejects an item with the same key as the previous item; "add" accepts it.

    Raises:
        ValueError: A limit is below 1, or the mode is unknown.
    """

    batch_size: int = 100
    max_batch_bytes: int = 256 * 1024 * 1024
    mode: Mode = "add"

    def __post_init__(self) -> None:
        """Reject impossible limits."""
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {self.batch_size}")
        if self.max_batch_bytes < 1:
            raise ValueError(f"max_batch_bytes must be at least 1, not {self.max_batch_bytes}")
        if self.mode not in ("add", "replace"):
            raise ValueError(f"mode must be 'add' or 'replace', not {self.mode!r}")


class ItemBatch(NamedTuple, Generic[Item]):
    """A full batch. A named tuple, because there may be a million of them.

    Args:
        items: Its items, in their order in the source.
        weight: The sum of their weights.
    """

    items: list[Item]
    weight: int


class ItemRejected(Exception):
    """An item cannot be in any batch. The submission notes that and continues.

    Args:
        reason: Why, for the user who submitted it.
        taken_back: Items of the same run that were in the open batch and are rejected, too.
    """

    def __init__(self, reason: str, taken_back: tuple[object, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.taken_back = taken_back


class Batcher(Generic[Item]):
    """Groups items into batches.

    A batch is closed when it is full *and* the next item has another key. So the items of one document are never in two
    batches, and the weight of a batch may exceed its limit.

    Args:
        limits: The limits of a batch.
        last_key: For a resumed submission, the key of the previous item.
        run_refused: Whether the run of that key was rejected.
    """

    def __init__(self, limits: BatchLimits, *, last_key: str | None = None, run_refused: bool = False) -> None:
        self._size = limits.batch_size
        self._max_bytes = limits.max_batch_bytes
        self._replace = limits.mode == "replace"
        self._last_key = last_key
        self._refused_key = last_key if run_refused else None
        self._items: list[Item] = []
        self._weight = self._bytes = 0
        # Where the run of the last key begins in the open batch, and the batch's weight and size before it.
        self._run_start = self._run_weight_before = self._run_bytes_before = 0

    def __len__(self) -> int:
        """Count the items of the open batch."""
        return len(self._items)

    @property
    def is_empty(self) -> bool:
        """Whether the open batch has no items."""
        return not self._items

    @property
    def last_key(self) -> str | None:
        """The key of the last valid item."""
        return self._last_key

    @property
    def run_refused(self) -> bool:
        """Whether the run of the last key was rejected."""
        return self._refused_key is not None

    def add(self, item: Item, *, key: str, weight: int, size: int) -> ItemBatch[Item] | None:
        """Add an item.

        Args:
            size: Its length in bytes, at most max_batch_bytes.

        Returns:
            The batch that was closed before this item, if any.

        Raises:
            ItemRejected: The item cannot be in any batch.
        """
        closed = None
        if key == self._last_key:
            if self._replace:
                raise ItemRejected(
                    "the previous item has the same key, and mode replace would keep only one of them: "
                    "remove the duplicate, or submit with --mode add"
                )
            if key == self._refused_key or self._bytes - self._run_bytes_before + size > self._max_bytes:
                raise ItemRejected(self._run_too_large(), self._take_back_run(key))
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

    def extend(
        self, items: list[Item], *, keys: Sequence[str], weights: Sequence[int], sizes: Sequence[int]
    ) -> list[ItemBatch[Item]] | None:
        """Add many items at once, as `add` would one by one, in a fraction of the time.

        Args:
            items: The items, at least one.
            keys: The key of each.
            weights: The weight of each.
            sizes: The length of each in bytes.

        Returns:
            The batches that were closed; None if one of the items might be rejected or might exceed the size limit of a
            batch. Then nothing was added, and `add` must decide about each.
        """
        starts_run = list(map(ne, keys, chain((self._last_key,), keys)))
        has_runs = not all(starts_run)
        if self._bytes + sum(sizes) > self._max_bytes or (has_runs and (self._replace or self.run_refused)):
            return None
        run_starts = list(compress(range(len(items)), starts_run)) if has_runs else range(len(items))
        before = list(accumulate(weights, initial=self._weight))  # the weight before each item, and after the last one
        cuts = self._cuts(run_starts, before, is_plain=not has_runs and weights.count(1) == len(items))
        held, begun, weight_begun, bytes_held = self._items, 0, 0, self._bytes
        closed: list[ItemBatch[Item]] = []
        if cuts:
            closed.append(ItemBatch([*held, *items[: cuts[0]]], before[cuts[0]]))
            closed += [ItemBatch(items[one:two], before[two] - before[one]) for one, two in pairwise(cuts)]
            held, begun, weight_begun, bytes_held = [], cuts[-1], before[cuts[-1]], 0
        if run_starts:
            last = run_starts[-1]
            self._refused_key = None
            self._run_start = len(held) + last - begun
            self._run_weight_before = before[last] - weight_begun
            self._run_bytes_before = bytes_held + sum(sizes[begun:last])
        self._last_key = keys[-1]
        self._items = [*held, *items[begun:]]
        self._weight = before[-1] - weight_begun
        self._bytes = bytes_held + sum(sizes[begun:])
        return closed

    def _cuts(self, run_starts: Sequence[int], before: Sequence[int], *, is_plain: bool) -> Sequence[int]:
        """Return where new items begin a batch; `is_plain` if each weighs 1 and has another key than the one before."""
        if is_plain:
            return range(max(self._size - self._weight, 0), len(run_starts), self._size)
        cuts: list[int] = []
        run = bisect_left(run_starts, bisect_left(before, self._size))
        while run < len(run_starts):
            start = run_starts[run]
            cuts.append(start)
            run = bisect_left(run_starts, bisect_left(before, self._size + before[start], start), run)
        return cuts

    def flush(self) -> ItemBatch[Item] | None:
        """Close the open batch, full or not, at the end of a file.

        Returns:
            The batch, or None if it has no items.
        """
        if not self._items:
            return None
        closed = ItemBatch(self._items, self._weight)
        self._items = []
        self._weight = self._bytes = 0
        self._run_start = self._run_weight_before = self._run_bytes_before = 0
        return closed

    def _take_back_run(self, key: str) -> tuple[Item, ...]:
        """Remove the run's earlier items from the open batch: half a document would be worse than none."""
        taken = tuple(self._items[self._run_start :])
        del self._items[self._run_start :]
        self._weight, self._bytes = self._run_weight_before, self._run_bytes_before
        self._refused_key = key
        return taken

    def _run_too_large(self) -> str:
        return f"consecutive items with this key exceed --max-batch-bytes ({self._max_bytes})"
