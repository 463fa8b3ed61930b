"""Help: the keys, the badges and the addresses of the dashboard."""

from dataclasses import dataclass
from typing import Final

from evtrack.interfaces.web.page import Page
from evtrack.storage.connection.connect import Connection


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of help: what it is about, and what that means."""

    name: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Help:
    """What can be done with the dashboard.

    Args:
        keys: The keys.
        statuses: The statuses of batches and items.
        badges: The badges of a job's proof.
        addresses: The pages, by address.
    """

    keys: tuple[Entry, ...]
    statuses: tuple[Entry, ...]
    badges: tuple[Entry, ...]
    addresses: tuple[Entry, ...]


KEYS: Final = (
    Entry("/", "search for a job, a batch or an item"),
    Entry("?", "this page"),
    Entry("g o", "go to the overview"),
    Entry("g j", "go to jobs"),
    Entry("g c", "go to crashes"),
    Entry("g i", "go to items"),
    Entry("g h", "go to handlers"),
    Entry("g w", "go to workers"),
    Entry("g a", "go to alerts"),
    Entry("g p", "go to proof"),
    Entry("g s", "go to storage"),
    Entry("g d", "go to the check-up"),
    Entry("j k", "next and previous row; Enter opens it"),
    Entry("[ ]", "previous and next moment"),
    Entry("l", "live updates on or off"),
    Entry("t", "light or dark"),
)

STATUSES: Final = (
    Entry("pending", "waits for a worker"),
    Entry("running", "a worker has it"),
    Entry("completed", "every item of the batch was processed; its items are done"),
    Entry("failed", "the handler raised an error as often as the error budget allows"),
    Entry("crashed", "the process died with it as often as the crash budget allows"),
    Entry("poison", "an item that crashed by itself: the cause is in it, not in its neighbours"),
    Entry("split", "its items continue in smaller batches, to find the one that crashes"),
    Entry("cancelled", "its job was cancelled before it ran"),
)

BADGES: Final = (
    Entry("whole", "evtrack verify found the log complete, and the projection in agreement with it"),
    Entry("open", "the job has not ended, so its log can still grow"),
    Entry("departs", "the log is intact, but the projection differs from it: evtrack verify JOB --fix"),
    Entry("damaged", "the log itself was changed or is incomplete"),
    Entry("not proved", "evtrack verify has not checked it, or its role may not record that"),
)

ADDRESSES: Final = (
    Entry("/", "the overview"),
    Entry("/jobs", "jobs; ?phase=, ?handler="),
    Entry("/jobs/12", "a job; ?at= shows it at an earlier time"),
    Entry("/jobs/12/batches", "its batches; ?status="),
    Entry("/jobs/12/batches/7", "the story of a batch; story.md is the same as Markdown"),
    Entry("/jobs/12/hunt/1", "the search for the items of a submitted batch that crash"),
    Entry("/crashes", "the crash map and the latest crashes; ?handler=, ?cause=, ?day="),
    Entry("/items?key=KEY", "everything that happened to an item, in all jobs; &job= for one"),
    Entry("/handlers", "handlers; /handlers?name=NAME for one"),
    Entry("/workers", "workers; ?all=yes for stopped and lost ones"),
    Entry("/alerts", "alerts; ?kind=, ?undelivered=yes"),
    Entry("/proof", "which jobs were verified, and with what result; ?job= for one"),
    Entry("/storage", "sizes, days, and jobs that were dropped"),
    Entry("/doctor", "a check-up of the database and the workers"),
    Entry("/jobs/12/retry", "asks, and then acts, where that is allowed; also suspend, resume, cancel"),
    Entry("/search?q=", "12 is a job, 12/7 a batch, anything else the key of an item"),
    Entry("/healthz", "ok or 503, for a load balancer"),
)


def _read(conn: Connection, args: tuple[()]) -> Help:
    del conn, args
    return Help(KEYS, STATUSES, BADGES, ADDRESSES)


HELP: Final = Page(
    name="help",
    path="/help",
    parse=lambda _: (),
    address=lambda _: "/help",
    read=_read,
    title=lambda _: "Help",
    every_s=None,
)
