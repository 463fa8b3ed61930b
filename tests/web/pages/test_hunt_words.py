"""How far a hunt is, in words."""

from evtrack.domain.batch_projection import BatchState
from evtrack.domain.hunt import Hunt, HuntNode
from evtrack.domain.ordinals import Ordinals
from evtrack.domain.policy import Policy
from evtrack.domain.states import BatchStatus, Isolation
from evtrack.interfaces.words.hunts import hunt_sentences
from story_samples import NOON

POLICY = Policy()


def node(
    number: int,
    status: BatchStatus,
    items: str,
    *,
    key: str | None = None,
    cause: int | None = None,
    isolation: Isolation = Isolation.NONE,
    crashes: int = 0,
    losses: int = 0,
) -> HuntNode:
    """Make a batch of a hunt."""
    held = Ordinals.parse(items)
    state = BatchState(
        status=status, version=3, attempt=2, fresh=False, run_at=None, item_count=len(held), weight=1, ordinals=held,
        root_no=1, parent_no=1, errors=0, crashes=crashes, losses=losses, exclusive_losses=losses, isolation=isolation,
        enqueued_at=NOON,
    )  # fmt: skip
    return HuntNode(number, 1, held, state, crashes + losses, key, cause)


def test_nothing_is_said_before_a_crash() -> None:
    assert [] == hunt_sentences(Hunt(1, (node(1, BatchStatus.RUNNING, "{[1,9)}"),), 0), POLICY)


def test_what_is_found_and_what_is_still_suspect() -> None:
    root = node(1, BatchStatus.SPLIT, "{[1,501)}")
    poison = node(2, BatchStatus.CRASHED, "{[7,8)}", key="a\x1b[2J", crashes=2)
    half = node(3, BatchStatus.PENDING, "{[8,39)}", cause=1)
    other = node(4, BatchStatus.RUNNING, "{[39,70)}", cause=1)
    done = node(5, BatchStatus.COMPLETED, "{[70,501)}")
    assert [
        "62 of 500 items still suspect, in 2 batches; 4 crashes so far, about 7 more",
        "found: a\\x1b[2J, crashed 2 of 2; 431 others done",
    ] == hunt_sentences(Hunt(1, (root, poison, half, other, done), 4), POLICY)


def test_suspects_of_which_nothing_is_known_expect_no_crash() -> None:
    lost = node(1, BatchStatus.PENDING, "{[1,9)}", cause=1, isolation=Isolation.MARKED, losses=1)
    assert ["8 of 8 items still suspect, in 1 batch; 1 crash so far"] == hunt_sentences(Hunt(1, (lost,), 1), POLICY)


def test_an_item_that_killed_its_worker_has_another_budget() -> None:
    poison = node(2, BatchStatus.CRASHED, "{[7,8)}", isolation=Isolation.EXCLUSIVE, losses=3)
    failed = node(3, BatchStatus.FAILED, "{[8,10)}")
    said = hunt_sentences(Hunt(1, (poison, failed), 3), Policy(max_losses=3))
    assert ["found: item 7, crashed 3 of 3; 0 others done, 2 failed"] == said


def test_only_a_few_of_many_are_named() -> None:
    poison = tuple(node(n, BatchStatus.CRASHED, f"{{[{n},{n + 1})}}", key=f"key:{n}", crashes=2) for n in range(2, 7))
    (said,) = hunt_sentences(Hunt(1, (*poison, node(9, BatchStatus.COMPLETED, "{[1,2)}")), 10), POLICY)
    assert said.endswith("key:4, crashed 2 of 2; and 2 more; 1 other done")


def test_items_that_crash_only_together_end_without_a_culprit() -> None:
    halves = (node(2, BatchStatus.COMPLETED, "{[1,5)}"), node(3, BatchStatus.COMPLETED, "{[5,9)}"))
    assert ["no item is suspect any more; 1 crash; 8 done"] == hunt_sentences(Hunt(1, halves, 1), POLICY)
