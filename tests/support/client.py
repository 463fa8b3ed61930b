"""A thin client of the write API: it calls the SQL functions and returns their answers."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg import Connection
from psycopg.types.json import Jsonb

from evtrack.domain.ordinals import Ordinals
from log_reader import LogReader

_names = count()


class Claim(NamedTuple):
    """A batch in a worker's hands."""

    job_id: int
    batch_no: int
    attempt: int


class Client(LogReader):
    """One session with the queue, and a handler name of its own so that tests do not meet.

    Args:
        conn: The session, in autocommit mode.
        handler: The handler of the jobs it makes.
    """

    def __init__(self, conn: Connection[Any], handler: str | None = None) -> None:
        super().__init__(conn)
        self.handler = handler or f"handler-{next(_names)}"

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


def columns(rows: Iterable[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    """Keep some columns of rows."""
    return [tuple(row[name] for name in names) for row in rows]


def _columns(claims: Sequence[Claim]) -> tuple[list[int], list[int], list[int]]:
    return [c.job_id for c in claims], [c.batch_no for c in claims], [c.attempt for c in claims]


@contextmanager
def refused(sqlstate: str, match: str = "") -> Iterator[None]:
    """Expect that the write API refuses a call."""
    with pytest.raises(psycopg.Error, match=match) as caught:
        yield
    assert sqlstate == caught.value.sqlstate
