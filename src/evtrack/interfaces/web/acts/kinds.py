"""What an act is: what it shows before, what it does, and what it says after."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from evtrack.domain.states import BatchStatus
from evtrack.interfaces.web.batch_address import MAX_BATCH_NO

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from evtrack.interfaces.web.address import Address
    from evtrack.runtime.acts.queue_act import Step
    from evtrack.storage.connection.connect import Connection
    from evtrack.storage.reports.batch_reports import BatchRow
    from evtrack.storage.reports.item_lists import ItemPlace

SHOWN: Final = 10
"""How many of the batches or items that an act will touch are shown."""

CHUNK: Final = 500
"""The most batches of a transaction; what touches more goes on in the background."""

TYPED_ABOVE: Final = 1_000
"""Whoever touches more batches than these types the number of the job."""

RETRYABLE: Final = (BatchStatus.FAILED, BatchStatus.CRASHED)


@dataclass(frozen=True, slots=True)
class Target:
    """What an act is about.

    Args:
        job_id: The job.
        batch_no: One of its batches.
        status: Only batches of this status.
        key: The key of one of its items.
    """

    job_id: int
    batch_no: int | None = None
    status: str | None = None
    key: str | None = None

    @property
    def statuses(self) -> list[str]:
        """The statuses of what is retried."""
        return [str(each) for each in RETRYABLE] if self.status is None else [self.status]


def parse_target(address: Address) -> Target:
    """Read what an act is about.

    Raises:
        NoSuchPage: The address is not that of an act.
    """
    return Target(
        address.number("job_id"),
        address.optional_number("batch", least=1, most=MAX_BATCH_NO),
        address.choice("status", RETRYABLE),
        address.text("key"),
    )


@dataclass(frozen=True, slots=True)
class Preview:
    """What an act would touch now.

    Args:
        touched: How many batches or items.
        effect: What will happen, in sentences.
        command: The same act as a command.
        refusal: Why nothing can be done; empty if something can.
        batches: The first batches that it touches.
        items: The first items.
    """

    touched: int
    effect: str
    command: str
    refusal: str = ""
    batches: list[BatchRow] = field(default_factory=list)
    items: list[ItemPlace] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of act.

    Args:
        name: What it is called in the log.
        path: Its path below the prefix, with `{job_id}` in it.
        noun: What its steps change, for one of them: job, batch or item.
        title: Names it, with the target.
        preview: Reads what it would touch now.
        steps: Does it, a transaction each.
        result: Writes what was done, from how many were changed.
        rewrites: Whether it changes each batch that it touches, and so may take long.
        is_final: Whether nothing can undo it.
        can_stop: Whether it has more than one step.
    """

    name: str
    path: str
    noun: str
    title: Callable[[Target], str]
    preview: Callable[[Connection, Target], Preview]
    steps: Callable[[Connection, Target], Generator[Step]]
    result: Callable[[Target, int], str]
    rewrites: bool = False
    is_final: bool = False
    can_stop: bool = False

    def path_of(self, target: Target) -> str:
        """Return the path at which it is asked for, below the prefix."""
        return self.path.replace("{job_id}", str(target.job_id))

    def must_type(self, preview: Preview) -> bool:
        """Return whether the number of the job must be typed."""
        return self.rewrites and preview.touched > TYPED_ABOVE

    def is_long(self, preview: Preview) -> bool:
        """Return whether it goes on in the background."""
        return self.rewrites and preview.touched > CHUNK
