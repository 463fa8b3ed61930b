"""Delays the start of new slots while slots die before they do anything, and reports the crash loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from evtrack.domain import log_names
from evtrack.domain.errors import EvtrackError
from evtrack.runtime.backoff import backoff_s

if TYPE_CHECKING:
    from collections.abc import Callable

LOOP: Final = 3
"""This many deaths in a row are a crash loop. If no slot has ever been ready, the worker then gives up."""

_BACKOFF_S: Final = 0.2
_BACKOFF_MAX_S: Final = 30.0

_log = structlog.get_logger()


class RestartBackoff:
    """Counts early deaths in a row, and logs the first, the third, each new cause, and the recovery.

    Args:
        on_crash_loop: Called with a description when the worker is in a crash loop, and with None when it recovered.
    """

    def __init__(self, on_crash_loop: Callable[[str | None], None]) -> None:
        self._on_crash_loop = on_crash_loop
        self._was_ready = False
        self._count = 0
        self._how = ""
        self.start_at = 0.0
        """Monotonic time before which no slot is started."""

    def record_ready(self) -> None:
        """Record that a slot has imported its handlers, so they can be imported."""
        self._was_ready = True

    def reset(self) -> None:
        """End the count: a slot has reported an outcome."""
        if self._count >= LOOP:
            _log.info(log_names.SLOTS_RECOVERED, deaths=self._count)
            self._on_crash_loop(None)
        self._count = 0

    def record_death(self, how: str, stderr: str, now: float) -> None:
        """Count an early death.

        Args:
            how: The signal or exit code that the slot died with.
            stderr: The end of what it wrote to stderr.
            now: The monotonic clock.

        Raises:
            EvtrackError: Slots are in a crash loop, and none has ever been ready.
        """
        if now < self.start_at:
            return  # it belongs to the death before: all slots were started together
        self._count += 1
        pause_s = backoff_s(self._count, first_s=_BACKOFF_S, longest_s=_BACKOFF_MAX_S)
        self.start_at = now + pause_s
        is_loop, is_news = self._count >= LOOP, self._count in {1, LOOP} or how != self._how
        self._how = how
        description = f"Slots died {self._count} times in a row before they did anything, the last with {how}"
        if is_loop and not self._was_ready:
            raise EvtrackError(
                description + (f":\n{stderr}" if stderr else "."),
                hint="Import the handlers' modules by hand with the same Python to find the cause.",
            )
        facts = {"how": how, "failures": self._count, "retry_in_s": round(pause_s, 2)}
        if not is_news:
            _log.debug(log_names.SLOT_DIED_EARLY, **facts)
        elif not is_loop:
            _log.error(log_names.SLOT_DIED_EARLY, **facts)
        else:
            hint = "find out what ends a slot before it does anything; the worker retries, at least every 30 s"
            _log.error(log_names.SLOTS_KEEP_DYING, **facts, stderr=stderr, hint=hint)
            self._on_crash_loop(f"{description}.")
