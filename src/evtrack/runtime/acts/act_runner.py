"""Runs acts on the queue: small ones at once, large ones after each other in one thread."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Lock, Thread
from time import time
from typing import TYPE_CHECKING, Final

from evtrack.runtime.acts.queue_act import QueueAct

if TYPE_CHECKING:
    from collections.abc import Hashable

    from evtrack.runtime.acts.queue_act import Order

MAX_UNDER_WAY: Final = 20
"""The most acts that run or wait at a time."""

_RECENT_S: Final = 10.0
"""Who asks for the same within this time has pressed twice."""

_REMEMBERED: Final = 200
_CLOSE_S: Final = 5.0
"""How long the step that is under way has to end when the runner is closed."""


class ActRunner:
    """Runs acts, and remembers the latest ones; safe to use from threads.

    It has no thread, and no connection, while nothing runs.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        # A page that is open from before a restart must not show another act.
        self._numbers = count(int(time()))
        self._acts: dict[int, QueueAct] = {}
        self._waiting: deque[QueueAct] = deque()
        self._thread: Thread | None = None
        self._is_closed = False

    def run(self, order: Order) -> QueueAct | None:
        """Do what was ordered before this returns, unless the same is under way already.

        Returns:
            The act; None if too many are under way.
        """
        with self._lock:
            act, is_new = self._taken(order)
        if act is not None and is_new:
            act.run()
        return act

    def begin(self, order: Order) -> QueueAct | None:
        """Do what was ordered after what waits already, unless the same is under way already.

        Returns:
            The act; None if too many are under way.
        """
        with self._lock:
            act, is_new = self._taken(order)
            if act is not None and is_new:
                self._waiting.append(act)
                if self._thread is None:
                    self._thread = Thread(target=self._work, name="evtrack-acts", daemon=True)
                    self._thread.start()
        return act

    def find(self, number: int) -> QueueAct | None:
        """Return an act by its number; None if it is none of the latest."""
        with self._lock:
            return self._acts.get(number)

    def recent(self, key: Hashable) -> QueueAct | None:
        """Return the latest act with a key, if it has ended just now."""
        since = datetime.now(UTC) - timedelta(seconds=_RECENT_S)
        with self._lock:
            acts = [act for act in self._acts.values() if act.order.key == key]
        ended_at = acts[-1].report().ended_at if acts else None
        return acts[-1] if ended_at is not None and ended_at >= since else None

    def close(self) -> None:
        """Stop what is under way after its step, and take no more."""
        with self._lock:
            self._is_closed = True
            acts, thread = list(self._acts.values()), self._thread
        for act in acts:
            act.stop()
        if thread is not None:
            thread.join(_CLOSE_S)

    def _taken(self, order: Order) -> tuple[QueueAct | None, bool]:
        under_way = [act for act in self._acts.values() if not act.is_over]
        for act in under_way:
            if act.order.key == order.key:
                return act, False
        if self._is_closed or len(under_way) >= MAX_UNDER_WAY:
            return None, False
        act = QueueAct(next(self._numbers), order)
        self._acts[act.number] = act
        ended = [each.number for each in self._acts.values() if each.is_over]
        for number in ended[: max(0, len(self._acts) - _REMEMBERED)]:
            del self._acts[number]
        return act, True

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                act = self._waiting.popleft()
            act.run()
