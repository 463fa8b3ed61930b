"""A state machine drives the real queue at random and compares it after each step with the fold of its log."""

from dataclasses import replace
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from evtrack.domain.ordinals import Ordinals
from evtrack.domain.states import FINAL_PHASES, BatchStatus
from evtrack.storage.connection.connect import connect
from queue_model import QueueModel, lucks, picks, some_of, workers
from servers import cloned
from suspects import Left, lose, mark, marker, report_death

pytestmark = pytest.mark.integration

CAUSES = ["signal", "signal", "memory_limit", "out_of_memory"]


class Machine(QueueModel):
    """Two workers and a user act on a few jobs."""

    # A user

    @rule(
        pick=picks, call=st.sampled_from(["retry", "retry", "resume", "suspend", "retry", "resume", "retry", "cancel"])
    )
    def decide(self, pick: int, call: str) -> None:
        """Decide on a job, allowed or not."""
        job = self.job(pick)
        phase = self.client.phase(job)
        allowed = {
            "suspend": phase not in FINAL_PHASES or self.suspended(job),
            "resume": True,
            "cancel": phase != "finished",
            "retry": phase != "cancelled",
        }[call]
        if allowed:
            self.client.one(f"SELECT evtrack.{call}(%s)", job)
        else:
            with pytest.raises(psycopg.Error, match=f"job {job} is"):
                self.client.one(f"SELECT evtrack.{call}(%s)", job)

    @rule(pick=picks)
    def finish(self, pick: int) -> None:
        """Finish a job if it is due."""
        job = self.job(pick)
        due = self.client.phase(job) == "sealed" and not any(
            batch.status in {BatchStatus.PENDING, BatchStatus.RUNNING} for batch in self.client.batches(job).values()
        )
        assert due is self.client.one("SELECT evtrack.finish_due(%s)", job)

    # Two workers

    @rule(who=workers, fresh=st.integers(0, 5).map(lambda number: 5 - number), returning=st.sampled_from([3, 1, 0]))
    def claim(self, who: int, fresh: int, returning: int) -> None:
        """Claim from all jobs."""
        self.take(who, fresh, returning)

    @rule(who=workers)
    def claim_all(self, who: int) -> None:
        """Claim whatever is there."""
        self.take(who, 100, 100)

    def take(self, who: int, fresh: int, returning: int) -> None:
        """Claim, and check what was given."""
        before = {job: self.client.batches(job) for job in self.items}
        claims = self.client.claim(self.ids[who], *self.items, fresh=fresh, returning=returning)
        for claim in claims:
            was = before[claim.job_id][claim.batch_no]
            assert was.status is BatchStatus.PENDING
            assert was.attempt + 1 == claim.attempt
            assert not self.suspended(claim.job_id)
            assert self.client.phase(claim.job_id) not in FINAL_PHASES
        assert fresh >= sum(before[claim.job_id][claim.batch_no].fresh for claim in claims)
        # Sorted: the choices of the steps to come must not hang on the order in which a claim answers.
        self.held[who] = sorted(self.held[who] + claims)

    @rule(luck=lucks, how=st.sampled_from(["fail", "crash", "complete", "exchange", "requeue"]))
    def report(self, luck: int, how: str) -> None:
        """Report some of what a worker holds, in any order."""
        if not any(self.held):
            return
        chance = Random(luck)
        who = self.holder(chance)
        claims = some_of(self.held[who], chance)
        verdicts = getattr(self.client, how)(self.ids[who], claims)
        allowed = {
            "complete": {"ok"},
            "exchange": {"ok"},
            "fail": {"retry", "failed"},
            "crash": {"retry", "crashed", "split"},
            "requeue": {"ok"},
        }[how]
        assert set(verdicts) <= allowed
        self.let_go(who, claims)

    @rule(luck=lucks)
    def report_partly(self, luck: int) -> None:
        """Report a batch done but for some of its items."""
        if not any(self.held):
            return
        chance = Random(luck)
        who = self.holder(chance)
        claim = chance.choice(self.held[who])
        ordinals = list(self.client.batch(claim.job_id, claim.batch_no).ordinals)
        if len(ordinals) == 1:
            return
        failed = Ordinals.of(some_of(ordinals, chance, most=len(ordinals) - 1))
        assert self.client.complete_partly(self.ids[who], claim, failed) == "ok"
        self.let_go(who, [claim])

    @rule(luck=lucks, lost=st.sampled_from([False, False, False, True]))
    def crash_with(self, luck: int, *, lost: bool) -> None:
        """Report a crash with some items done and an item in hand, or with less known."""
        if not any(self.held):
            return
        chance = Random(luck)
        who = self.holder(chance)
        claim = chance.choice(self.held[who])
        ordinals = list(self.client.batch(claim.job_id, claim.batch_no).ordinals)
        done = some_of(ordinals, chance) if chance.random() < 0.7 else []
        dossier: dict[str, Any] = {"cause": "worker_lost" if lost else chance.choice(CAUSES), "run_s": 0.5}
        if chance.random() < 0.5:
            dossier |= chance.choice([{"blame": "none"}, {"isolated": False}, {"isolated": True}])
        if chance.random() < 0.5:
            dossier["ordinal"] = chance.choice([*ordinals, 10_000])
        verdicts = self.client.crash_with(
            self.ids[who], [claim], [dossier], done=[str(Ordinals.of(done))], results=["\n".join("1" for _ in done)]
        )
        assert {"retry", "crashed", "split"} >= set(verdicts)
        self.let_go(who, [claim])

    @rule(luck=lucks)
    def mark(self, luck: int) -> None:
        """Commit which item of a batch is done, and which begins."""
        if not self.held[0]:
            return
        chance = Random(luck)
        claim = chance.choice(self.held[0])
        ordinals = list(self.client.batch(claim.job_id, claim.batch_no).ordinals)
        in_hand = chance.choice([*ordinals, 0, None])
        done = chance.choice([None, *(ordinal for ordinal in ordinals if ordinal != in_hand)])
        alone = chance.random() < 0.5
        assert "held" == mark(self.client, self.ids[0], claim, in_hand, done=done, line="1", exclusive=alone)

    @rule(luck=lucks, stops=st.sampled_from([False, False, True]))
    def report_death(self, luck: int, *, stops: bool) -> None:
        """Let another worker report what a worker had in hand, before the reaper comes or after it."""
        chance = Random(luck)
        who = chance.choice([0, 1])
        dead, self.ids[who] = self.ids[who], (self.client.worker if who else lambda: marker(self.client))()
        if stops:
            self.client.one("SELECT evtrack.begin_stop(%s)", dead)
        left = []
        for claim in self.held[who]:
            ordinals = list(self.client.batch(claim.job_id, claim.batch_no).ordinals)
            done = some_of(ordinals, chance) if chance.random() < 0.5 else []
            in_hand = chance.choice([0, None, *(ordinal for ordinal in ordinals if ordinal not in done)])
            left.append(Left(claim, in_hand, done, begun=chance.random() < 0.8))
        if chance.random() < 0.5:
            assert len(self.held[who]) == lose(self.client, dead)
        left += [Left(claim, claim.batch_no, [claim.batch_no]) for claim in self.past[who][-2:]]
        verdicts = report_death(self.client, dead, self.ids[1 - who], left)
        assert {"retry", *BatchStatus, "late"} >= set(verdicts)
        assert "alive" not in verdicts
        self.held[who], self.past[who] = [], []

    @rule(who=workers, goes=st.sampled_from([False, False, True]), stops=st.sampled_from([False, False, True]))
    def reap(self, who: int, *, goes: bool, stops: bool) -> None:
        """Reap; the worker may have been silent for too long, and another takes its place."""
        if goes:
            if stops:
                self.client.one("SELECT evtrack.begin_stop(%s)", self.ids[who])
            self.conn.execute(
                "UPDATE evtrack.worker SET seen_at = seen_at - interval '1 day' WHERE worker_id = %s", [self.ids[who]]
            )
        (lost, *more) = [
            (row["worker_id"], row["batches"])
            for row in self.client.rows("SELECT * FROM evtrack.reap('1 hour', '1 hour')")
        ] or [None]
        assert [] == more
        assert ((self.ids[who], len(self.held[who])) if goes else None) == lost
        if goes:
            # What it reports from now on is late; nobody asks that here, as its number is not drawn again.
            self.ids[who] = self.client.worker() if who else marker(self.client)
            self.held[who], self.past[who] = [], []

    @rule(pick=picks, luck=lucks, call=st.sampled_from(["retry_items", "retry_items", "quarantine"]))
    def pick_out(self, pick: int, luck: int, call: str) -> None:
        """Retry some items, or keep them out."""
        job = self.job(pick)
        before = self.fates(job)
        wanted = some_of(sorted(before), Random(luck), most=3)
        if call == "retry_items" and self.client.phase(job) == "cancelled":
            return
        rows = self.client.rows(
            f"SELECT ordinal, batch_no, verdict FROM evtrack.{call}(%s, %s)", job, [f"key:{n}" for n in wanted]
        )
        moves, after, verdict = {
            "retry_items": ({"failed", "crashed"}, "pending", "retry"),
            "quarantine": ({"pending", "failed", "crashed"}, "cancelled", "quarantined"),
        }[call]
        taken = [ordinal for ordinal in wanted if before[ordinal] in moves]
        assert [verdict if n in taken else before[n] for n in wanted] == [row["verdict"] for row in rows]
        assert before | dict.fromkeys(taken, after) == self.fates(job)

    @rule(luck=lucks)
    def lose(self, luck: int) -> None:
        """Reconcile, the worker having forgotten some of what it holds."""
        if not any(self.held):
            return
        chance = Random(luck)
        who = self.holder(chance)
        gone = some_of(self.held[who], chance)
        kept = [claim for claim in self.held[who] if claim not in gone]
        stale = self.past[who][-2:]
        answers = dict(self.client.reconcile(self.ids[who], kept + stale))
        assert answers == dict.fromkeys(kept, "held") | dict.fromkeys(stale, "lost") | dict.fromkeys(gone, "requeued")
        self.let_go(who, gone)

    @rule(luck=lucks, how=st.sampled_from(["complete", "exchange", "fail", "crash", "requeue"]))
    def report_late(self, luck: int, how: str) -> None:
        """Report what the worker has reported, or lost, before, together with what it holds."""
        if not any(self.past):
            return
        chance = Random(luck)
        who = chance.choice([who for who in (0, 1) if self.past[who]])
        stale = chance.choice(self.past[who])
        before = self.client.batch(stale.job_id, stale.batch_no)
        others = [claim for claim in self.held[who] if claim[:2] != stale[:2]]
        claims = [stale, *others[:1]] if how in {"complete", "exchange"} else [stale]
        verdicts = getattr(self.client, how)(self.ids[who], claims)
        after = self.client.batch(stale.job_id, stale.batch_no)
        assert replace(before, version=after.version) == after
        assert (verdicts[0] == "late") == (after.version > before.version)
        assert ["ok"] * len(claims[1:]) == verdicts[1:]
        self.let_go(who, claims[1:])


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("examples", [20, pytest.param(150, marks=pytest.mark.slow)])
def test_the_queue_is_the_fold_of_its_log(admin_dsn: str, template: str, examples: int) -> None:
    with cloned(admin_dsn, template) as dsn, connect(dsn, purpose="test") as conn:
        run_state_machine_as_test(
            type("Machine", (Machine,), {"conn": conn}),
            settings=settings(
                max_examples=examples,
                stateful_step_count=60,
                deadline=None,
                database=None,
                # Each step asks a server; a failing run may be made smaller with the slow one.
                phases=[Phase.generate] if examples < 100 else [Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            ),
        )
