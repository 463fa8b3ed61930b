"""The hunt for the poison items of a submitted batch: how its batches were divided, now or at a time."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from evtrack.domain.errors import NoSuchJob
from evtrack.domain.events import Enqueued
from evtrack.domain.hunt import hunt
from evtrack.domain.policy import Policy
from evtrack.domain.states import EventType
from evtrack.domain.stored_event import StoredEvent
from evtrack.interfaces.web.address import Address, link
from evtrack.interfaces.web.batch_address import parse_batch
from evtrack.interfaces.web.charts.icicle import IcicleBlock
from evtrack.interfaces.web.hunt_batches import HuntBatch, blocks, fates, hunt_batches
from evtrack.interfaces.web.page import Page
from evtrack.interfaces.words.hunts import hunt_sentences
from evtrack.storage.connection.connect import Connection
from evtrack.storage.reports.hunt_tree import hunt_tree

_MOMENTS: Final = 60
"""The most positions of the slider."""

_TELLING: Final = (
    EventType.CRASHED,
    EventType.FAILED,
    EventType.CANCELLED,
    EventType.SPLIT,
    EventType.COMPLETED,
    EventType.REQUEUED,
    EventType.STARTED,
)


class HuntAddress(NamedTuple):
    """The hunt of a submitted batch, at a time; None is now."""

    job_id: int
    root_no: int
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment at which the hunt changed, and what happened to which batch."""

    at: datetime
    batch_no: int
    type: str


@dataclass(frozen=True, slots=True)
class HuntPage:
    """A hunt.

    Args:
        job_id: The job.
        root_no: The submitted batch.
        handler: The handler of the job.
        at: The time that is shown; None is now.
        sentences: How far it is.
        batches: Its batches, each below the one that it was made of.
        moments: The transactions that changed it, or an even selection of them.
        position: The place among the moments of what is shown.
        is_cut: Whether there is more than is shown.
    """

    job_id: int
    root_no: int
    handler: str
    at: datetime | None
    sentences: list[str]
    batches: list[HuntBatch]
    moments: list[Moment]
    position: int
    is_cut: bool

    @property
    def blocks(self) -> list[IcicleBlock]:
        """The batches as blocks of the chart."""
        return blocks(self.batches)

    @property
    def fates(self) -> list[str]:
        """What the legend explains: the fates that there are."""
        return fates(self.batches)


def _parse(address: Address) -> HuntAddress:
    return HuntAddress(*parse_batch(address), address.time("at"))


def _address(args: HuntAddress) -> str:
    return link(f"/jobs/{args.job_id}/hunt/{args.root_no}", at=args.at)


def _read(conn: Connection, args: HuntAddress) -> HuntPage:
    tree = hunt_tree(conn, args.job_id, args.root_no)
    found = hunt(tree.streams, args.root_no, as_of=args.at)
    moments = _moments(event for stream in tree.streams.values() for event in stream)
    root = tree.streams.get(args.root_no)
    if root and isinstance(root[0].event, Enqueued) and root[0].event.root is not None:
        raise NoSuchJob(
            f"Batch {args.root_no} of job {args.job_id} is a part of batch {root[0].event.root}.",
            hint=f"See the hunt in batch {root[0].event.root}.",
        )
    past = [place for place, moment in enumerate(moments) if args.at is None or moment.at <= args.at]
    return HuntPage(
        job_id=args.job_id,
        root_no=args.root_no,
        handler=tree.handler,
        at=args.at,
        sentences=hunt_sentences(found, Policy(max_crashes=tree.max_crashes, max_losses=tree.max_losses)),
        batches=hunt_batches(found),
        moments=moments,
        position=past[-1] if past else 0,
        is_cut=tree.is_cut,
    )


def _moments(events: Iterable[StoredEvent]) -> list[Moment]:
    """Choose the moments of the slider: one for each transaction, as its events belong together.

    Returns:
        Each with its most telling event and the time of its last one; an even selection if there are many.
    """
    together: dict[tuple[int, int], list[StoredEvent]] = {}
    for event in events:
        # Restored events have no transaction here.
        together.setdefault((event.xid, 0 if event.xid else event.seq), []).append(event)
    told = [(max(event.at for event in group), min(group, key=_dullness)) for group in together.values()]
    by_time = dict(sorted(told, key=lambda each: (each[0], -_dullness(each[1]))))
    chosen = [Moment(at, event.batch_no, event.type.value) for at, event in by_time.items()]
    if len(chosen) <= _MOMENTS:
        return chosen
    step = (len(chosen) - 1) / (_MOMENTS - 1)
    return [chosen[round(place * step)] for place in range(_MOMENTS)]


def _dullness(event: StoredEvent) -> int:
    return _TELLING.index(event.type) if event.type in _TELLING else len(_TELLING)


HUNT: Final = Page(
    name="hunt",
    path="/jobs/{job}/hunt/{batch}",
    parse=_parse,
    address=_address,
    read=_read,
    title=lambda page: f"Job {page.job_id}, hunt in batch {page.root_no}",
    every_s=1.0,
)
