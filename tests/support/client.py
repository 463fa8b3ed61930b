"""A thin client of the write API: it calls the SQL functions and returns their answers."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from event_streams import fold, stored_event
from evtrack.domain.batch_projection import BatchState
from evtrack.domain.ordinals import Ordinals
from evtrack.domain.states import BatchStatus
from evtrack.domain.stored_event import StoredEvent

_names = count()
_BATCH_COLUMNS = ", ".join(name for name in BatchState.__slots__ if name != "ordinals")


class Claim(NamedTuple):
    """A batch in a worker's hands."""

    job_id: int
    batch_no: int
    attempt: int


class Client:
    """One session with the queue, and a handler name of its own so that tests do not meet.

    Args:
        conn: The session, in autocommit mode.
        handler: The handler of the jobs it makes.
    """

    def __init__(self, conn: Connection[Any], handler: str | None = None) -> None:
        self.conn = conn
        self.handler = handler or f"handler-{next(_names)}"

    def rows(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """Run a statement and return its rows."""
        with self.conn.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement.encode(), parameters or None).fetchall()

    def one(self, statement: str, *parameters: Any) -> Any:
        """Run a statement and return the first column of its only row."""
        (row,) = self.rows(statement, *parameters)
        return next(iter(row.values()))

    # Making work

    def job(self, batches: int = 1, *, items: int = 1, priority: int = 0, **policy: Any) -> int:
        """Submit and seal a job of equal batches, and return its id."""
        keys = [f"key:{number}" for number in range(1, batches * items + 1)]
        payloads = [f'{{"n": {number}}}' for number in range(1, batches * items + 1)]
        return self.one(
            "SELECT evtrack.enqueue(%s, %s, %s, NULL, %s::smallint, %s, %s)",
            self.handler,
            keys,
            payloads,
            priority,
            Jsonb(policy),
            items,
        )

    def worker(self, *handlers: str) -> int:
        """Register a worker, and return its id."""
        return self.one(
            "SELECT evtrack.register_worker('test', 'host', 1, 2, %s, '0')", list(handlers or (self.handler,))
        )

    # Working

    def claim(self, worker: int, *jobs: int, fresh: int = 100, returning: int = 100, after: int = 0) -> list[Claim]:
        """Claim from these jobs."""
        return [
            Claim(row["job_id"], row["batch_no"], row["attempt"])
            for row in self.claimed(worker, *jobs, fresh=fresh, returning=returning, after=after)
        ]

    def claimed(
        self, worker: int, *jobs: int, fresh: int = 100, returning: int = 100, after: int = 0
    ) -> list[dict[str, Any]]:
        """Claim from these jobs, and return all that the claim says."""
        return self.rows(
            "SELECT * FROM evtrack.claim(%s, %s::bigint[], %s::integer[], %s, %s::text[], %s)",
            worker,
            list(jobs),
            [after] * len(jobs),
            fresh,
            [self.handler],
            returning,
        )

    def complete(
        self,
        worker: int,
        claims: Iterable[Claim],
        *,
        run_s: float | None = 0.5,
        results: Sequence[str | None] | None = None,
    ) -> list[str]:
        """Report batches done, and return a verdict each."""
        claims = list(claims)
        return self._report(
            "complete", worker, claims, "%s::float8[], %s::text[]", [run_s] * len(claims), results and list(results)
        )

    def exchange(
        self, worker: int, claims: Iterable[Claim], *jobs: int, fresh: int = 0, returning: int = 0, results: Any = None
    ) -> list[str]:
        """Report batches done, claim from these jobs into `claimed`, and return a verdict for each report."""
        claims = list(claims)
        rows = self.rows(
            "SELECT * FROM evtrack.exchange(%s, %s::bigint[], %s::integer[], %s::integer[], %s::float8[], %s::text[],"
            " claim_jobs => %s::bigint[], after => array_fill(0, ARRAY[%s]), max_fresh => %s, handlers => %s::text[],"
            " max_returning => %s)",
            worker,
            *_columns(claims),
            [0.5] * len(claims),
            results,
            list(jobs),
            len(jobs),
            fresh,
            [self.handler],
            returning,
        )
        self.exchanged = [
            Claim(row["job_id"], row["batch_no"], row["attempt"]) for row in rows if row["verdict"] is None
        ]
        verdicts = {(row["job_id"], row["batch_no"]): row["verdict"] for row in rows if row["verdict"]}
        return [verdicts.get(claim[:2], "ok") for claim in claims]

    def fail(self, worker: int, claims: Iterable[Claim], error: Any = None) -> list[str]:
        """Report batches failed."""
        claims = list(claims)
        error = {"type": "ValueError", "message": "no"} if error is None else error
        return self._report(
            "fail", worker, claims, "%s::float8[], %s::jsonb[]", [0.25] * len(claims), [Jsonb(error)] * len(claims)
        )

    def crash(self, worker: int, claims: Iterable[Claim], **dossier: Any) -> list[str]:
        """Report batches crashed."""
        claims = list(claims)
        dossier = dossier or {"cause": "signal", "signal": "SIGSEGV"}
        return self._report("crash", worker, claims, "%s::jsonb[]", [Jsonb(dossier)] * len(claims))

    def crash_with(
        self,
        worker: int,
        claims: Iterable[Claim],
        dossiers: Sequence[Any],
        *,
        done: Sequence[str | None] | None = None,
        results: Sequence[str | None] | None = None,
    ) -> list[str]:
        """Report batches crashed, each with a dossier of its own and what was done of it."""
        return self._report(
            "crash",
            worker,
            list(claims),
            "%s::jsonb[], %s::text[], %s::text[]",
            [Jsonb(dossier) for dossier in dossiers],
            done and list(done),
            results and list(results),
        )

    def requeue(self, worker: int, claims: Iterable[Claim], reason: str = "stopping") -> list[str]:
        """Give batches back."""
        return self._report("requeue", worker, list(claims), "%s", reason)

    def complete_partly(
        self, worker: int, claim: Claim, failed: Ordinals | str, *, results: str | None = None, errors: Any = None
    ) -> str:
        """Report a batch done but for some items."""
        errors = [{"ordinal": 1, "key": "k", "type": "ValueError", "message": "no"}] if errors is None else errors
        return self.one(
            "SELECT evtrack.complete_partly(%s, %s, %s, %s, %s, %s, %s::int4multirange, %s)",
            worker,
            *claim,
            0.75,
            results,
            str(failed),
            Jsonb(errors),
        )

    def complete_with_failures(
        self, worker: int, claims: Iterable[Claim], failed: Sequence[Ordinals | str], *, results: Any = None
    ) -> list[str]:
        """Report batches done but for some items."""
        claims = list(claims)
        errors = [{"ordinal": 1, "key": "k", "type": "ValueError", "message": "no"}]
        return self._report(
            "complete_with_failures",
            worker,
            claims,
            "%s::float8[], %s::text[], %s::int4multirange[], %s",
            [0.75] * len(claims),
            results,
            [str(each) for each in failed],
            [Jsonb(errors)] * len(claims),
        )

    def complete_but_one_item(self, worker: int, claims: Iterable[Claim]) -> list[str]:
        """Report batches of two items each, of which the second failed."""
        claims = list(claims)
        failed = [f"{{[{claim.batch_no * 2},{claim.batch_no * 2 + 1})}}" for claim in claims]
        return self.complete_with_failures(worker, claims, failed)

    def reconcile(self, worker: int, claims: Iterable[Claim] = ()) -> list[tuple[Claim, str]]:
        """Report what the worker holds, and return the verdict on each batch."""
        rows = self.rows(
            "SELECT * FROM evtrack.reconcile(%s, %s::bigint[], %s::integer[], %s::integer[])",
            worker,
            *_columns(list(claims)),
        )
        return [(Claim(row["job_id"], row["batch_no"], row["attempt"]), row["verdict"]) for row in rows]

    def _report(self, function: str, worker: int, claims: list[Claim], more: str, *parameters: Any) -> list[str]:
        rows = self.rows(
            f"SELECT * FROM evtrack.{function}(%s, %s::bigint[], %s::integer[], %s::integer[], {more})",
            worker,
            *_columns(claims),
            *parameters,
        )
        assert [(claim.job_id, claim.batch_no) for claim in claims] == [
            (row["job_id"], row["batch_no"]) for row in rows
        ]
        return [row["verdict"] for row in rows]

    def run_steadily(self) -> None:
        """Let the server's clock count as steady, as if somebody had been reaping all the time."""
        self.conn.execute(
            "UPDATE evtrack.upkeep SET reaper = NULL, reaped_at = clock_timestamp(), steady_since = NULL,"
            " stepped_at = NULL"
        )

    # Looking

    def phase(self, job: int) -> str:
        """Return the job's phase."""
        return self.one("SELECT phase::text FROM evtrack.job WHERE job_id = %s", job)

    def batch(self, job: int, number: int = 1) -> BatchState:
        """Return a batch as the projection has it."""
        return self.batches(job)[number]

    def batches(self, job: int) -> dict[int, BatchState]:
        """Return all batches of a job by number, as the projection has them."""
        rows = self.rows(
            f"SELECT batch_no, {_BATCH_COLUMNS}, ordinals::text AS ordinals FROM evtrack.batch"
            " WHERE job_id = %s ORDER BY batch_no",
            job,
        )
        return {row.pop("batch_no"): _batch(row) for row in rows}

    def events(self, job: int, number: int | None = None) -> list[StoredEvent]:
        """Return the events of a batch, or of all batches of a job, or with 0 the job's own."""
        rows = self.rows(
            "SELECT * FROM evtrack.event WHERE job_id = %s AND CASE WHEN %s::int IS NULL THEN batch_no > 0"
            " ELSE batch_no = %s END ORDER BY batch_no, version",
            job,
            number,
            number,
        )
        return [stored_event(row) for row in rows]

    def view(self, name: str, job: int, order: str = "1") -> list[dict[str, Any]]:
        """Return a view's rows for one job."""
        return self.rows(f"SELECT * FROM evtrack.{name} WHERE job_id = %s ORDER BY {order}", job)

    def own_links(self, job: int) -> bytes:
        """Return the digests of a job's own stream, from wherever they stand."""
        return self.one(
            "SELECT coalesce(string_agg(l.links, '' ORDER BY l.first_version), '') || j.links FROM evtrack.job j"
            " LEFT JOIN evtrack.job_link l ON l.job_id = j.job_id WHERE j.job_id = %s GROUP BY j.job_id",
            job,
        )

    def types(self, job: int, number: int = 1) -> list[str]:
        """Return the types of a stream's events."""
        return [str(event.type) for event in self.events(job, number)]

    def sums(self, job: int) -> dict[str, tuple[int, int]]:
        """Return (batches, items) by status, as the counters have them."""
        columns = ", ".join(
            f"coalesce(sum({status}_{what}), 0)::int AS {status}_{what}"
            for status in BatchStatus
            for what in ("batches", "items")
        )
        (row,) = self.rows(f"SELECT {columns} FROM evtrack.progress WHERE job_id = %s", job)
        return {str(status): (row[f"{status}_batches"], row[f"{status}_items"]) for status in BatchStatus}

    def check(self, *jobs: int) -> None:
        """Hold the projection and the counters of these jobs against the fold of their events."""
        for job in jobs:
            streams: dict[int, list[StoredEvent]] = {}
            for event in self.events(job):
                streams.setdefault(event.batch_no, []).append(event)
            folded = {number: fold(stream) for number, stream in streams.items()}
            kept = self.batches(job)
            differ = {
                number: (folded.get(number), kept.get(number))
                for number in folded.keys() | kept.keys()
                if folded.get(number) != kept.get(number)
            }
            assert not differ, f"job {job}, the log and the projection differ (log first): {differ}"
            expected = {str(status): [0, 0] for status in BatchStatus}
            for batch in folded.values():
                assert batch is not None
                assert batch.item_count == len(batch.ordinals)
                expected[batch.status][0] += 1
                expected[batch.status][1] += batch.item_count
            assert {status: tuple(pair) for status, pair in expected.items()} == self.sums(job)


def columns(rows: Iterable[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    """Keep some columns of rows."""
    return [tuple(row[name] for name in names) for row in rows]


def _columns(claims: Sequence[Claim]) -> tuple[list[int], list[int], list[int]]:
    return [c.job_id for c in claims], [c.batch_no for c in claims], [c.attempt for c in claims]


def _batch(row: dict[str, Any]) -> BatchState:
    return BatchState(**row | {"status": BatchStatus(row["status"]), "ordinals": Ordinals.parse(row["ordinals"])})


@contextmanager
def refused(sqlstate: str, match: str = "") -> Iterator[None]:
    """Expect that the write API refuses a call."""
    with pytest.raises(psycopg.Error, match=match) as caught:
        yield
    assert sqlstate == caught.value.sqlstate
