"""Items become batches by size and weight, and items with the same key in a row stay in one batch."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evtrack.domain.batching import Batcher, BatchLimits, ItemBatch, ItemRejected


def split(keys: str, limits: BatchLimits, *, weights: dict[str, int] | None = None) -> list[str]:
    """Batch one item a letter, the letter being its key; return the batches as texts."""
    batcher: Batcher[str] = Batcher(limits)
    closed = [batcher.add(key, key=key, weight=(weights or {}).get(key, 1), size=1) for key in keys]
    return ["".join(batch.items) for batch in [*closed, batcher.flush()] if batch]


@pytest.mark.parametrize(
    ("keys", "size", "expected"),
    [
        ("abcde", 2, ["ab", "cd", "e"]),
        ("abcd", 2, ["ab", "cd"]),
        ("abbbc", 2, ["abbb", "c"]),
        ("aaaa", 1, ["aaaa"]),
        ("abab", 1, ["a", "b", "a", "b"]),
        ("", 3, []),
    ],
)
def test_a_batch_closes_when_it_is_full_and_the_key_changes(keys: str, size: int, expected: list[str]) -> None:
    assert expected == split(keys, BatchLimits(batch_size=size))


def test_weights_fill_a_batch_instead_of_items() -> None:
    assert ["ab", "c", "de"] == split("abcde", BatchLimits(batch_size=10), weights={"a": 3, "b": 9, "c": 30})


def test_a_batch_has_the_sum_of_its_weights() -> None:
    batcher: Batcher[str] = Batcher(BatchLimits(batch_size=5))
    batcher.add("a", key="a", weight=4, size=1)
    batcher.add("b", key="b", weight=3, size=1)
    assert ItemBatch(["a", "b"], 7) == batcher.add("c", key="c", weight=1, size=1)


def test_a_batch_closes_before_it_would_be_too_large() -> None:
    assert ["abc", "de"] == split("abcde", BatchLimits(batch_size=100, max_batch_bytes=3))


@given(st.text("abc", max_size=60), st.integers(1, 6))
def test_no_item_is_lost_or_moved_and_no_run_is_split(keys: str, size: int) -> None:
    batches = split(keys, BatchLimits(batch_size=size))
    assert keys == "".join(batches)
    assert all(left[-1] != right[0] for left, right in pairwise(batches))
    assert all(len(batch) >= size for batch in batches[:-1])


def test_replace_refuses_repeated_keys_in_a_row_and_accepts_later_ones() -> None:
    batcher: Batcher[str] = Batcher(BatchLimits(batch_size=10, mode="replace"))
    batcher.add("a", key="a", weight=1, size=1)
    for _ in range(2):
        with pytest.raises(ItemRejected, match="--mode add"):
            batcher.add("a", key="a", weight=1, size=1)
    for key in "bab":
        batcher.add(key, key=key, weight=1, size=1)
    assert ItemBatch(["a", "b", "a", "b"], 4) == batcher.flush()


def test_replace_knows_the_last_key_of_a_resumed_submission() -> None:
    batcher: Batcher[str] = Batcher(BatchLimits(mode="replace"), last_key="a")
    with pytest.raises(ItemRejected):
        batcher.add("a", key="a", weight=1, size=1)


def test_a_run_of_one_key_that_is_too_large_is_refused_entirely() -> None:
    batcher: Batcher[str] = Batcher(BatchLimits(batch_size=100, max_batch_bytes=4))
    batcher.add("x", key="x", weight=1, size=1)
    batcher.add("a1", key="a", weight=1, size=2)
    batcher.add("a2", key="a", weight=1, size=2)
    with pytest.raises(ItemRejected) as refusal:
        batcher.add("a3", key="a", weight=1, size=2)
    assert ("a1", "a2") == refusal.value.taken_back
    with pytest.raises(ItemRejected) as refusal:
        batcher.add("a4", key="a", weight=1, size=1)
    assert () == refusal.value.taken_back
    assert batcher.run_refused
    batcher.add("y", key="y", weight=1, size=1)
    assert not batcher.run_refused
    assert ItemBatch(["x", "y"], 2) == batcher.flush()


def test_the_rest_of_a_refused_run_is_refused_in_a_resumed_submission() -> None:
    batcher: Batcher[str] = Batcher(BatchLimits(), last_key="a", run_refused=True)
    with pytest.raises(ItemRejected):
        batcher.add("a", key="a", weight=1, size=1)


@pytest.mark.parametrize(
    ("wrong", "named"), [({"batch_size": 0}, "0"), ({"max_batch_bytes": 0}, "0"), ({"mode": "merge"}, "merge")]
)
def test_impossible_limits_are_rejected(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        BatchLimits(**wrong)  # type: ignore[arg-type]


def test_a_batcher_reports_its_state_to_resume_from() -> None:
    batcher: Batcher[str] = Batcher(BatchLimits(max_batch_bytes=1), last_key="k", run_refused=True)
    assert (True, "k", True) == (batcher.is_empty, batcher.last_key, batcher.run_refused)
    batcher.add("a", key="a", weight=1, size=1)
    assert (False, "a", False) == (batcher.is_empty, batcher.last_key, batcher.run_refused)
    batcher.flush()
    assert batcher.is_empty


def test_a_rejection_gives_the_reason_and_the_next_step() -> None:
    replacing: Batcher[str] = Batcher(BatchLimits(mode="replace"), last_key="a")
    with pytest.raises(ItemRejected) as rejection:
        replacing.add("a", key="a", weight=1, size=1)
    assert (
        "the previous item has the same key, and mode replace would keep only one of them: "
        "remove the duplicate, or submit with --mode add"
    ) == rejection.value.reason
    small: Batcher[str] = Batcher(BatchLimits(max_batch_bytes=1), last_key="a", run_refused=True)
    with pytest.raises(ItemRejected) as rejection:
        small.add("a", key="a", weight=1, size=1)
    assert ("consecutive items with this key exceed --max-batch-bytes (1)", ()) == (
        rejection.value.reason,
        rejection.value.taken_back,
    )


@pytest.mark.parametrize("flushed", [False, True])
def test_a_run_may_continue_in_an_empty_batch_up_to_its_limit(flushed: bool) -> None:  # noqa: FBT001
    batcher: Batcher[str] = Batcher(BatchLimits(max_batch_bytes=3), last_key=None if flushed else "a")
    if flushed:
        for item in "xa":
            assert None is batcher.add(item, key=item, weight=1, size=1)
        batcher.flush()
    assert None is batcher.add("second", key="a", weight=1, size=2)
    with pytest.raises(ItemRejected) as rejection:
        batcher.add("third", key="a", weight=1, size=2)
    assert ("second",) == rejection.value.taken_back


def add_each(batcher: Batcher[str], keys: str, weights: list[int]) -> tuple[list[ItemBatch[str]], list[object]]:
    """Add items of as many bytes as they weigh one by one; return the closed batches, and what was rejected."""
    closed: list[ItemBatch[str]] = []
    rejected: list[object] = []
    for key, weight in zip(keys, weights, strict=False):
        try:
            if batch := batcher.add(key, key=key, weight=weight, size=weight):
                closed.append(batch)
        except ItemRejected as rejection:
            rejected.append((rejection.reason, rejection.taken_back))
    return closed, rejected


@given(
    st.lists(st.text("ab", min_size=1, max_size=6), max_size=8),
    st.lists(st.integers(1, 4), min_size=6, max_size=6) | st.just([1] * 6),
    st.builds(
        BatchLimits,
        batch_size=st.integers(1, 6),
        max_batch_bytes=st.integers(4, 40),
        mode=st.sampled_from(["add", "replace"]),
    ),
    st.booleans(),
)
def test_many_items_at_once_become_the_same_batches(
    groups: list[str],
    weights: list[int],
    limits: BatchLimits,
    refused: bool,  # noqa: FBT001
) -> None:
    fast, slow = (Batcher[str](limits, last_key="a", run_refused=refused) for _ in range(2))
    for keys in groups:
        expected = add_each(slow, keys, weights)
        sizes = weights[: len(keys)]
        closed = fast.extend(list(keys), keys=keys, weights=sizes, sizes=sizes)
        assert expected == (add_each(fast, keys, weights) if closed is None else (closed, []))
        assert vars(slow) == vars(fast)


def test_many_items_are_added_at_once_unless_one_may_be_rejected() -> None:
    batcher: Batcher[str] = Batcher(BatchLimits(batch_size=2, max_batch_bytes=9))
    two = [ItemBatch(["a", "b", "b"], 3), ItemBatch(["c", "d"], 2)]
    assert two == batcher.extend(list("abbcde"), keys="abbcde", weights=[1] * 6, sizes=[1] * 6)
    assert None is batcher.extend(["f", "g"], keys="fg", weights=[1, 1], sizes=[4, 5])
    assert ItemBatch(["e"], 1) == batcher.flush()
