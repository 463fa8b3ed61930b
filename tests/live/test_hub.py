"""The hub: one thread and one connection for all who watch, whatever happens to the database."""

import threading
import time
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from client import Client
from evtrack.runtime.live import hub as hub_module
from evtrack.runtime.live.hub import MAX_TOPICS, Hub
from evtrack.runtime.live.hub_session import HubSession
from pgbouncer import pooled
from polling import eventually
from watching import QueryTopic, Watching, hub_threads

pytestmark = pytest.mark.integration

NOW = "SELECT clock_timestamp()"


@pytest.fixture
def hub(shared_dsn: str) -> Iterator[Hub]:
    made = Hub(shared_dsn, purpose="test live")
    yield made
    made.close()


def watch(hub: Hub, topic: QueryTopic) -> Watching:
    viewer = Watching()
    assert hub.watch(topic, viewer)
    return viewer


def sessions(client: Client) -> int:
    return int(
        client.one(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name = 'evtrack test live' AND datname = current_database()"
        )
    )


def terminate(client: Client) -> None:
    client.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'evtrack test live' AND datname = current_database()"
    )


def test_a_hundred_viewers_cost_as_many_reads_as_one(hub: Hub, client: Client) -> None:
    topic = QueryTopic("now", NOW)
    viewers = [watch(hub, topic) for _ in range(100)]
    eventually(lambda: all(len(each.frames) >= 2 for each in viewers))
    assert 1 == len({each.regions["shown"] for each in viewers})
    assert 1 == sessions(client) == hub_threads()
    assert topic.reads["now"] <= 2 + max(len(each.frames) for each in viewers)


def test_who_comes_later_gets_everything_and_a_page_costs_nothing(hub: Hub) -> None:
    topic = QueryTopic("now", "SELECT 'same'")
    first = watch(hub, topic)
    eventually(lambda: first.frames)
    later = watch(hub, topic)
    assert later.frames[0].regions == {"shown": "same "}
    latest = hub.latest(topic)
    assert latest is not None
    assert ("same", 1) == (latest.model, latest.cost.statements)
    assert latest.version == later.frames[0].version
    hub.leave(topic, first)
    hub.leave(topic, later)
    assert hub.latest(topic) is None


def test_it_ends_when_nobody_watches_and_starts_again(
    hub: Hub, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "LINGER_S", 0.0)
    topic = QueryTopic("now", NOW)
    for _ in range(3):
        viewer = watch(hub, topic)
        eventually(lambda viewer=viewer: viewer.frames)
        hub.leave(topic, viewer)
        eventually(lambda: not hub_threads() and not sessions(client))


def test_no_viewer_is_missed_while_it_ends(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "LINGER_S", 0.0)
    topic = QueryTopic("now", NOW)
    for number in range(30):
        viewer = watch(hub, topic)
        eventually(lambda viewer=viewer: viewer.frames, 10)
        hub.leave(topic, viewer)
        time.sleep(number / 10_000)
    eventually(lambda: not hub_threads())


def test_topics_have_a_limit(hub: Hub) -> None:
    topics = [QueryTopic(str(number)) for number in range(MAX_TOPICS)]
    viewers = [watch(hub, topic) for topic in topics]
    assert not hub.watch(QueryTopic("one more"), Watching())
    eventually(lambda: all(each.frames for each in viewers))
    # Who watches what others watch is none too many.
    watch(hub, topics[0])
    hub.leave(topics[1], viewers[1])
    watch(hub, QueryTopic("one more"))


def test_a_topic_that_fails_disturbs_no_other_and_is_read_less_often(hub: Hub) -> None:
    def fail() -> None:
        raise KeyError("a defect")

    good = QueryTopic("good", NOW)
    fails, defect = QueryTopic("fails", "SELECT 1 / 0"), QueryTopic("defect", on_read=fail)
    with capture_logs() as lines:
        seen = [watch(hub, topic) for topic in (fails, defect, good)]
        eventually(lambda: len(seen[2].frames) >= 4)
    assert ["division by zero", "an unexpected error, which the log has", ""] == [each.outage for each in seen]
    assert good.reads["good"] > fails.reads["fails"]
    assert good.reads["good"] > defect.reads["defect"]
    assert {"web_error"} == {line["event"] for line in lines}
    assert hub.latest(fails) is None


def test_a_slow_topic_is_stopped_and_the_others_go_on(hub: Hub) -> None:
    good, slow = QueryTopic("good", NOW), QueryTopic("slow", "SELECT pg_sleep(9)")
    seen, stopped = watch(hub, good), watch(hub, slow)
    eventually(lambda: "took longer than 2 s, and was stopped" == stopped.outage)
    frames = len(seen.frames)
    eventually(lambda: len(seen.frames) >= frames + 2, 10)
    assert 1 == slow.reads["slow"]
    assert seen.frames[-1].period_s < 2


def test_it_reads_less_often_while_that_is_dear(hub: Hub) -> None:
    viewers = [watch(hub, QueryTopic(str(number), "SELECT pg_sleep(0.08)")) for number in range(4)]
    eventually(lambda: viewers[0].frames and viewers[0].frames[-1].period_s >= 3)
    assert viewers[0].frames[-1].period_s <= hub_module.LONGEST_PERIOD_S


def test_a_notification_has_it_read_at_once(hub: Hub, client: Client) -> None:
    viewer = watch(hub, QueryTopic("rare", NOW, every_s=60))
    eventually(lambda: viewer.frames)
    client.rows("SELECT pg_notify('evtrack_alert', '')")
    eventually(lambda: len(viewer.frames) > 1, 5)


def test_a_lost_connection_is_shown_and_replaced(hub: Hub, client: Client) -> None:
    viewer = watch(hub, QueryTopic("rare", NOW, every_s=60))
    with capture_logs() as lines:
        for losses in (1, 2):
            eventually(lambda: viewer.frames and not viewer.outage)
            before = len(viewer.frames)
            terminate(client)
            eventually(lambda before=before: any(frame.outage for frame in viewer.frames[before:]))
            # What is read once a minute is read again at once, too.
            eventually(lambda: not viewer.outage, 10)
            assert losses <= sum(bool(frame.outage) for frame in viewer.frames)
    assert {"database_error", "database_reconnected"} == {line["event"] for line in lines}


def test_a_database_that_is_away_is_said_once() -> None:
    hub = Hub("host=127.0.0.1 port=1 user=nobody connect_timeout=1", purpose="test live")
    try:
        with capture_logs() as lines:
            viewer = watch(hub, QueryTopic("now"))
            eventually(lambda: "Cannot connect" in viewer.outage)
            later = watch(hub, QueryTopic("other"))
            assert "Cannot connect" in later.outage
            time.sleep(0.5)
        assert ["database_error"] == [line["event"] for line in lines]
        assert hub.latest(QueryTopic("now")) is None
    finally:
        hub.close()


def test_an_unexpected_error_does_not_end_it(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    wait, failures = HubSession.wait, iter([True])

    def fail_once(session: HubSession, timeout_s: float) -> bool:
        if next(failures, False):
            raise OSError("not one of the database's")
        return wait(session, timeout_s)

    monkeypatch.setattr(HubSession, "wait", fail_once)
    viewer = watch(hub, QueryTopic("now", NOW))
    eventually(lambda: any(frame.outage for frame in viewer.frames) and not viewer.outage, 10)
    assert 1 == hub_threads()


def test_without_a_thread_to_be_had_the_viewer_polls(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        del thread
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert not hub.watch(QueryTopic("now"), Watching())
    viewer = watch(hub, QueryTopic("now"))
    eventually(lambda: viewer.frames)


def test_closing_waits_for_no_server(hub: Hub, client: Client) -> None:
    begun = threading.Event()
    viewer = watch(hub, QueryTopic("slow", "SELECT pg_sleep(1.9)", on_read=begun.set))
    assert begun.wait(10)
    before = time.monotonic()
    hub.close()
    assert time.monotonic() - before < 1
    assert viewer.is_over
    assert 0 == hub_threads()
    assert not hub.watch(QueryTopic("slow"), Watching())
    eventually(lambda: not sessions(client))


def test_behind_a_pooler_it_polls(shared_dsn: str) -> None:
    with pooled(shared_dsn) as dsn:
        hub = Hub(dsn, purpose="test live")
        try:
            viewer = watch(hub, QueryTopic("now", NOW))
            eventually(lambda: len(viewer.frames) >= 2)
            assert "" == viewer.outage
        finally:
            hub.close()
