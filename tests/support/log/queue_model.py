"""What a state machine knows of the queue that it drives, and what must hold after each of its steps."""

from collections.abc import Sequence
from random import Random
from typing import Any, TypeVar

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from client import Claim, Client
from event_streams import check_past
from evtrack.domain.ordinals import Ordinals
from evtrack.domain.states import BatchStatus
from evtrack.storage.log.proof import verify
from suspects import marker

T = TypeVar("T")

workers = st.integers(0, 1)
picks = st.integers(0, 2**16)
budgets = st.fixed_dictionaries(
    {
        "max_errors": st.integers(1, 3),
        "max_crashes": st.integers(1, 3),
        "max_losses": st.integers(1, 2),
        "backoff_s": st.just(0),
    }
)

# What there is to choose from hangs on the server's clock: batches that came back in the same microsecond come in any
# order. So a step draws only a number, and chooses by it.
lucks = st.integers(0, 2**32 - 1)


def some_of(choices: Sequence[T], chance: Random, *, most: int | None = None) -> list[T]:
    """Choose at least one, in any order."""
    return chance.sample(choices, chance.randint(1, min(len(choices), most or len(choices))))


class QueueModel(RuleBasedStateMachine):
    """Two workers and a few jobs; it only knows which worker holds which batch."""

    conn: psycopg.Connection[Any]

    @initialize(batches=st.integers(1, 4), items=st.integers(1, 4), policy=budgets)
    def begin(self, batches: int, items: int, policy: dict[str, Any]) -> None:
        """Start with two workers and a job."""
        self.client = Client(self.conn)
        self.client.run_steadily()
        # Only the first marks what it begins.
        self.ids = [marker(self.client), self.client.worker()]
        self.held: list[list[Claim]] = [[], []]
        self.past: list[list[Claim]] = [[], []]
        self.items: dict[int, int] = {}
        self.verified: dict[int, int] = {}
        self.submit(batches, items, policy)

    @precondition(lambda self: len(self.items) < 2)
    @rule(batches=st.integers(1, 4), items=st.integers(1, 4), policy=budgets)
    def submit(self, batches: int, items: int, policy: dict[str, Any]) -> None:
        """Submit a job."""
        job = self.client.job(batches, items=items, **policy)
        self.items[job] = batches * items

    # What holds after each step

    @invariant()
    def the_projection_is_the_fold_of_the_log(self) -> None:
        """Hold table and counters against the log."""
        self.client.check(*self.items)
        for job in self.items:
            events = self.client.one("SELECT count(*) FROM evtrack.event WHERE job_id = %s", job)
            # The dearest check, again only where there is something new; all jobs are verified at the end.
            if events != self.verified.get(job):
                assert [] == [str(each) for each in verify(self.conn, job)]
                self.verified[job] = events

    @invariant()
    def a_running_batch_is_in_the_hands_of_its_worker(self) -> None:
        """Hold the table against what the workers hold."""
        running = {
            (batch.worker_id, Claim(job, number, batch.attempt))
            for job in self.items
            for number, batch in self.client.batches(job).items()
            if batch.status is BatchStatus.RUNNING
        }
        assert running == {(self.ids[who], claim) for who in (0, 1) for claim in self.held[who]}

    @invariant()
    def every_item_is_in_one_batch(self) -> None:
        """Count the items of each job."""
        for job, items in self.items.items():
            batches = [batch for batch in self.client.batches(job).values() if batch.status is not BatchStatus.SPLIT]
            together = Ordinals(tuple(span for batch in batches for span in batch.ordinals.spans))
            assert items == len(together) == sum(batch.item_count for batch in batches)

    @invariant()
    def a_job_counts_its_own_events(self) -> None:
        """Hold the job's row against its stream."""
        for job in self.items:
            row = self.client.rows("SELECT version, batch_count FROM evtrack.job WHERE job_id = %s", job)[0]
            assert len(self.client.events(job, 0)) == row["version"]
            assert max(self.client.batches(job)) == row["batch_count"]

    def teardown(self) -> None:
        """Hold some moments of each job's past against the pure fold of the events until then."""
        for job in self.items:
            assert [] == [str(each) for each in verify(self.conn, job)]
            own, events = self.client.events(job, 0), self.client.events(job)
            moments = sorted({event.at for event in (*own, *events)})
            for moment in moments[:: 1 + len(moments) // 8] + moments[-1:]:
                check_past(self.client, job, moment, own, events)

    def holder(self, chance: Random) -> int:
        """Return one of the workers that hold something."""
        return chance.choice([who for who in (0, 1) if self.held[who]])

    def job(self, pick: int) -> int:
        """Return one of the jobs."""
        return list(self.items)[pick % len(self.items)]

    def suspended(self, job: int) -> bool:
        """Return whether a job is suspended."""
        return bool(self.client.one("SELECT suspended FROM evtrack.job WHERE job_id = %s", job))

    def let_go(self, who: int, claims: list[Claim]) -> None:
        """Move claims from what a worker holds to what it held."""
        self.held[who] = [claim for claim in self.held[who] if claim not in claims]
        self.past[who] += claims

    def fates(self, job: int) -> dict[int, str]:
        """Return each item's status."""
        rows = self.client.rows(
            "SELECT ordinal, status::text AS status FROM evtrack.item_status WHERE job_id = %s", job
        )
        return {row["ordinal"]: row["status"] for row in rows}
