"""A worker's side of the queue: claim, complete, fail, crash, requeue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from psycopg.types.json import Jsonb
from psycopg.types.string import ByteaBinaryLoader

from evtrack.domain.claimed_batch import ClaimedBatch
from evtrack.storage.connection.connect import Connection, translated
from evtrack.storage.connection.statements import statement
from evtrack.storage.queue.rows import Claim, Claimable, Completed, Refusal
from evtrack.storage.queue.workers import bound_waits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from psycopg import Cursor

SEPARATOR: Final = b"\x1e"
"""Stands between the results of batches; JSON writes control characters as escapes, so it is in none of them."""


CANCELLED: Final = "57014"
"""SQLSTATE of a statement that took longer; the same again may go through."""


class Queue:
    """Speaks with the queue on one connection, for one worker.

    Args:
        connection: In autocommit mode; nothing else may use it meanwhile.
        worker_id: The worker, as registered.
        handlers: The handlers that it offers.
    """

    def __init__(self, *, connection: Connection, worker_id: int, handlers: Sequence[str]) -> None:
        self._conn = connection
        self._worker_id = worker_id
        self._handlers = list(handlers)
        self._reports = connection.cursor(binary=True)
        # Payloads go to the slots as the bytes that they are: decoding them here would be work for nothing.
        self._claims = connection.cursor(binary=True, row_factory=_claimed_batch)
        self._claims.adapters.register_loader("text", ByteaBinaryLoader)
        bound_waits(connection)
        self._claim_sql = statement("claim")
        self._complete_sql = statement("complete")

    def claimable(self, marks: Mapping[int, int]) -> list[Claimable]:
        """List the jobs to claim from, most urgent first.

        Args:
            marks: For jobs that are known, the smallest batch number that may be fresh.

        Returns:
            The jobs.
        """
        values = {"handlers": self._handlers, "job_ids": _array(list(marks)), "marks": _array(list(marks.values()))}
        with translated():
            rows = self._reports.execute(statement("claimable"), values).fetchall()
        return [Claimable(*row) for row in rows]

    def complete_and_claim(
        self, done: Completed | None, claim: Claim | None
    ) -> tuple[list[Refusal], list[ClaimedBatch]]:
        """Report what is done and take more, in one round trip and one commit.

        Args:
            done: What is done, if anything.
            claim: What to take, if anything.

        Returns:
            What was refused of the reports, and the claimed batches.
        """
        if done is None or claim is None:
            with translated():
                return self._complete(done), self._claim(claim)
        with translated(), self._conn.pipeline():
            self._reports.execute(self._complete_sql, self._completed(done))
            self._claims.execute(self._claim_sql, self._claimed(claim))
        with translated():
            return [Refusal(*row) for row in self._reports.fetchall()], self._claims.fetchall()

    def complete_partly(
        self,
        batch: tuple[int, int, int],
        *,
        run_s: float,
        results: bytes | None,
        failed: str,
        errors: list[dict[str, Any]],
    ) -> str:
        """Report a batch some of whose items failed.

        Args:
            batch: Job, batch number and attempt.
            run_s: How long it ran.
            results: A line of JSON for each item that is done.
            failed: The ordinals of the others, as a multirange.
            errors: What became of each of those.

        Returns:
            ok, late or unknown.
        """
        job_id, batch_no, attempt = batch
        values = {
            "job_id": job_id,
            "batch_no": batch_no,
            "attempt": attempt,
            "run_s": run_s,
            "results": None if results is None else results.decode(),
            "failed": failed,
            "errors": Jsonb(errors),
        }
        return str(self._one("complete_partly", values))

    def fail(
        self, batches: Sequence[tuple[int, int, int]], run_s: Sequence[float], errors: Sequence[dict[str, Any]]
    ) -> list[Refusal]:
        """Report batches whose handler raised.

        Args:
            batches: Job, batch number and attempt of each.
            run_s: How long each ran.
            errors: What was raised.

        Returns:
            A verdict for each: retry, failed, late or unknown.
        """
        return self._all("fail", batches, run_s=list(run_s), errors=[Jsonb(error) for error in errors])

    def crash(
        self,
        batches: Sequence[tuple[int, int, int]],
        dossiers: Sequence[dict[str, Any]],
        done: Sequence[str | None],
        results: Sequence[bytes | None],
    ) -> list[Refusal]:
        """Report batches whose process died.

        Args:
            batches: Job, batch number and attempt of each.
            dossiers: What is known of each death.
            done: For each the ordinals of the items whose result is here, as a multirange; None for none.
            results: For each a line of JSON for each of those items; None when nothing was returned.

        Returns:
            A verdict for each: retry, split, crashed, late or unknown.
        """
        return self._all(
            "crash",
            batches,
            dossiers=[Jsonb(dossier) for dossier in dossiers],
            done=list(done),
            results=[None if lines is None else lines.decode() for lines in results],
        )

    def requeue(self, batches: Sequence[tuple[int, int, int]], reason: str) -> list[Refusal]:
        """Give batches back that did not run to their end.

        Args:
            batches: Job, batch number and attempt of each.
            reason: Why.

        Returns:
            A verdict for each: ok, late or unknown.
        """
        return self._all("requeue", batches, reason=reason)

    def reconcile(self, batches: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int, str]]:
        """Compare what this worker holds with what the log says it holds.

        Args:
            batches: Job, batch number and attempt of each that it has in hand.

        Returns:
            Job, batch number, attempt and verdict: held, lost, or requeued for one that was not named.
        """
        with translated():
            return self._reports.execute(statement("reconcile"), self._keys(batches)).fetchall()

    def finish_due(self, job_id: int) -> bool:
        """Finish a job if nothing in it is open.

        Args:
            job_id: The job.

        Returns:
            Whether it finished now.
        """
        return bool(self._one("finish_due", {"job_id": job_id}))

    def job_phase(self, job_id: int) -> str | None:
        """Tell a job's phase.

        Args:
            job_id: The job.

        Returns:
            The phase, or None when there is no such job.
        """
        phase = self._one("job_phase", {"job_id": job_id})
        return None if phase is None else str(phase)

    def _complete(self, done: Completed | None) -> list[Refusal]:
        if done is None:
            return []
        return [Refusal(*row) for row in self._reports.execute(self._complete_sql, self._completed(done)).fetchall()]

    def _claim(self, claim: Claim | None) -> list[ClaimedBatch]:
        if claim is None:
            return []
        return self._claims.execute(self._claim_sql, self._claimed(claim)).fetchall()

    def _completed(self, done: Completed) -> dict[str, Any]:
        results = None
        if done.results is not None:
            results = SEPARATOR.join([lines or b"" for lines in done.results]).decode()
        return {
            "worker_id": self._worker_id,
            "job_ids": _array(done.job_ids),
            "batch_nos": _array(done.batch_nos),
            "attempts": _array(done.attempts),
            "run_s": _array(done.run_s),
            "results": results,
        }

    def _claimed(self, claim: Claim) -> dict[str, Any]:
        return {
            "worker_id": self._worker_id,
            "job_ids": _array(claim.job_ids),
            "after": _array(claim.after),
            "max_fresh": claim.max_fresh,
            "handlers": self._handlers,
            "max_returning": claim.max_returning,
        }

    def _keys(self, batches: Sequence[tuple[int, int, int]]) -> dict[str, Any]:
        job_ids, batch_nos, attempts = zip(*batches, strict=True) if batches else ((), (), ())
        return {
            "worker_id": self._worker_id,
            "job_ids": _array(job_ids),
            "batch_nos": _array(batch_nos),
            "attempts": _array(attempts),
        }

    def _all(self, name: str, batches: Sequence[tuple[int, int, int]], **more: Any) -> list[Refusal]:
        with translated():
            rows = self._reports.execute(statement(name), {**self._keys(batches), **more}).fetchall()
        return [Refusal(*row) for row in rows]

    def _one(self, name: str, values: dict[str, Any]) -> Any:
        with translated():
            row = self._reports.execute(statement(name), {"worker_id": self._worker_id, **values}).fetchone()
        return None if row is None else row[0]


def _claimed_batch(_: Cursor[Any]) -> Callable[[Sequence[Any]], ClaimedBatch]:
    return ClaimedBatch._make


def _array(numbers: Sequence[float]) -> str:
    # psycopg's own list adapter is Python code for each element; at hundreds of batches a call that is a tenth of all.
    return f"{{{str(list(numbers))[1:-1]}}}"
