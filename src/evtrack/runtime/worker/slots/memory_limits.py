"""How much memory a slot may hold: from the options, the batch's job, or the container."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from evtrack.domain import log_names
from evtrack.domain.errors import BadArgument, LimitTooLow
from evtrack.domain.policy import Policy
from evtrack.runtime.slot.protocol import BatchErrored
from evtrack.runtime.worker.slots.container_memory import RESERVE_BYTES, ContainerLimit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evtrack.domain.claimed_batch import ClaimedBatch

RECYCLE_SHARE: Final = 0.8
"""Share of its limit above which a slot is replaced between two batches."""

GROUP_MARGIN_BYTES: Final = 64 << 20
"""Least distance of a group's limit from the slot's: evtrack's own limit, which knows more, should come first."""

_MIB: Final = 1 << 20
_log = structlog.get_logger()


@dataclass(slots=True)
class MemoryLimits:
    """Limits of a slot's memory; a limit of the batch's job takes precedence.

    Args:
        max_rss_bytes: Most memory of a slot and of all processes that it has started.
        isolated_max_rss_bytes: The same for a batch that has the worker for itself because of its memory.
        recycle_rss_bytes: Memory above which a slot is replaced between two batches; 0 for never, None for a share of
            the limit.
        job_max_rss_bytes: The limit of the job that this worker submits itself, compared like its own.
        container: The container's limit. Without `max_rss_bytes` the slots share it.
        slot_cgroups: Whether each slot gets a control group of its own; None for only where that is delegated.
    """

    max_rss_bytes: int | None = None
    isolated_max_rss_bytes: int | None = None
    recycle_rss_bytes: int | None = None
    job_max_rss_bytes: int | None = None
    container: ContainerLimit | None = None
    slot_cgroups: bool | None = None
    import_rss_bytes: int = field(default=0, init=False)
    """What a slot holds once its handlers are imported; 0 as long as that is not known."""

    def __post_init__(self) -> None:
        """Reject limits that no batch can keep.

        Raises:
            BadArgument: A limit is not above 0, or the second one is below the first.
        """
        for name in ("max_rss_bytes", "isolated_max_rss_bytes"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise BadArgument(f"{name} must be above 0, got {value}")
        if self.isolated_max_rss_bytes and self.isolated_max_rss_bytes < (self.max_rss_bytes or 0):
            raise BadArgument("isolated_max_rss_bytes must not be below max_rss_bytes")

    def learn_import(self, rss_bytes: int, *, slots: int) -> None:
        """Compare the limits with what a slot holds before it runs anything, and share the container's memory.

        Args:
            rss_bytes: What a slot holds once its handlers are imported.
            slots: How many slots the worker has.

        Raises:
            LimitTooLow: A limit is not above that.
        """
        self.import_rss_bytes = rss_bytes
        for option, limit in (
            ("--max-rss", self.max_rss_bytes or self.job_max_rss_bytes),
            ("--recycle-rss", self.recycle_rss_bytes),
        ):
            if limit and limit <= rss_bytes:
                raise LimitTooLow(
                    f"{option} is {mib(limit)}, but a slot holds {mib(rss_bytes)} once its handlers are imported.",
                    hint=f"Set {option} well above {mib(rss_bytes)}, or import less with --import.",
                )
        if self.max_rss_bytes is None and self.container is not None:
            self._share(self.container, slots)

    def limit_of(self, batch: ClaimedBatch, policy: Policy) -> int | None:
        """Return the limit of a batch, or None.

        Args:
            policy: The policy of its job.
        """
        if policy.max_rss_bytes:
            return max(policy.max_rss_bytes, (batch.runs_alone and policy.max_rss_alone_bytes) or 0)
        if batch.runs_alone and self.isolated_max_rss_bytes:
            return self.isolated_max_rss_bytes
        return self.max_rss_bytes

    def group_limit(self, batches: Iterable[ClaimedBatch]) -> int | None:
        """Return the limit of the control group of a slot that runs some batches, well above their own; or None."""
        limits = [self.limit_of(batch, policy_of(batch.policy)) for batch in _one_of_each_job(batches)]
        most = max((limit or 0 for limit in limits), default=0)
        return most + max(most // 4, GROUP_MARGIN_BYTES) if limits and all(limits) else None

    def recycle_at(self, batches: Iterable[ClaimedBatch]) -> int:
        """Return the memory above which a slot that runs some batches is replaced; 0 for never."""
        if self.recycle_rss_bytes is not None:
            return self.recycle_rss_bytes
        each_job = _one_of_each_job(batches)
        limits = [limit for batch in each_job if (limit := self.limit_of(batch, policy_of(batch.policy)))]
        recycle = int(min(limits, default=0) * RECYCLE_SHARE)
        return recycle if recycle > self.import_rss_bytes else 0

    def refusals(self, batches: Iterable[ClaimedBatch]) -> dict[int, BatchErrored]:
        """Find the jobs that allow less memory than a slot holds before it runs anything.

        Args:
            batches: Claimed batches.

        Returns:
            The error of such a job's batches, by job.
        """
        policies = [(batch.job_id, batch.policy) for batch in _one_of_each_job(batches)]
        return {job_id: error for job_id, policy in policies if policy and (error := self._refusal(policy))}

    def _refusal(self, policy: bytes) -> BatchErrored | None:
        limit = policy_of(policy).max_rss_bytes
        if not limit or limit > self.import_rss_bytes:
            return None
        message = (
            f"the job's max_rss is {mib(limit)}, but a slot of this worker holds {mib(self.import_rss_bytes)} once its "
            "handlers are imported; submit the items with a higher --max-rss, or import less"
        )
        return BatchErrored(0, 0.0, LimitTooLow.__name__, message, "", [])

    def _share(self, container: ContainerLimit, slots: int) -> None:
        rest = container.limit_bytes - RESERVE_BYTES
        share = rest // (slots + 1)  # and the spare
        facts = {
            "container_bytes": container.limit_bytes,
            "file": str(container.file),
            "max_rss_bytes": share,
            "import_rss_bytes": self.import_rss_bytes,
            "slots": slots,
        }
        if share <= self.import_rss_bytes:
            hint = "the container is too small for so many slots; give it more memory, or use fewer --slots"
            _log.warning(log_names.MEMORY_NOT_LIMITED, hint=hint, **facts)
            return
        self.max_rss_bytes = share
        # Alone, a batch may have what the others do not need while they are idle.
        self.isolated_max_rss_bytes = max(share, rest - slots * self.import_rss_bytes)
        _log.info(log_names.MEMORY_SHARED, isolated_max_rss_bytes=self.isolated_max_rss_bytes, **facts)


def _one_of_each_job(batches: Iterable[ClaimedBatch]) -> Iterable[ClaimedBatch]:
    # By place, not by name: this runs for every batch.
    return {batch[0]: batch for batch in batches}.values()


@lru_cache(maxsize=256)
def policy_of(text: bytes | None) -> Policy:
    """Return a job's policy.

    Args:
        text: The policy as JSON.
    """
    return Policy.model_validate(msgspec.json.decode(text)) if text else Policy()


def mib(count: int) -> str:
    """Write a number of bytes in MiB."""
    return f"{count / _MIB:.0f} MiB"
