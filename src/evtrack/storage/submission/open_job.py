"""What a submitter holds of its job, and what it appends to it at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from uuid import UUID


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A job that is being submitted, as it stood when this submitter took it.

    Args:
        job_id: The job.
        job_day: Its day.
        submitter: The token that allows to extend it.
        batch_count: The number of its last batch.
        item_count: The ordinal of its last item.
        invalid_count: How many items were invalid.
        position: How far its source was read; None at the beginning.
        source: What it was submitted from, and how.
        handler: Its handler.
        bytes_read: How much of its source was read.
        bytes_total: How large its source is, if that is known.
    """

    job_id: int
    job_day: date
    submitter: UUID
    batch_count: int
    item_count: int
    invalid_count: int
    position: dict[str, Any] | None
    source: dict[str, Any]
    handler: str
    bytes_read: int
    bytes_total: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """What is committed at once: whole batches, and the position that they reach.

    Args:
        first_batch_no: The number of the first batch.
        item_counts: The items of each batch.
        weights: The weight of each batch.
        first_ordinals: The ordinal of each batch's first item.
        rows: The items, as a binary COPY stream in blocks.
        position: Where to go on after this chunk.
        bytes_read: How much of the source was read.
        invalid: How many invalid items lie before that position and behind that of the chunk before.
        notes: What was wrong with the first of them.
    """

    first_batch_no: int
    item_counts: Sequence[int]
    weights: Sequence[int]
    first_ordinals: Sequence[int]
    rows: Sequence[bytes]
    position: Mapping[str, Any]
    bytes_read: int
    invalid: int = 0
    notes: Sequence[Mapping[str, str]] = field(default=())
