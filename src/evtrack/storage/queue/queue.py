"""A worker's view of the queue: claim batches, and report how they ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from psycopg.rows import tuple_row
from psycopg.types.json import Jsonb
from psycopg.types.string import ByteaBinaryLoader

from evtrack.domain.claimed_batch import ClaimedBatch
from evtrack.storage.connection.error_translation import translated
from evtrack.storage.connection.query import array_literal, mapping, rows, value
from evtrack.storage.connection.sql_files import statement
from evtrack.storage.queue.job_control import wake_watchers
from evtrack.storage.queue.records import Claimable, Reconciled, ReportVerdict
from evtrack.storage.queue.workers import bound_waits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evtrack.domain.claimed_batch import BatchKey
    from evtrack.storage.connection.connect import Connection
    from evtrack.storage.queue.records import Claim, CompletedBatches, SuspectMark

SEPARATOR: Final = b"\x1e"
"""Separates the results of batches; JSON escapes control characters, so no result contains it."""

CANCELLED: Final = "57014"
"""SQLSTATE of a statement that ran into statement_timeout; a retry may succeed."""

_encode: Final = msgspec.json.Encoder().encode


class Queue:
    """The queue on one connection, for one worker.

    Args:
        connection: In autocommit mode; nothing else may use it meanwhile.
        worker_id: The worker, as registered.
        handlers: The handlers that it offers.
    """

    def __init__(self, *, connection: Connection, worker_id: int, handlers: Sequence[str]) -> None:
        self._conn = connection
        self._worker_id = worker_id
        self._handlers = list(handlers)
        # Claimed batches go to the slots as they are: texts stay bytes.
        self._exchanges = connection.cursor(binary=True, row_factory=tuple_row)
        self._exchanges.adapters.register_loader("text", ByteaBinaryLoader)
        self._exchange_sql = statement("exchange")
        self._next_sql = statement("claim_next")
        bound_waits(connection)

    def claimable(self, marks: Mapping[int, int]) -> list[Claimable]:
        """List the jobs to claim from, most urgent first.

        Args:
            marks: For known jobs, the smallest batch number that may be new.
        """
        return rows(self._conn, Claimable, "claimable", handlers=self._handlers, **_known(marks))

    def claim_next(self, most: int, marks: Mapping[int, int]) -> tuple[list[ClaimedBatch], bool]:
        """Claim new batches of the most urgent jobs, found in the same round trip.

        Args:
            most: How many batches.
            marks: As for `claimable`.

        Returns:
            The batches, and whether there may be more to claim.
        """
        values = {"worker_id": self._worker_id, "handlers": self._handlers, "most": most, **_known(marks)}
        with translated():
            found = self._exchanges.execute(self._next_sql, values).fetchall()
        batches = [ClaimedBatch._make(row[:-1]) for row in found if row[0] is not None]
        return batches, bool(found) and (len(batches) in {0, most} or found[0][-1])

    def complete_and_claim(
        self, done: CompletedBatches | None, claim: Claim | None
    ) -> tuple[list[ReportVerdict], list[ClaimedBatch]]:
        """Report completed batches and claim more, in one round trip and one commit.

        Args:
            done: The completed batches, if any.
            claim: What to claim, if anything.

        Returns:
            The rejected reports, and the claimed batches.
        """
        with translated():
            found = self._exchanges.execute(self._exchange_sql, self._exchange(done, claim)).fetchall()
        rejected = [
            ReportVerdict(job_id, batch_no, verdict.decode())
            for verdict, job_id, batch_no, *_ in found
            if verdict is not None
        ]
        return rejected, [ClaimedBatch._make(row[1:]) for row in found if row[0] is None]

    def complete_with_failures(
        self,
        batches: Sequence[BatchKey],
        run_s: Sequence[float],
        results: Sequence[bytes | None],
        failed: Sequence[str],
        errors: Sequence[list[dict[str, Any]]],
    ) -> list[ReportVerdict]:
        """Report batches of which some items failed.

        Args:
            run_s: How long each ran.
            results: For each, a line of JSON for each completed item; None when nothing was returned.
            failed: For each, the ordinals of the failed items, as a multirange.
            errors: For each, the errors of these.

        Returns:
            A verdict for each: ok, late or unknown.
        """
        return self._report(
            "complete_with_failures",
            batches,
            run_s=array_literal(run_s),
            results=_joined(results),
            failed="\x1e".join(failed),
            errors=_joined(map(_encode, errors)),
        )

    def fail(
        self, batches: Sequence[BatchKey], run_s: Sequence[float], errors: Sequence[dict[str, Any]]
    ) -> list[ReportVerdict]:
        """Report batches whose handler raised an error.

        Args:
            run_s: How long each ran.
            errors: The error of each.

        Returns:
            A verdict for each: retry, failed, late or unknown.
        """
        return self._report("fail", batches, run_s=array_literal(run_s), errors=_joined(map(_encode, errors)))

    def crash(
        self,
        batches: Sequence[BatchKey],
        crash_reports: Sequence[dict[str, Any]],
        done: Sequence[str | None],
        results: Sequence[bytes | None],
    ) -> list[ReportVerdict]:
        """Report batches whose process died.

        Args:
            crash_reports: The crash report of each.
            done: For each, the ordinals of the items whose results are known, as a multirange; None for none.
            results: For each, a line of JSON for each of those items; None when nothing was returned.

        Returns:
            A verdict for each: retry, split, crashed, late or unknown.
        """
        return self._report(
            "crash",
            batches,
            dossiers=[Jsonb(report) for report in crash_reports],
            done=list(done),
            results=[None if lines is None else lines.decode() for lines in results],
        )

    def mark_items(self, marks: Sequence[SuspectMark]) -> list[ReportVerdict]:
        """Commit which items of suspects are done, and which begin.

        Args:
            marks: One for each batch.

        Returns:
            A verdict for each: held, or lost when the item must not begin.
        """
        return self._report(
            "mark_items",
            [mark.batch for mark in marks],
            done=[mark.done for mark in marks],
            lines=[None if mark.line is None else mark.line.decode() for mark in marks],
            in_hand=[mark.in_hand for mark in marks],
            exclusive=[mark.exclusive for mark in marks],
        )

    def requeue(self, batches: Sequence[BatchKey], reason: str) -> list[ReportVerdict]:
        """Give back batches that did not run to their end.

        Args:
            reason: Why.

        Returns:
            A verdict for each: ok, late or unknown.
        """
        return self._report("requeue", batches, reason=reason)

    def reconcile(self, batches: Sequence[BatchKey]) -> list[Reconciled]:
        """Compare the batches that this worker holds with those that the log says it holds.

        Args:
            batches: The batches that it holds.

        Returns:
            A verdict for each.
        """
        return rows(self._conn, Reconciled, "reconcile", **self._keys(batches))

    def finish_jobs(self, job_ids: Sequence[int]) -> dict[int, bool]:
        """Finish those of these jobs whose batches have all ended.

        Args:
            job_ids: Jobs.

        Returns:
            For each of those whether it is finished now; if not, another session has locked it, or there is more to do.
        """
        return mapping(self._conn, "finish_jobs", job_ids=array_literal(job_ids))

    def has_backoff(self) -> bool:
        """Return whether batches that this worker may claim are to be tried again later."""
        return bool(value(self._conn, "has_backoff", handlers=self._handlers))

    def wake_watchers(self) -> None:
        """Notify watchers that there may be alerts, after the commit of what may have raised them."""
        wake_watchers(self._conn)

    def job_phase(self, job_id: int) -> str | None:
        """Return a job's phase, or None when there is no such job."""
        phase: str | None = value(self._conn, "job_phase", job_id=job_id)
        return phase

    def _exchange(self, done: CompletedBatches | None, claim: Claim | None) -> dict[str, Any]:
        values: dict[str, Any] = dict.fromkeys(("results", "peak_rss_bytes", "cpu_s", "claim_jobs", "after"))
        if done is None:
            values |= {**self._columns((), (), ()), "run_s": "{}"}
        else:
            values |= {**self._columns(done.job_ids, done.batch_nos, done.attempts), "run_s": array_literal(done.run_s)}
            if done.results is not None:
                values["results"] = _joined(done.results)
            if done.usage is not None:
                values["peak_rss_bytes"] = [None if each is None else each[0] for each in done.usage]
                values["cpu_s"] = [None if each is None else each[1] for each in done.usage]
        if claim is not None:
            values |= {"claim_jobs": array_literal(claim.job_ids), "after": array_literal(claim.after)}
        return values | {
            "handlers": self._handlers,
            "max_new": claim.max_new if claim else 0,
            "max_retried": claim.max_retried if claim else 0,
            "max_isolated": claim.max_isolated if claim else 0,
        }

    def _report(self, name: str, batches: Sequence[BatchKey], **more: Any) -> list[ReportVerdict]:
        return rows(self._conn, ReportVerdict, name, **self._keys(batches), **more)

    def _keys(self, batches: Sequence[BatchKey]) -> dict[str, Any]:
        return self._columns(*zip(*batches, strict=True)) if batches else self._columns((), (), ())

    def _columns(self, job_ids: Sequence[int], batch_nos: Sequence[int], attempts: Sequence[int]) -> dict[str, Any]:
        return {
            "worker_id": self._worker_id,
            "job_ids": array_literal(job_ids),
            "batch_nos": array_literal(batch_nos),
            "attempts": array_literal(attempts),
        }


def _known(marks: Mapping[int, int]) -> dict[str, str]:
    return {"job_ids": array_literal(list(marks)), "marks": array_literal(list(marks.values()))}


def _joined(texts: Iterable[bytes | None]) -> str:
    """Write texts as one, for string_to_array: psycopg's own adapter runs Python code for each element."""
    return SEPARATOR.join([text or b"" for text in texts]).decode()
