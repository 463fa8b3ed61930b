"""Two real sessions act on the queue in transactions that overlap at random; a third compares what is committed."""

from collections.abc import Callable
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from client import Claim, Client
from evtrack.domain.states import BatchStatus
from evtrack.storage.connection.connect import connect
from evtrack.storage.log.proof import verify
from old_jobs import days_ago, old_job
from servers import cloned

pytestmark = pytest.mark.integration

sessions = st.integers(0, 1)
lucks = st.integers(0, 2**32 - 1)


class Session:
    """A session, its worker, and what the worker holds: now, and as of the last commit."""

    def __init__(self, conn: psycopg.Connection[Any], handler: str) -> None:
        self.client = Client(conn, handler)
        # One thread drives both sessions, so a call that waits for the other one would wait forever.
        conn.execute("SET lock_timeout = '40ms'")
        self.worker = self.client.worker()
        self.held: list[Claim] = []
        self.committed: list[Claim] = []
        self.is_open = False

    def begin(self) -> None:
        """Open a transaction, unless one is open."""
        if not self.is_open:
            self.client.conn.execute("BEGIN")
            self.is_open = True

    def end(self, how: str) -> None:
        """Commit or roll back."""
        self.client.conn.execute(how.encode())
        self.is_open = False
        if how == "COMMIT":
            self.committed = list(self.held)
        else:
            self.held = list(self.committed)

    def call(self, act: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Call a function; if it would wait for the other session, nothing has happened."""
        try:
            answer = act()
        except psycopg.errors.LockNotAvailable:
            if self.is_open:
                self.end("ROLLBACK")
            return
        then(answer)
        if not self.is_open:
            self.committed = list(self.held)


class Machine(RuleBasedStateMachine):
    """Two workers act on jobs of two days."""

    conns: tuple[psycopg.Connection[Any], psycopg.Connection[Any], psycopg.Connection[Any]]

    @initialize(batches=st.integers(2, 5), items=st.integers(1, 4), errors=st.integers(1, 3))
    def start(self, batches: int, items: int, errors: int) -> None:
        """Start with two workers, and a job of today and one of yesterday."""
        self.client = Client(self.conns[0])
        self.sessions = [Session(conn, self.client.handler) for conn in self.conns[1:]]
        policy = {"max_errors": errors, "max_crashes": 2, "backoff_s": 0}
        self.jobs = [
            self.client.job(batches, items=items, **policy),
            old_job(self.client, days_ago(1), batches, items=items, **policy),
        ]
        self.items = batches * items

    @rule(who=sessions)
    def begin(self, who: int) -> None:
        """Open a transaction."""
        self.sessions[who].begin()

    @rule(who=sessions, how=st.sampled_from(["COMMIT", "COMMIT", "ROLLBACK"]))
    def end(self, who: int, how: str) -> None:
        """Commit, or roll back."""
        if self.sessions[who].is_open:
            self.sessions[who].end(how)

    @rule(who=sessions, fresh=st.integers(0, 3), returning=st.integers(0, 3))
    def claim(self, who: int, fresh: int, returning: int) -> None:
        """Claim from both jobs; nobody else may have what is claimed, committed or not."""
        session, other = self.sessions[who], self.sessions[1 - who]

        def take(claims: list[Claim]) -> None:
            assert len(claims) <= fresh + returning
            taken = {claim[:2] for claim in claims}
            assert len(taken) == len(claims)
            assert not taken & {claim[:2] for claim in (*other.held, *other.committed, *session.held)}
            session.held = sorted(session.held + claims)

        session.call(lambda: session.client.claim(session.worker, *self.jobs, fresh=fresh, returning=returning), take)

    @rule(
        who=sessions,
        luck=lucks,
        how=st.sampled_from(["complete", "exchange", "fail", "crash", "requeue", "partly", "partly"]),
    )
    def report(self, who: int, luck: int, how: str) -> None:
        """Report some of what a worker holds, or once in a while what the other one holds."""
        session, chance = self.sessions[who], Random(luck)
        is_late = chance.random() < 0.2
        mine = self.sessions[1 - who].held if is_late else session.held
        claims = chance.sample(mine, chance.randint(1, len(mine))) if mine else []
        failed = {claim: self.failed(session, claim, chance) for claim in claims} if how == "partly" else {}
        if how == "partly":
            claims = [claim for claim in claims if failed[claim] is not None]
        if not claims:
            return

        def report() -> list[str]:
            if how == "partly":
                parts = [str(failed[claim]) for claim in claims]
                return session.client.complete_with_failures(session.worker, claims, parts)
            return list(getattr(session.client, how)(session.worker, claims))

        def let_go(verdicts: list[str]) -> None:
            if is_late:
                assert {"late", "unknown"} >= set(verdicts)
            else:
                assert not {"late", "unknown"} & set(verdicts)
                session.held = [claim for claim in session.held if claim not in claims]

        session.call(report, let_go)

    @rule(who=sessions, pick=st.integers(0, 1), call=st.sampled_from(["finish_jobs", "compact", "suspend", "resume"]))
    def keep_house(self, who: int, pick: int, call: str) -> None:
        """Finish jobs, compact counters, suspend or resume."""
        session, job = self.sessions[who], self.jobs[pick]
        sql, values = {
            "finish_jobs": ("SELECT count(*) FROM evtrack.finish_jobs(%s::bigint[])", [self.jobs]),
            "compact": ("SELECT evtrack.compact_progress(%s, 4, 0)", [job]),
            "suspend": ("SELECT evtrack.suspend(%s)", [job]),
            "resume": ("SELECT evtrack.resume(%s)", [job]),
        }[call]
        if call == "suspend" and self.client.phase(job) != "sealed":
            return
        session.call(lambda: session.client.one(sql, *values), lambda _: None)

    @invariant()
    def what_is_committed_is_the_fold_of_the_log(self) -> None:
        """Hold projection, counters and holders against the log, as a third session sees them."""
        self.client.check(*self.jobs)
        running = {
            (batch.worker_id, Claim(job, number, batch.attempt))
            for job in self.jobs
            for number, batch in self.client.batches(job).items()
            if batch.status is BatchStatus.RUNNING
        }
        assert running == {(session.worker, claim) for session in self.sessions for claim in session.committed}

    def teardown(self) -> None:
        """Let both sessions end, and work off what is left."""
        sessions: list[Session] = getattr(self, "sessions", [])
        for session in sessions:
            if session.is_open:
                session.end("COMMIT" if session.held else "ROLLBACK")
        # Only after both have ended: a call would wait for what the other session has locked.
        for session in sessions:
            session.client.conn.execute("RESET lock_timeout")
            session.client.requeue(session.worker, session.held)
        for job in getattr(self, "jobs", []):
            self.client.one("SELECT evtrack.resume(%s)", job)
            worker = self.client.worker()
            self.client.complete(worker, self.client.claim(worker, job))
            self.client.rows("SELECT * FROM evtrack.finish_jobs(%s::bigint[])", [job])
            assert "finished" == self.client.phase(job)
            held = [batch for batch in self.client.batches(job).values() if batch.status is not BatchStatus.SPLIT]
            assert self.items == sum(batch.item_count for batch in held)
            assert [] == [str(each) for each in verify(self.client.conn, job)]

    @staticmethod
    def failed(session: Session, claim: Claim, chance: Random) -> str | None:
        """Choose items of a batch that fail, and not all; None for a batch of one item."""
        ordinals = session.client.one(
            "SELECT array_agg(i ORDER BY i) FROM evtrack.batch b, unnest(b.ordinals) r,"
            " generate_series(lower(r), upper(r) - 1) i WHERE b.job_id = %s AND b.batch_no = %s",
            claim.job_id,
            claim.batch_no,
        )
        if not ordinals or len(ordinals) < 2:
            return None
        chosen = chance.sample(ordinals, chance.randint(1, len(ordinals) - 1))
        return "{" + ",".join(f"[{ordinal},{ordinal + 1})" for ordinal in sorted(chosen)) + "}"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("examples", [6, pytest.param(40, marks=pytest.mark.slow)])
def test_transactions_that_overlap_leave_the_log_and_its_fold_in_step(
    admin_dsn: str, template: str, examples: int
) -> None:
    with (
        cloned(admin_dsn, template) as dsn,
        connect(dsn, purpose="test") as one,
        connect(dsn, purpose="test") as two,
        connect(dsn, purpose="test") as three,
    ):
        run_state_machine_as_test(
            type("Machine", (Machine,), {"conns": (one, two, three)}),
            settings=settings(
                max_examples=examples,
                stateful_step_count=40,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
