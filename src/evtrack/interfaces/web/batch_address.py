"""The address of a batch: its job and its number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from evtrack.interfaces.web.address import Address

MAX_BATCH_NO: Final = 2**31 - 1
"""The largest number of a batch, or of an event in its stream."""


class BatchAddress(NamedTuple):
    """A batch of a job."""

    job_id: int
    batch_no: int


def parse_batch(address: Address) -> BatchAddress:
    """Read the job and the batch that the path of an address names."""
    return BatchAddress(address.number("job"), address.number("batch", most=MAX_BATCH_NO))
