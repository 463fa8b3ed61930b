"""What became of batches, kept until the database has taken it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import structlog

from evtrack.domain.ordinals import Ordinals
from evtrack.runtime.batch import parse_ordinals
from evtrack.runtime.protocol import ITEM_KEYS, ORDINALS, Failed, ItemFailure, Partly, Row
from evtrack.storage.queue import Claim, Completed, Queue, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

_ITEMS_TOLD: Final = 1000
"""Failed items of one batch that its event names."""

_CALL: Final = 100
"""Failures or crashes in one call."""

Key = tuple[int, int, int]
"""Job, batch number, attempt."""

_log = structlog.get_logger()


class Outcomes:
    """Gathers outcomes and reports them; what is not acknowledged stays, and is sent again."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._run_s: list[float] = []
        self._results: list[bytes | None] = []
        self._partly: list[tuple[Row, Partly]] = []
        self._failed: list[tuple[Key, float, dict[str, Any]]] = []
        self._crashed: list[tuple[Key, dict[str, Any]]] = []
        self._returned: dict[str, list[Key]] = {}
        self.since: float | None = None
        self.settled: Counter[int] = Counter()
        """Acknowledged batches by job; whoever reads it empties it."""
        self.came_back = False
        """Whether a batch went back to pending; whoever reads it sets it back."""

    def __len__(self) -> int:
        """Count the outcomes that are not acknowledged."""
        others = len(self._partly) + len(self._failed) + len(self._crashed)
        return len(self._rows) + others + sum(map(len, self._returned.values()))

    def done(
        self, rows: Sequence[Row], run_s: Sequence[float], results: Sequence[bytes | None] | None, now: float
    ) -> None:
        """Take batches that completed.

        Args:
            rows: The batches.
            run_s: How long each ran.
            results: The result lines of each; None when there are none at all.
            now: The monotonic clock.
        """
        self._rows += rows
        self._run_s += run_s
        self._results += results if results is not None else [None] * len(rows)
        self._note(now)

    def partly(self, row: Row, frame: Partly, now: float) -> None:
        """Take a batch some of whose items failed.

        Args:
            row: The batch.
            frame: What the slot says.
            now: The monotonic clock.
        """
        self._partly.append((row, frame))
        self._note(now)

    def failed(self, row: Row, frame: Failed, now: float) -> None:
        """Take a batch that failed.

        Args:
            row: The batch.
            frame: What the slot says.
            now: The monotonic clock.
        """
        error: dict[str, Any] = {"type": frame.type, "message": frame.message, "traceback": frame.traceback}
        if frame.items:
            error["items"] = _told(row, frame.items)
        self._failed.append((row[:3], frame.run_s, error))
        self._note(now)

    def crashed(self, row: Row, dossier: dict[str, Any], now: float) -> None:
        """Take a batch whose process died.

        Args:
            row: The batch.
            dossier: What is known of the death.
            now: The monotonic clock.
        """
        self._crashed.append((row[:3], dossier))
        self._note(now)

    def returned(self, rows: Sequence[Row], reason: str, now: float) -> None:
        """Take batches that did not run to their end.

        Args:
            rows: The batches.
            reason: Why.
            now: The monotonic clock.
        """
        if rows:
            self._returned.setdefault(reason, []).extend(row[:3] for row in rows)
            self._note(now)

    def keys(self) -> list[Key]:
        """Name all batches whose outcome is not acknowledged."""
        keys = [row[:3] for row in self._rows] + [row[:3] for row, _ in self._partly]
        keys += [key for key, *_ in self._failed] + [key for key, _ in self._crashed]
        return keys + [key for given in self._returned.values() for key in given]

    def forget(self) -> None:
        """Drop everything: the worker was declared lost, and nothing of this is its own any more."""
        for kept in (self._rows, self._run_s, self._results, self._partly, self._failed, self._crashed):
            kept.clear()
        self._returned.clear()
        self.since = None

    def report(self, queue: Queue, claim: Claim | None) -> list[Row]:
        """Report all, and claim more in the same round trip.

        Args:
            queue: Where to.
            claim: What to take.

        Returns:
            The claimed batches.
        """
        rows: list[Row] = []
        if self._rows or claim is not None:
            rows = self._report_done(queue, claim)
        while self._partly:
            self._report_partly(queue, *self._partly[0])
            del self._partly[0]
        while self._failed:
            keys, run_s, errors = zip(*self._failed[:_CALL], strict=True)
            self._verdicts(queue.fail(keys, run_s, errors))
            del self._failed[:_CALL]
        while self._crashed:
            keys, dossiers = zip(*self._crashed[:_CALL], strict=True)
            self._verdicts(queue.crash(keys, dossiers))
            del self._crashed[:_CALL]
        while self._returned:
            reason, given = next(iter(self._returned.items()))
            self._verdicts(queue.requeue(given, reason))
            del self._returned[reason]
        self.since = None
        return rows

    def _report_done(self, queue: Queue, claim: Claim | None) -> list[Row]:
        done = None
        job_ids: Sequence[int] = ()
        if self._rows:
            job_ids, batch_nos, attempts, *_ = zip(*self._rows, strict=True)
            results = self._results if any(lines is not None for lines in self._results) else None
            done = Completed(job_ids, batch_nos, attempts, self._run_s, results)
        refusals, rows = queue.complete_and_claim(done, claim)
        self._rows, self._run_s, self._results = [], [], []
        self.settled.update(job_ids)
        if refusals:
            _tell_refused(refusals)
        return rows

    def _report_partly(self, queue: Queue, row: Row, frame: Partly) -> None:
        ordinals = list(parse_ordinals(row[ORDINALS]))
        failed = str(Ordinals.of(ordinals[failure.index] for failure in frame.failures))
        verdict = queue.complete_partly(
            row[:3], run_s=frame.run_s, results=frame.results, failed=failed, errors=_told(row, frame.failures)
        )
        self._verdicts([Refusal(row[0], row[1], verdict)])
        self.came_back = True

    def _verdicts(self, verdicts: Sequence[Refusal]) -> None:
        self.settled.update(verdict.job_id for verdict in verdicts)
        self.came_back = self.came_back or any(verdict.verdict in {"retry", "ok"} for verdict in verdicts)
        refused = [verdict for verdict in verdicts if verdict.verdict in {"late", "unknown"}]
        if refused:
            _tell_refused(refused)

    def _note(self, now: float) -> None:
        if self.since is None:
            self.since = now


def item_in_hand(row: Row, index: int | None) -> tuple[str | None, int | None]:
    """Find an item by its place in its batch.

    Args:
        row: The batch.
        index: The place, or None when the handler had the whole batch.

    Returns:
        The item's key and ordinal, or None twice.
    """
    keys = (row[ITEM_KEYS] or b"").split(b"\n")
    if index is None and len(keys) == 1:
        index = 0
    ordinals = list(parse_ordinals(row[ORDINALS]))
    if index is None or index >= min(len(keys), len(ordinals)):
        return None, None
    return keys[index].decode("utf-8", "replace"), ordinals[index]


def _told(row: Row, failures: Sequence[ItemFailure]) -> list[dict[str, Any]]:
    keys = row[ITEM_KEYS].decode("utf-8", "replace").split("\n")
    ordinals = list(parse_ordinals(row[ORDINALS]))
    told = []
    for failure in failures[:_ITEMS_TOLD]:
        item = {"ordinal": ordinals[failure.index], "key": keys[failure.index], "type": failure.type}
        item["message"] = failure.message
        if failure.traceback:
            item["traceback"] = failure.traceback
        told.append(item)
    return told


def _tell_refused(refused: Sequence[Refusal]) -> None:
    first = refused[0]
    _log.warning(
        "outcomes_refused",
        count=len(refused),
        job_id=first.job_id,
        batch_no=first.batch_no,
        verdict=first.verdict,
        hint="another attempt has the batch, or it ended otherwise; what this attempt did is dropped",
    )
