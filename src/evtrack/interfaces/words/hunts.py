"""Say how far the search for the poison items of a batch is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evtrack.domain.states import BatchStatus, Isolation
from evtrack.domain.text import printable
from evtrack.interfaces.words.formatting import count, counted

if TYPE_CHECKING:
    from evtrack.domain.hunt import Hunt, HuntNode
    from evtrack.domain.policy import Policy

_NAMED: Final = 3
_KEY: Final = 120


def hunt_sentences(hunt: Hunt, policy: Policy) -> list[str]:
    """Say how far a hunt is.

    Args:
        hunt: The hunt.
        policy: The budgets of its job.

    Returns:
        Sentences without a full stop, the most important first; printable. None if nothing has crashed.
    """
    if not hunt.crashes:
        return []
    said = [_suspects(hunt, policy)] if hunt.suspects else []
    if hunt.poison:
        said.append(_found(hunt, policy))
    elif not hunt.suspects:
        said.append(f"no item is suspect any more; {_crashes(hunt)}; {count(hunt.items(BatchStatus.COMPLETED))} done")
    return said


def _suspects(hunt: Hunt, policy: Policy) -> str:
    items = sum(node.state.item_count for node in hunt.suspects)
    batches = counted(len(hunt.suspects), "batch", "batches")
    left = hunt.crashes_left(policy)
    more = f", about {count(left)} more" if left else ""
    total = len(hunt.nodes[0].held)
    return f"{count(items)} of {counted(total, 'item')} still suspect, in {batches}; {_crashes(hunt)} so far{more}"


def _crashes(hunt: Hunt) -> str:
    return counted(hunt.crashes, "crash", "crashes")


def _found(hunt: Hunt, policy: Policy) -> str:
    poison = hunt.poison
    named = "; ".join(_poison(node, policy) for node in poison[:_NAMED])
    more = f"; and {count(len(poison) - _NAMED)} more" if len(poison) > _NAMED else ""
    failed = hunt.items(BatchStatus.FAILED)
    rest = f", {count(failed)} failed" if failed else ""
    return f"found: {named}{more}; {counted(hunt.items(BatchStatus.COMPLETED), 'other', 'others')} done{rest}"


def _poison(node: HuntNode, policy: Policy) -> str:
    state = node.state
    lost = state.isolation is Isolation.EXCLUSIVE and not state.crashes
    used, budget = (state.exclusive_losses, policy.max_losses) if lost else (state.crashes, policy.max_crashes)
    name = printable(node.item_key, _KEY) if node.item_key else f"item {next(iter(node.held))}"
    return f"{name}, crashed {used} of {max(1, budget)}"
