"""The page of a hunt: the figures hold against the database, now and at each moment of the slider."""

from datetime import UTC, datetime
from itertools import pairwise
from math import ceil, log2
from typing import Any

import pytest

from client import Client
from evtrack.domain.errors import NoSuchJob
from evtrack.domain.hunt import hunt
from evtrack.domain.ordinals import Ordinals
from evtrack.domain.policy import Policy
from evtrack.interfaces.web.address import Address, NoSuchPage
from evtrack.interfaces.web.hunt_batches import hunt_batches
from evtrack.interfaces.web.pages.hunt import HUNT, HuntAddress, HuntPage
from evtrack.interfaces.words.hunts import hunt_sentences
from evtrack.storage.connection.connect import Connection
from evtrack.storage.reports.hunt_tree import BATCHES, hunt_tree

pytestmark = pytest.mark.integration
ITEMS = 24


@pytest.fixture
def client(conn: Connection) -> Client:
    return Client(conn)


def bisect(client: Client, job: int, poison: set[int], *, steps: int = 1000) -> int:
    """Run all batches of a job; those with a poison item crash, and name nobody. Return how often."""
    worker, crashes = client.worker(), 0
    while steps and (claims := client.claim(worker, job, fresh=1, returning=1)):
        for claim in claims[:steps]:
            held = "SELECT ordinals::text FROM evtrack.batch WHERE job_id = %s AND batch_no = %s"
            if poison & set(Ordinals.parse(client.one(held, job, claim.batch_no))):
                client.crash(worker, [claim])
                crashes += 1
            else:
                client.complete(worker, [claim])
            steps -= 1
        client.requeue(worker, claims[len(claims) if steps else 1 :])
    return crashes


def page(conn: Connection, job: int, at: datetime | None = None) -> HuntPage:
    """Read the page."""
    return HUNT.read(conn, HuntAddress(job, 1, at))


def test_one_poison_item_is_cornered_as_fast_as_the_page_expects(conn: Connection, client: Client) -> None:
    job, policy = client.job(items=ITEMS), Policy()
    crashes = bisect(client, job, {17})
    tree = hunt_tree(conn, job, 1)
    seen = [hunt(tree.streams, 1, as_of=moment.at) for moment in page(conn, job).moments]
    assert crashes <= ceil(log2(ITEMS)) + 2
    for each in seen:
        assert sum(node.state.item_count for node in each.nodes if node.state.status != "split") == ITEMS
        if each.crashes and not each.poison:
            assert any(17 in node.state.ordinals for node in each.suspects)
            assert crashes - each.crashes <= each.crashes_left(policy) <= ceil(log2(ITEMS)) + 2
    last = seen[-1]
    assert ["found: key:17, crashed 2 of 2; 23 others done"] == hunt_sentences(last, policy)
    assert (crashes, 0, ()) == (last.crashes, last.crashes_left(policy), last.suspects)


def test_the_page_says_how_far_the_hunt_is(conn: Connection, client: Client) -> None:
    job = client.job(items=16)
    assert [] == page(conn, job).sentences
    bisect(client, job, {3}, steps=1)
    assert ["16 of 16 items still suspect, in 2 batches; 1 crash so far, about 5 more"] == page(conn, job).sentences
    bisect(client, job, {3})
    now = page(conn, job)
    assert ["found: key:3, crashed 2 of 2; 15 others done"] == now.sentences
    assert (["poison"], ["key:3"], [2]) == (
        [each.fate for each in now.batches if each.item_key],
        [each.item_key for each in now.batches if each.item_key],
        [each.crashes for each in now.batches if each.item_key],
    )
    assert 16 == sum(each.items for each in now.batches)
    assert ["poison", "completed", "split"] == now.fates


def test_the_slider_leads_to_what_was_there_then(conn: Connection, client: Client) -> None:
    job = client.job(items=4)
    bisect(client, job, {2})
    now = page(conn, job)
    assert len(now.moments) - 1 == now.position
    assert sorted(now.moments, key=lambda each: each.at) == now.moments
    first_crash = next(place for place, each in enumerate(now.moments) if each.type == "crashed")
    then = page(conn, job, now.moments[first_crash].at)
    assert (first_crash, ["4 of 4 items still suspect, in 2 batches; 1 crash so far, about 3 more"]) == (
        then.position,
        then.sentences,
    )
    assert ["split", "suspect", "suspect"] == [each.fate for each in then.batches]
    assert [1, 2, 3] == [each.batch_no for each in then.batches]
    before = page(conn, job, datetime(2020, 1, 1, tzinfo=UTC))
    assert ([], [], 0) == (before.batches, before.sentences, before.position)


def test_batches_are_listed_below_the_one_that_they_were_made_of(conn: Connection, client: Client) -> None:
    job = client.job(items=8)
    bisect(client, job, {1, 8})
    listed = page(conn, job).batches
    assert 1 == listed[0].batch_no
    for before, each in pairwise(listed):
        assert each.depth <= before.depth + 1
        assert each.depth > before.depth or before.batch_no != each.parent_no
    assert {0, 1, 2, 3} == {each.depth for each in listed}


def test_a_large_hunt_is_cut_and_says_so(conn: Connection, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    job = client.job(items=8)
    bisect(client, job, {1, 8})
    assert not page(conn, job).is_cut
    monkeypatch.setattr("evtrack.storage.reports.hunt_tree.BATCHES", 3)
    assert (True, 3) == (page(conn, job).is_cut, len(page(conn, job).batches))
    assert BATCHES == 200


def test_many_moments_are_chosen_evenly(conn: Connection, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    job = client.job(items=8)
    bisect(client, job, {1, 8})
    every = page(conn, job).moments
    monkeypatch.setattr("evtrack.interfaces.web.pages.hunt._MOMENTS", 5)
    chosen = page(conn, job).moments
    assert (5, every[0], every[-1]) == (len(chosen), chosen[0], chosen[-1])


@pytest.mark.parametrize("number", [2, 99])
def test_a_part_of_a_hunt_has_none_of_its_own(conn: Connection, client: Client, number: int) -> None:
    job = client.job(items=4)
    bisect(client, job, {2})
    with pytest.raises(NoSuchJob):
        HUNT.read(conn, HuntAddress(job, number, None))


@pytest.mark.parametrize("query", [{}, {"at": "2026-11-24T12:00:00.123456Z"}])
def test_an_address_is_read_as_it_is_written(query: dict[str, str]) -> None:
    args = HUNT.parse(Address({"job": "12", "batch": "1"}, query))
    assert "/jobs/12/hunt/1" + "".join(f"?at={at.replace(':', '%3A')}" for at in query.values()) == HUNT.address(args)
    assert "Job 12, hunt in batch 1" == HUNT.title(HuntPage(12, 1, "a", None, [], [], [], 0, is_cut=False))


@pytest.mark.parametrize("at", ["now", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "12"])
def test_a_time_without_a_place_in_utc_is_no_address(at: str) -> None:
    with pytest.raises(NoSuchPage):
        HUNT.parse(Address({"job": "12", "batch": "1"}, {"at": at}))


def test_an_item_that_a_crash_names_is_found_at_once(conn: Connection, client: Client) -> None:
    job, worker = client.job(items=5), client.worker()
    facts: dict[str, Any] = {"cause": "signal", "signal": "SIGSEGV", "ordinal": 3}
    client.crash_with(worker, client.claim(worker, job), [facts], done=["{[1,3)}"])
    tree = hunt_tree(conn, job, 1)
    found = hunt(tree.streams, 1)
    assert ["1 of 5 items still suspect, in 1 batch; 1 crash so far, about 1 more"] == hunt_sentences(found, Policy())
    assert {("suspect", "key:3", 1), ("completed", None, 2), ("pending", None, 2)} == {
        (each.fate, each.item_key, each.items) for each in hunt_batches(found)
    }
