"""Slots that die before they do anything: how long to wait for the next one, and what to say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.errors import EvtrackError
from evtrack.runtime.backoff import backoff_s

if TYPE_CHECKING:
    from collections.abc import Callable

LOOP: Final = 3
"""So often in a row is no accident any more; while no slot has ever been ready, waiting helps nobody."""

_BACKOFF_S: Final = 0.2
_BACKOFF_MAX_S: Final = 30.0

_log = structlog.get_logger()


class RestartBackoff:
    """Counts deaths in a row, and tells them once a change: the first, the third, another kind, the end of it.

    Args:
        on_trouble: Called with what is wrong with the worker when it is in a crash loop, and with None when no more.
    """

    def __init__(self, on_trouble: Callable[[str | None], None] = lambda _: None) -> None:
        self._on_trouble = on_trouble
        self._was_ready = False
        self._count = 0
        self._how = ""
        self.start_at = 0.0
        """Before then no slot is started."""

    def ready(self) -> None:
        """Note that a slot has imported its handlers: the modules can be imported, then."""
        self._was_ready = True

    def over(self) -> None:
        """Note that a slot does something."""
        if self._count >= LOOP:
            _log.info(log_names.SLOTS_LIVE_AGAIN, deaths=self._count)
            self._on_trouble(None)
        self._count = 0

    def add(self, how: str, stderr: str, now: float) -> None:
        """Note a death.

        Args:
            how: What ended the slot.
            stderr: The end of what it wrote there.
            now: The monotonic clock.

        Raises:
            EvtrackError: No slot has ever been ready, and this is one death too many.
        """
        if now < self.start_at:
            return  # it goes with the one before: all slots were started together
        self._count += 1
        pause_s = backoff_s(self._count, first_s=_BACKOFF_S, longest_s=_BACKOFF_MAX_S)
        self.start_at = now + pause_s
        is_loop, is_news = self._count >= LOOP, self._count in {1, LOOP} or how != self._how
        self._how = how
        said = f"Slots died {self._count} times in a row before they did anything, the last with {how}"
        if is_loop and not self._was_ready:
            raise EvtrackError(
                said + (f":\n{stderr}" if stderr else "."),
                hint="Import the handlers' modules by hand with the same Python to see what ends it.",
            )
        facts = {"how": how, "failures": self._count, "again_in_s": round(pause_s, 2)}
        if not is_news:
            _log.debug(log_names.SLOT_DIED_EARLY, **facts)
        elif not is_loop:
            _log.error(log_names.SLOT_DIED_EARLY, **facts)
        else:
            hint = "see what ends a slot before it does anything; it is tried again, at most each 30 s"
            _log.error(log_names.SLOTS_KEEP_DYING, **facts, stderr=stderr, hint=hint)
            self._on_trouble(f"{said}.")
