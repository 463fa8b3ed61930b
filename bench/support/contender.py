"""What is measured in the same way, evtrack or a peer: a queue of jobs that do nothing."""

import asyncio
import inspect
import json
import os
import random
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.commands import BENCH
from support.database import Connection, create, value
from support.stamps import now

GAPS_S = (0.02, 0.06)
"""The shortest and the longest time between two jobs whose pick-up is measured."""


class Contender(ABC):
    """A queue, in a database of its own.

    Args:
        server: The server's connection string.
        settings: Settings of the queue, such as its batch size.
    """

    NAME: str
    DONE: str
    """A query that is true once the queue's own tables say that all is done; %(jobs)s is how many there were."""

    def __init__(self, server: str, **settings: Any) -> None:
        self.settings = settings
        self.dsn = create(server, f"bench_{self.NAME}", migrate=False)

    def install(self) -> None:  # noqa: B027  evtrack's are created with its database
        """Create its tables."""

    @abstractmethod
    def fill(self, jobs: int) -> None:
        """Enqueue jobs before the clock starts; their number is -1."""

    def start_worker(self) -> "subprocess.Popen[bytes]":
        """Start a worker process: this program again, as `NAME.py --worker DSN SETTINGS`."""
        command = [sys.executable, "-P", str(Path(sys.argv[0]).resolve()), "--worker", self.dsn]
        return subprocess.Popen(  # noqa: S603  # our own program
            [*command, json.dumps(self.settings)], cwd=BENCH, env=dict(os.environ), stdout=subprocess.DEVNULL
        )

    def ready(self, conn: Connection, workers: int) -> bool:
        """Return whether so many workers wait for work; peers' workers begin as soon as they can."""
        del conn, workers
        return True

    def release(self, conn: Connection) -> None:  # noqa: B027  peers' workers wait for nobody
        """Let the workers begin."""

    def done(self, conn: Connection, jobs: int) -> bool:
        """Return whether the queue's own tables say that all is done."""
        return bool(value(conn, self.DONE, {"jobs": jobs}))

    def check(self, conn: Connection, jobs: int) -> None:  # noqa: B027  not all peers keep what they did
        """Check what else shows that the work was done."""

    @abstractmethod
    def enqueue_each(self, seconds: float) -> int:
        """Enqueue one job at a time, and return how many."""

    @abstractmethod
    def enqueue_many(self, seconds: float, size: int) -> int:
        """Enqueue so many jobs in each call, and return how many."""

    @abstractmethod
    def enqueue_spaced(self, samples: int) -> list[int]:
        """Enqueue numbered jobs with gaps, and return when each call returned."""

    def queued(self, conn: Connection) -> int | None:
        """Return how many jobs were enqueued; None if its tables do not show it."""
        del conn
        return None


async def spaced(samples: int, enqueue: Callable[[int], Any], *, after: Callable[[], Any] | None = None) -> list[int]:
    """Enqueue numbered jobs with gaps, and return when each call returned.

    Args:
        samples: How many.
        enqueue: Enqueues a job by its number; its result is awaited if it can be.
        after: What to call after each, outside of the time of the call.
    """
    gaps = random.Random(7)
    returned = []
    for number in range(samples):
        await asyncio.sleep(gaps.uniform(*GAPS_S))
        result = enqueue(number)
        if inspect.isawaitable(result):
            await result
        returned.append(now())
        if after is not None:
            after()
    return returned


def until(seconds: float) -> Callable[[], bool]:
    """Return a function that is true until so many seconds are over."""
    deadline = time.monotonic() + seconds
    return lambda: time.monotonic() < deadline
