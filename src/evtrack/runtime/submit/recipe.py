"""How a source becomes batches: stored with the job, so that a submission can go on as it began."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evtrack.domain.batching import BatchLimits, Mode
from evtrack.sources.formats import Format
from evtrack.sources.record import MAX_ITEM_BYTES

DEFAULT_BATCH_SIZE = 100

# A worker gets a batch as one value, with its keys, and PostgreSQL makes none above 1 GB: such a batch would never run.
MOST_BATCH_BYTES = 512 * 1024 * 1024


class Recipe(BaseModel):
    """Say how a source becomes batches.

    Args:
        key: The fields that make an item's key; see `evtrack.sources.items.ItemReader`.
        weight: The fields whose lists are counted for the batch size; without any, items are.
        batch_size: A batch is full from this many items, or this weight, on.
        mode: "replace" refuses an item with the key of the item before it; "add" takes it.
        format: How to read every file; None goes by the names.
        max_item_bytes: A larger item is invalid.
        max_batch_bytes: No batch is larger, at most 512 MiB; a longer run of items of the same key is invalid.
        sources: What `describe()` of the source returned.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: tuple[str, ...] = ()
    weight: tuple[str, ...] = ()
    batch_size: int = Field(default=DEFAULT_BATCH_SIZE, ge=1)
    mode: Mode = "add"
    format: Format | None = None
    max_item_bytes: int = Field(default=MAX_ITEM_BYTES, ge=1)
    max_batch_bytes: int = Field(default=256 * 1024 * 1024, ge=1, le=MOST_BATCH_BYTES)
    sources: tuple[dict[str, Any], ...] = ()

    @model_validator(mode="after")
    def _an_item_fits_a_batch(self) -> "Recipe":
        if self.max_item_bytes > self.max_batch_bytes:
            raise ValueError(
                f"max_item_bytes ({self.max_item_bytes}) is above max_batch_bytes ({self.max_batch_bytes})"
            )
        return self

    @property
    def limits(self) -> BatchLimits:
        """When a batch is full."""
        return BatchLimits(batch_size=self.batch_size, max_batch_bytes=self.max_batch_bytes, mode=self.mode)

    def stored(self) -> dict[str, Any]:
        """Return what job.source holds: what differs from the defaults."""
        return self.model_dump(mode="json", exclude_defaults=True)
