"""The small parts of a submission: positions, notes, chunks, recipes and rows."""

from datetime import date
from uuid import uuid4

import pytest

from evtrack.domain.batching import ItemBatch
from evtrack.domain.errors import BadArgument
from evtrack.runtime.submit.chunks import ChunkBuilder
from evtrack.runtime.submit.notes import MAX_NOTES, Notes
from evtrack.runtime.submit.recipe import Recipe
from evtrack.runtime.submit.source_position import SourcePosition
from evtrack.runtime.submit.submission import recipe
from evtrack.storage.submission.open_job import OpenJob
from evtrack.storage.submission.payload_copy import PayloadRows, StoredItem

DAY = date(2026, 11, 24)


def job(*, batches: int = 0, items: int = 0) -> OpenJob:
    return OpenJob(7, DAY, uuid4(), batches, items, 0, None, {}, "h", 0, None)


def batch(size: int, *, payload: bytes = b"1") -> ItemBatch[StoredItem]:
    return ItemBatch([(n, f"k{n}", payload) for n in range(1, size + 1)], size)


class Clock:
    """A clock that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    "position",
    [
        SourcePosition(),
        SourcePosition(2),
        SourcePosition(0, "a.jsonl", 12, 3, "k"),
        SourcePosition(1, "a", 5, None, "k", run_refused=True),
    ],
)
def test_a_position_is_read_as_it_was_stored(position: SourcePosition) -> None:
    assert position == SourcePosition.of(position.stored(None))
    assert position._replace(head="abc") == SourcePosition.of(position.stored("abc"))


def test_a_new_job_has_no_position() -> None:
    assert SourcePosition(part=0, name=None, offset=0, line=0, last_key=None) == SourcePosition.of(None)
    assert {} == SourcePosition().stored(None)


def test_notes_are_counted_in_full_and_stored_up_to_a_limit() -> None:
    first, second = Notes(), Notes()
    for line in range(MAX_NOTES - 1):
        first.add(part="a", line=line, reason="r")
    for line in range(5):
        second.add(part="b", line=line, reason="x" * 1_000, key="k" * 1_000)
    second.move_to(first)
    assert 0 == second.total
    total, kept = first.take()
    assert (MAX_NOTES + 4, MAX_NOTES) == (total, len(kept))
    assert {"source": "b:0", "reason": "x" * 300, "key": "k" * 200} == kept[-1]
    assert (0, []) == first.take()


def test_a_note_without_a_line_names_the_file() -> None:
    notes = Notes()
    notes.add(part="a.json", line=None, reason="r")
    assert [{"source": "a.json", "reason": "r"}] == notes.take()[1]


def test_a_chunk_numbers_batches_and_items_after_the_existing_ones() -> None:
    builder = ChunkBuilder(job(batches=4, items=90))
    builder.add([batch(3)])
    builder.add([batch(2)])
    builder.notes.add(part="a", line=1, reason="r")
    chunk = builder.take(position={"part": 1}, bytes_read=50)
    assert (5, [3, 2], [3, 2], [91, 94]) == (
        chunk.first_batch_no, chunk.item_counts, chunk.weights, chunk.first_ordinals
    )  # fmt: skip
    assert (1, {"part": 1}, 50) == (chunk.invalid, chunk.position, chunk.bytes_read)
    builder.add([batch(1)])
    chunk = builder.take(position={}, bytes_read=60)
    assert (7, [96], 0) == (chunk.first_batch_no, chunk.first_ordinals, chunk.invalid)
    assert (7, 96) == (builder.batches, builder.items)


def test_a_chunk_is_due_by_batches_bytes_or_age() -> None:
    clock = Clock()
    builder = ChunkBuilder(job(), max_batches=3, max_bytes=1_000, max_age_s=1.0, clock=clock)
    assert not builder.is_due
    clock.now += 50
    assert not builder.is_due, "an empty chunk has no age"
    builder.add([batch(1)])
    assert not builder.is_due
    clock.now += 1.0
    assert builder.is_due
    assert not builder.is_full
    builder.take(position={}, bytes_read=0)
    builder.add([batch(1, payload=b"x" * 1_000)])
    assert builder.is_full
    builder.take(position={}, bytes_read=0)
    for _ in range(3):
        assert not builder.is_full
        builder.add([batch(1)])
    assert builder.is_full


def test_a_chunk_of_only_notes_becomes_due_too() -> None:
    clock = Clock()
    builder = ChunkBuilder(job(), clock=clock)
    assert not builder.is_due
    builder.notes.add(part="a", line=1, reason="r")
    clock.now += 1.0
    assert builder.is_due
    assert () == builder.take(position={}, bytes_read=0).rows


def test_rows_are_in_the_binary_copy_format() -> None:
    rows = PayloadRows(job_day=date(2000, 1, 2), job_id=258)
    rows.add(3, 5, [[(9, "k", b"[]"), (None, "ä", b"1")]])
    header = b"PGCOPY\n\xff\r\n\0" + bytes(8)
    first = "0007 00000004 00000001 00000008 0000000000000102 00000004 00000005 00000004 00000003 00000004 00000009"
    second = "0007 00000004 00000001 00000008 0000000000000102 00000004 00000006 00000004 00000003 ffffffff"
    expected = [
        header,
        bytes.fromhex(first) + b"\0\0\0\1k" + b"\0\0\0\2[]",
        bytes.fromhex(second) + b"\0\0\0\2" + "ä".encode() + b"\0\0\0\x011",
        b"\xff\xff",
    ]
    assert b"".join(expected) == b"".join(rows.take())
    assert header + b"\xff\xff" == b"".join(rows.take())


def test_a_recipe_stores_only_values_that_differ_from_the_defaults() -> None:
    made = recipe(key=("a", "b"), batch_size=7, mode=None)
    assert {"key": ["a", "b"], "batch_size": 7} == made.stored()
    assert made == Recipe(**made.stored())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"mode": "merge"}, "mode"),
        ({"format": "xml"}, "format"),
        ({"key": ("",)}, "field name is empty"),
        ({"max_item_bytes": 9, "max_batch_bytes": 8}, r"max_item_bytes \(9\)"),
        ({"format": "lines", "key": ("id",)}, "plain lines"),
        ({"format": "lines", "weight": ("d",)}, "plain lines"),
    ],
)
def test_an_invalid_recipe_is_rejected(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(BadArgument, match=says):
        recipe(**wrong)


def test_lines_can_be_their_own_keys() -> None:
    assert (".",) == recipe(format="lines", key=(".",)).key
