"""How a source becomes batches: stored with the job, so that a submission resumes with the same options."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evtrack.domain.batching import BatchLimits, Mode
from evtrack.sources.file_formats import Format
from evtrack.sources.records import MAX_ITEM_BYTES

DEFAULT_BATCH_SIZE = 100

# A worker receives a batch as one value, with its keys, and PostgreSQL has no values above 1 GB: a larger batch would
# never run.
MAX_BATCH_BYTES = 512 * 1024 * 1024


class Recipe(BaseModel):
    """The options by which a source becomes batches.

    Args:
        key: The fields that make an item's key; see `evtrack.sources.item_reader.ItemReader`.
        weight: The fields whose list lengths count towards the batch size; without any, items count.
        batch_size: A batch is full at this many items, or at this weight.
        mode: "replace" rejects an item that has the key of the previous one; "add" accepts it.
        format: How to read every file; None decides by their names.
        max_item_bytes: A larger item is invalid.
        max_batch_bytes: The size limit of a batch, at most 512 MiB; a longer run of items with the same key is invalid.
        sources: The result of the source's `describe()`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: tuple[str, ...] = ()
    weight: tuple[str, ...] = ()
    batch_size: int = Field(default=DEFAULT_BATCH_SIZE, ge=1)
    mode: Mode = "add"
    format: Format | None = None
    max_item_bytes: int = Field(default=MAX_ITEM_BYTES, ge=1)
    max_batch_bytes: int = Field(default=256 * 1024 * 1024, ge=1, le=MAX_BATCH_BYTES)
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
        """Return the value of job.source: the fields that differ from the defaults."""
        return self.model_dump(mode="json", exclude_defaults=True)
