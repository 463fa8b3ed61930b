"""A claimed batch: its key in reports, and the items in it."""

import pytest

from evtrack.domain.claimed_batch import ClaimedBatch


def batch(item_keys: bytes | None = b"a\nb\nc", ordinals: bytes = b"{[4,6),[9,10)}") -> ClaimedBatch:
    return ClaimedBatch(3, 5, 2, b"h", ordinals, item_keys, None, None, None)  # type: ignore[arg-type]  # NULL keys


def test_a_batch_is_identified_by_job_number_and_attempt() -> None:
    assert (3, 5, 2) == batch().key


def test_a_name_that_is_not_utf8_can_be_displayed() -> None:
    assert "ä\ufffd" == batch()._replace(handler="ä".encode() + b"\xff").handler_name


@pytest.mark.parametrize(("count", "keys"), [(3, b"a\nb\nc"), (1, b"a"), (1, b""), (1, None)])
def test_items_are_counted_by_their_keys(count: int, keys: bytes | None) -> None:
    assert count == batch(keys).item_count


def test_the_ordinals_are_listed_in_order() -> None:
    assert [4, 5, 9] == batch().ordinal_list()


@pytest.mark.parametrize(("index", "expected"), [(0, ("a", 4)), (2, ("c", 9)), (3, (None, None)), (None, (None, None))])
def test_an_item_is_found_by_its_index(index: int | None, expected: tuple[str | None, int | None]) -> None:
    assert expected == batch().item(index)


def test_keys_may_contain_spaces() -> None:
    assert ("a b", 4) == batch(b"a b\nc").item(0)


def test_the_only_item_needs_no_index() -> None:
    assert ("", 7) == batch(None, b"{[7,8)}").item(None)
    assert ("ä\ufffd", 7) == batch("ä".encode() + b"\xff", b"{[7,8)}").item(None)


def test_an_item_without_an_ordinal_is_unknown() -> None:
    assert (None, None) == batch(b"a\nb", b"{[7,8)}").item(1)
