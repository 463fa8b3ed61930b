"""crash: the rest of a batch is split until the poison item is alone, and everything else is completed."""

from math import ceil, log2
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from client import Claim, Client
from event_streams import data_of
from evtrack.domain.ordinals import Ordinals
from evtrack.domain.states import BatchStatus

pytestmark = pytest.mark.integration

bounded = settings(
    max_examples=25,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def fates(client: Client, job: int) -> dict[int, str]:
    """Return each item's status."""
    rows = client.rows("SELECT ordinal, status::text AS status FROM evtrack.item_status WHERE job_id = %s", job)
    return {row["ordinal"]: row["status"] for row in rows}


def drain(client: Client, job: int, items: int, poison: set[int], *, known: bool, per_item: bool = False) -> int:
    """Work until nothing is left; a batch crashes when it holds poison. Return how many crashed."""
    worker, crashes = client.worker(), 0
    for _ in range(20 * items + 20):
        claims = client.claim(worker, job)
        if not claims:
            return crashes
        for claim in claims:
            ordinals = list(client.batch(job, claim.batch_no).ordinals)
            bad = [ordinal for ordinal in ordinals if ordinal in poison]
            if not bad:
                assert ["ok"] == client.complete(worker, [claim])
                continue
            crashes += 1
            before = [ordinal for ordinal in ordinals if ordinal < bad[0]] if per_item else []
            dossier = {"cause": "signal", "signal": "SIGSEGV"} | ({"ordinal": bad[0]} if known else {})
            client.crash_with(
                worker, [claim], [dossier], done=[str(Ordinals.of(before))], results=["\n".join("1" for _ in before)]
            )
            standing = [status for status in client.batches(job).values() if status.status is not BatchStatus.SPLIT]
            assert items == sum(batch.item_count for batch in standing)
            sums = client.sums(job)
            assert items == sum(number for status, (_, number) in sums.items() if status != "split")
    raise AssertionError("it does not come to an end")


@bounded
@given(data=st.data(), items=st.integers(1, 70), budget=st.sampled_from([None, 0, 1, 2, 3]))
def test_halving_finds_the_poison_items_and_completes_the_others(
    client: Client, data: st.DataObject, items: int, budget: int | None
) -> None:
    poison = data.draw(st.sets(st.integers(1, items), max_size=min(3, items)))
    job = client.job(items=items, **({} if budget is None else {"max_crashes": budget}))
    crashes = drain(client, job, items, poison, known=False)
    assert {n: "crashed" if n in poison else "completed" for n in range(1, items + 1)} == fates(client, job)
    alone = max(1, 2 if budget is None else budget)
    assert crashes <= len(poison) * (ceil(log2(items)) + alone if items > 1 else alone)
    client.check(job)


@bounded
@given(data=st.data(), items=st.integers(1, 70), budget=st.sampled_from([0, 1, 2, 3]), per_item=st.booleans())
def test_a_known_poison_item_costs_its_budget_and_no_more(
    client: Client,
    data: st.DataObject,
    items: int,
    budget: int,
    per_item: bool,  # noqa: FBT001
) -> None:
    poison = data.draw(st.sets(st.integers(1, items), max_size=min(4, items)))
    job = client.job(items=items, max_crashes=budget)
    crashes = drain(client, job, items, poison, known=True, per_item=per_item)
    assert {n: "crashed" if n in poison else "completed" for n in range(1, items + 1)} == fates(client, job)
    assert len(poison) * max(1, budget) == crashes
    client.check(job)


@pytest.mark.parametrize("ordinals", ["{[1,3)}", "{[1,2),[9,10)}", "{[1,4),[7,8),[20,30)}", "{[5,6),[7,8),[9,10)}"])
def test_halves_have_the_same_number_of_items_and_lose_none(client: Client, ordinals: str) -> None:
    (row,) = client.rows("SELECT h[1]::text AS a, h[2]::text AS b FROM evtrack.halves(%s::int4multirange) h", ordinals)
    first, second, whole = (Ordinals.parse(text) for text in (row["a"], row["b"], ordinals))
    assert list(whole) == [*first, *second]
    assert len(first) - len(second) in {0, 1}


def test_the_current_item_is_isolated_and_the_rest_stays_together(client: Client) -> None:
    job, worker = client.job(items=6), client.worker()
    assert ["split"] == client.crash(worker, client.claim(worker, job), cause="signal", signal="SIGSEGV", ordinal=3)
    first, suspect, rest = client.batches(job).values()
    assert (BatchStatus.SPLIT, "{[1,7)}") == (first.status, str(first.ordinals))
    assert ("{[3,4)}", 1, 1, 1) == (str(suspect.ordinals), suspect.crashes, suspect.root_no, suspect.parent_no)
    assert ("{[1,3),[4,7)}", 0) == (str(rest.ordinals), rest.crashes)
    assert ["enqueued", "started", "crashed", "split"] == client.types(job, 1)
    crashed, split = (data_of(event) for event in client.events(job, 1)[2:])
    assert (3, "key:3") == (crashed["ordinal"], crashed["item_key"])
    assert [2, 3] == list(split["to"])


def test_completed_items_keep_their_results(client: Client) -> None:
    job, worker = client.job(items=5), client.worker()
    claims = client.claim(worker, job)
    assert ["split"] == client.crash_with(
        worker, claims, [{"cause": "signal", "ordinal": 3, "run_s": 0.5}], done=["{[1,3)}"], results=["11\n22"]
    )
    first, suspect, rest = client.batches(job).values()
    assert (BatchStatus.COMPLETED, "{[1,3)}", 0.5) == (first.status, str(first.ordinals), first.run_s)
    assert ["{[3,4)}", "{[4,6)}"] == [str(suspect.ordinals), str(rest.ordinals)]
    rows = client.rows("SELECT ordinal, result FROM evtrack.item_result WHERE job_id = %s ORDER BY ordinal", job)
    assert [(1, "11"), (2, "22")] == [(row["ordinal"], row["result"]) for row in rows]
    client.check(job)


def test_the_only_unfinished_item_was_the_current_one(client: Client) -> None:
    job, worker = client.job(items=3), client.worker()
    client.crash_with(worker, client.claim(worker, job), [{}], done=["{[1,3)}"])
    assert ("{[3,4)}", 1) == (str(client.batch(job, 2).ordinals), client.batch(job, 2).crashes)
    assert "key:3" in str(client.batch(job, 1).error) or data_of(client.events(job, 1)[2])["item_key"] == "key:3"
    assert ["crashed"] == client.crash(worker, client.claim(worker, job))
    client.check(job)


def test_a_crash_after_the_last_item_loses_nothing(client: Client) -> None:
    job, worker = client.job(items=2), client.worker()
    assert ["split"] == client.crash_with(worker, client.claim(worker, job), [{}], done=["{[1,3)}"], results=["1\n2"])
    assert [(BatchStatus.COMPLETED, 2)] == [(batch.status, batch.item_count) for batch in client.batches(job).values()]
    assert client.one("SELECT evtrack.finish_due(%s)", job) is True
    client.check(job)


def test_a_current_item_outside_the_batch_is_ignored(client: Client) -> None:
    job, worker = client.job(2, items=4), client.worker()
    first, _ = client.claim(worker, job)
    client.crash(worker, [first], cause="signal", ordinal=7)
    assert ["{[1,3)}", "{[3,5)}"] == [str(client.batch(job, number).ordinals) for number in (3, 4)]
    assert [0, 0] == [client.batch(job, number).crashes for number in (3, 4)]


@pytest.mark.parametrize(
    "dossier",
    [None, [], ["a"], "text", 7, True, {}, {"cause": None}, {"cause": 9, "ordinal": "x", "run_s": "long"},
     {"ordinal": 2**40}, {"ordinal": 2**31 - 1}, {"ordinal": -1}, {"ordinal": 1.5}, {"exit_code": 1e30}],
)  # fmt: skip
def test_a_crash_report_of_any_shape_is_accepted(client: Client, dossier: Any) -> None:
    job, worker = client.job(items=2), client.worker()
    assert ["split"] == client.crash_with(worker, client.claim(worker, job), [dossier])
    data = data_of(client.events(job, 1)[2])
    assert ("unknown", None, None) == (data["cause"], data.get("ordinal"), data.get("run_s"))
    assert 1 == len(client.rows("SELECT * FROM evtrack.crash WHERE job_id = %s", job))
    client.check(job)


def test_a_client_cannot_declare_an_item_poison_and_long_texts_are_cut(client: Client) -> None:
    job, worker = client.job(), client.worker()
    assert ["retry"] == client.crash(worker, client.claim(worker, job), poison=True, stderr="x" * 100_000, mine="kept")
    data = data_of(client.events(job, 1)[2])
    assert (None, 16_000, "kept") == (data.get("poison"), len(data["stderr"]), data["mine"])
    assert ["crashed"] == client.crash(worker, client.claim(worker, job))
    assert data_of(client.events(job, 1)[-1])["poison"] is True


def test_an_item_without_payload_still_has_an_outcome(client: Client) -> None:
    job, worker = client.job(max_crashes=1), client.worker()
    claims = client.claim(worker, job)
    client.conn.execute("DELETE FROM evtrack.payload WHERE job_id = %s", (job,))
    assert ["crashed"] == client.crash(worker, claims)


@pytest.mark.parametrize("items", [1, 4])
def test_a_lost_worker_counts_against_no_item(client: Client, items: int) -> None:
    job, worker = client.job(items=items, max_crashes=1, max_losses=1), client.worker()
    assert ["retry"] == client.crash(worker, client.claim(worker, job), cause="worker_lost")
    batch = client.batch(job)
    assert ("marked", 0, 1, 0, items) == (
        batch.isolation,
        batch.crashes,
        batch.losses,
        batch.exclusive_losses,
        batch.item_count,
    )
    client.check(job)


def test_the_item_in_hand_of_a_reported_loss_is_poison_once_it_was_alone_at_its_budget(client: Client) -> None:
    job, worker = client.job(items=3, max_losses=2), client.worker()
    assert ["split"] == client.crash(worker, client.claim(worker, job), cause="worker_lost", ordinal=2)
    assert {2: "exclusive", 3: "marked"} == {n: client.batch(job, n).isolation for n in (2, 3)}
    verdicts = []
    for _ in range(2):
        claims = client.claim(worker, job)
        suspect = next(claim for claim in claims if claim.batch_no == 2)
        client.requeue(worker, [claim for claim in claims if claim is not suspect])
        verdicts += client.crash(worker, [suspect], cause="worker_lost")
    assert ["retry", "crashed"] == verdicts
    (poison,) = client.rows("SELECT item_key, ordinal FROM evtrack.crash WHERE poison AND job_id = %s", job)
    assert {"item_key": "key:2", "ordinal": 2} == poison
    client.check(job)


def test_a_crash_in_a_cancelled_job_requeues_nothing_and_keeps_completed_items(client: Client) -> None:
    job, worker = client.job(4, items=3), client.worker()
    claims = client.claim(worker, job)
    client.one("SELECT evtrack.cancel(%s)", job)
    assert ["crashed", "split", "split"] == client.crash_with(
        worker,
        claims[:3],
        [{"ordinal": 1}, {"ordinal": 6}, {}],
        done=[None, "{[4,6)}", "{[7,8)}"],
        results=[None, "4\n5", "7"],
    )
    assert {
        **dict.fromkeys((1, 2, 3), "crashed"),
        **dict.fromkeys((4, 5, 7), "completed"),
        **dict.fromkeys((6, 8, 9), "cancelled"),
        **dict.fromkeys((10, 11, 12), "running"),
    } == fates(client, job)
    assert [] == client.claim(worker, job)
    client.check(job)


def test_a_resent_report_is_answered_as_before(client: Client) -> None:
    job, worker, rival = client.job(3, items=2, max_crashes=1), client.worker(), client.worker()
    one, two, three = client.claim(worker, job)
    assert ["split", "split"] == client.crash_with(worker, [one, two], [{}, {"ordinal": 4}], done=["{}", "{[3,4)}"])
    before = client.batches(job)
    assert ["split", "split"] == client.crash(worker, [one, two])
    assert ["split", "split"] == client.crash_with(worker, [one, two], [{}, {}], done=["{[1,3)}", None])
    assert before == client.batches(job)
    assert ["late", "unknown"] == client.crash(rival, [three, Claim(job, three.batch_no, 9)])
    assert (BatchStatus.RUNNING, worker) == (client.batch(job, 3).status, client.batch(job, 3).worker_id)
    assert ["split", "split"] == client.crash(worker, [three, three])
    client.check(job)


def test_each_part_of_a_group_gets_its_own_number(client: Client) -> None:
    job, worker = client.job(5, items=3), client.worker()
    assert ["split"] * 5 == client.crash(worker, client.claim(worker, job))
    assert list(range(1, 16)) == list(client.batches(job))
    assert 15 == sum(b.item_count for b in client.batches(job).values() if b.status is BatchStatus.PENDING)
    client.check(job)


def test_suspects_run_beside_others_and_those_that_were_in_hand_one_a_claim(client: Client) -> None:
    job, worker = client.job(7, items=1), client.worker()
    claims = client.claim(worker, job)
    client.crash(worker, claims[:3], cause="worker_lost")
    for claim in claims[3:6]:
        client.crash(worker, [claim], cause="worker_lost", ordinal=claim.batch_no)
    listed = "SELECT mark, due, isolated FROM evtrack.claimable(%s)"
    assert [{"mark": None, "due": True, "isolated": True}] == client.rows(listed, [client.handler])
    taken = [client.claimed(worker, job) for _ in range(4)]
    assert [["exclusive"] + ["marked"] * 3, ["exclusive"], ["exclusive"], []] == [
        [row["isolation"] for row in rows] for rows in taken
    ]


def test_a_claim_limits_what_must_run_alone_separately(client: Client) -> None:
    job, worker = client.job(6, items=1), client.worker()
    claims = client.claim(worker, job)
    for claim in claims[:4]:
        client.crash(worker, [claim], cause="worker_lost", ordinal=claim.batch_no)
    client.crash(worker, claims[4:], cause="worker_lost")

    def claim(returning: int, isolated: int | None) -> list[str]:
        rows = client.rows(
            "SELECT isolation::text FROM evtrack.claim(%s, %s, '{0}', 0, %s, %s, %s)",
            worker,
            [job],
            [client.handler],
            returning,
            isolated,
        )
        return sorted(row["isolation"] for row in rows)

    assert [] == claim(0, 0)
    assert ["exclusive"] * 2 == claim(0, 2)
    assert ["marked"] == claim(1, 0)
    assert ["exclusive"] == claim(1, None), "the oldest first, and no more than one batch in all"
    assert ["exclusive", "marked"] == claim(5, 5)
