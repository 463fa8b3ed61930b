"""The page of a batch: its events in words, what they link to, and the texts to download."""

from dataclasses import replace
from datetime import timedelta

import pytest

from client import Client
from dashboards import HOST, ask, open_dashboard
from evtrack.domain.errors import NoSuchJob
from evtrack.interfaces.web.address import Address, NoSuchPage
from evtrack.interfaces.web.app import Door, dashboard, site_of
from evtrack.interfaces.web.batch_address import MAX_BATCH_NO, BatchAddress
from evtrack.interfaces.web.pages import story as story_module
from evtrack.interfaces.web.pages.story import EVENT_TEXTS, STORY, STORY_MARKDOWN, EventAddress, Story
from evtrack.interfaces.web.security.host_login import NoLogin
from evtrack.interfaces.words.stories import elapsed, story_events
from evtrack.storage.connection.connect import Connection
from evtrack.storage.connection.snapshot import snapshot
from story_samples import NOON, WORKER, event, history

STDERR = "\n".join(f"line {number}" for number in range(40))


@pytest.fixture
def client(conn: Connection) -> Client:
    return Client(conn)


@pytest.fixture
def job(client: Client) -> int:
    """A job whose batch of four items crashed on the second, which then crashed again."""
    job, worker = client.job(items=4), client.worker()
    crash = {"cause": "signal", "signal": "SIGSEGV", "ordinal": 2, "stderr": STDERR}
    client.crash_with(worker, client.claim(worker, job), [crash], done=["{[1,2)}"])
    client.crash_with(worker, client.claim(worker, job)[:1], [crash])
    return job


def story(conn: Connection, job: int, number: int) -> Story:
    """Read the page, in at most eight statements with the one of the frame."""
    with snapshot(conn) as cost:
        found = STORY.read(conn, BatchAddress(job, number))
    assert cost.statements <= 7
    return found


@pytest.mark.integration
def test_the_story_of_a_crash(conn: Connection, job: int) -> None:
    told = story(conn, job, 1)
    assert ["enqueued", "started", "crashed", "completed"] == [each.type for each in told.events]
    assert told.events[0].since_s is None
    assert all(each.since_s is not None and each.since_s >= 0 for each in told.events[1:])
    crashed = told.events[2]
    assert "SIGSEGV at key:2" in crashed.sentence
    assert [("stderr", 30, 40)] == [(text.name, len(text.lines), text.total) for text in crashed.texts]
    assert ("line 39", "stderr, last 30 of 40 lines") == (crashed.texts[0].lines[-1], crashed.texts[0].heading)
    assert [2, 3] == told.events[3].batches
    assert {("completed", 1), ("crashed", 1), ("running", 2)} == {
        (each.status, each.items) for each in told.outcomes or []
    }
    assert (1, [1, 2, 3]) == (told.root_no, [each.batch_no for each in told.hunt])
    assert ["poison", "completed", "running", "split"] == told.fates
    assert [1, 2, 3] == [block.number for block in told.blocks]


@pytest.mark.integration
def test_a_derived_batch_names_its_parent_and_shows_the_same_hunt(conn: Connection, job: int) -> None:
    told = story(conn, job, 2)
    assert ([1], 1, 3) == (told.events[0].batches, told.root_no, len(told.hunt))
    assert f"Job {job}, batch 2" == STORY.title(told)


@pytest.mark.integration
def test_a_batch_that_never_crashed_has_no_hunt(conn: Connection, client: Client) -> None:
    job, worker = client.job(items=2), client.worker()
    client.complete(worker, client.claim(worker, job))
    assert [] == story(conn, job, 1).hunt
    with pytest.raises(NoSuchJob):
        STORY.read(conn, BatchAddress(job, 2))


@pytest.mark.integration
def test_a_long_story_has_its_beginning_and_its_end(
    conn: Connection, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, worker = client.job(items=3, max_errors=9), client.worker()
    for _ in range(4):
        client.fail(worker, client.claim(worker, job))
        client.conn.execute("UPDATE evtrack.batch SET run_at = now()")
    monkeypatch.setattr("evtrack.storage.reports.batch_reports.LATEST_EVENTS", 3)
    told = story(conn, job, 1)
    assert ([1, 11, 12, 13], 9) == ([each.version for each in told.events], told.left_out)
    assert [True, True, False, False] == [each.since_s is None for each in told.events]
    assert told.outcomes
    for name in ("evtrack.storage.reports.batch_reports", "evtrack.interfaces.web.pages.story"):
        monkeypatch.setattr(f"{name}.TRACED_ITEMS", 2)
    assert story(conn, job, 1).outcomes is None


@pytest.mark.integration
def test_the_story_and_the_reports_are_texts_to_download(conn: Connection, job: int) -> None:
    file = STORY_MARKDOWN.read(conn, BatchAddress(job, 1))
    assert f"job-{job}-batch-1.md" == file.name
    assert file.text.startswith(f"# Job {job}, batch 1\n")
    texts = EVENT_TEXTS.read(conn, EventAddress(job, 1, 3))
    assert (f"job-{job}-batch-1-event-3.txt", f"--- stderr\n{STDERR}\n") == (texts.name, texts.text)
    with pytest.raises(NoSuchPage):
        EVENT_TEXTS.read(conn, EventAddress(job, 1, 9))


@pytest.mark.integration
def test_texts_are_never_shown_by_a_browser_and_named_by_numbers(dsn: str, job: int) -> None:
    app, site = open_dashboard(dsn)
    paths = (f"/jobs/{job}/batches/1/story.md", f"/jobs/{job}/batches/1/events/3.txt", f"/jobs/{job}/hunt/1")
    markdown, texts, page = ask(app, *(("GET", path) for path in paths))
    site.close()
    for answer, name in ((markdown, f"job-{job}-batch-1.md"), (texts, f"job-{job}-batch-1-event-3.txt")):
        assert (200, "text/plain; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
        assert f'attachment; filename="{name}"' == answer.headers["content-disposition"]
        assert "nosniff" == answer.headers["x-content-type-options"]
        assert 'desc="0"' not in answer.headers["server-timing"]
    assert (200, True) == (page.status_code, "found: key:2" in page.text)


@pytest.mark.integration
def test_results_are_there_only_where_they_are_shown_and_not_all_of_them(
    client: Client, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, worker = client.job(1, items=3), client.worker()
    client.complete(worker, client.claim(worker, job), results=['{"found": "a\u202eb"}\n\n2'])
    path = f"/jobs/{job}/batches/1"
    answers = []
    for shows in (False, True):
        site = site_of(dsn, show_results=shows)
        app = dashboard(site, Door(login=NoLogin(), hosts=frozenset([HOST])))
        answers += ask(app, ("GET", path), ("GET", f"{path}/results.txt"))
        monkeypatch.setattr(story_module, "_MOST_RESULTS", 1)
        answers += ask(app, ("GET", f"{path}/results.txt"))
        monkeypatch.undo()
        site.close()
    assert [200, 404, 404, 200, 200, 200] == [each.status_code for each in answers]
    assert [False, True] == ["results.txt" in page.text for page in (answers[0], answers[3])]
    first = '{"ordinal": 1, "item_key": "key:1", "result": {"found": "a\\u202eb"}}\n'
    assert answers[4].text == first + '{"ordinal": 3, "item_key": "key:3", "result": 2}\n'
    assert answers[5].text == f"{first}There are more results: evtrack results {job} --keys\n"
    assert f'attachment; filename="job-{job}-batch-1-results.txt"' == answers[4].headers["content-disposition"]


def test_addresses_are_numbers_in_their_range() -> None:
    assert BatchAddress(12, 7) == STORY.parse(Address({"job": "12", "batch": "7"}, {}))
    assert "/jobs/12/batches/7" == STORY.address(BatchAddress(12, 7))
    assert EventAddress(12, 7, 3) == EVENT_TEXTS.parse(Address({"job": "12", "batch": "7", "version": "3"}, {}))
    for number in ("0", "-1", "x", "٣", str(MAX_BATCH_NO + 1)):
        with pytest.raises(NoSuchPage):
            STORY.parse(Address({"job": "12", "batch": number}, {}))


def test_a_clock_that_was_set_back_is_seen() -> None:
    early = replace(event(2, "started", worker=WORKER), at=NOON - timedelta(seconds=1))
    (_, started) = story_events(history("a", events=[event(1, "enqueued", items=1), early]))
    assert -2.0 == started.since_s
    assert ["", "+0ms", "-2.0s"] == [elapsed(None), elapsed(0.0), elapsed(-2.0)]


def test_the_worker_of_a_restored_event_is_not_one_of_this_database() -> None:
    given = [event(1, "enqueued", items=1, xid=0), event(2, "started", worker=WORKER, xid=0)]
    told = history("here", events=given)
    assert [None, WORKER] == [each.worker_id for each in story_events(told)]
    told.restored[WORKER] = "there"
    (_, started) = story_events(told)
    assert started.worker_id is None
    assert "there" in started.sentence


def test_numbers_of_the_worker_and_of_batches_are_pieces() -> None:
    given = [
        event(1, "enqueued", items=1, parent=7),
        event(2, "started", worker=WORKER),
        event(3, "split", to=[10, 11, WORKER]),
    ]
    enqueued, started, split = story_events(history("a", events=given))
    assert "".join(piece.text for piece in started.pieces) == started.sentence
    assert [WORKER] == [piece.worker_id for piece in started.pieces if piece.worker_id is not None]
    assert [7] == [piece.batch_no for piece in enqueued.pieces if piece.batch_no is not None]
    assert [10, 11, WORKER] == [piece.batch_no for piece in split.pieces if piece.batch_no is not None]
    assert [[], [], []] == [each.unsaid for each in (enqueued, started, split)]


def test_only_numbers_of_batches_are_links() -> None:
    given = [event(1, "split", parent=True, to=[2, "3", -4, 5.0, None, *range(10, 99)], moved_to=7)]
    (split,) = story_events(history("a", events=given))
    assert [2, *range(10, 29)] == split.batches
