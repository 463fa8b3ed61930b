"""Deliveries to sinks: a row per alert and sink, tried again by whichever watcher has the sink until it is accepted."""

import socket
from collections.abc import Callable

import pytest
from click.testing import Result
from structlog.testing import capture_logs

from client import Client
from evtrack.runtime.watch.sink import SinkError
from evtrack.runtime.watch.sink_thread import SinkThread
from evtrack.runtime.watch.webhook_sink import WebhookSink
from evtrack.storage.connection.connect import Connection
from evtrack.storage.monitoring.alert_delivery import register_sink, sink_sums, take_delivery
from polling import eventually
from sink_threads import Moody, delivering, raised, states
from webhook_server import answering, request

pytestmark = pytest.mark.integration


def test_a_delivery_that_fails_is_tried_again_until_it_is_accepted(conn: Connection, dsn: str) -> None:
    sink = Moody(SinkError("one"), ValueError("two"), *[SinkError("no")] * 4)
    register_sink(conn, sink.label, keep_trying_s=60)
    (first,) = raised(conn)
    with capture_logs() as logs, delivering(sink, dsn) as thread:
        eventually(lambda: states(conn) == [("delivered", 7, None)])
        eventually(lambda: (1, 0) == (thread.sent, thread.failed))
    assert [first] == sink.sent
    assert ["one", "ValueError: two", *["no"] * 4] == [
        line["error"] for line in logs if line["event"] == "alert_sink_failed"
    ]


@pytest.mark.parametrize("text", ["\0 \udcff", "\0" * 5000, "\ud800" * 5000, "é" * 5000])
def test_whatever_an_error_holds_it_is_recorded_and_holds_up_nothing(conn: Connection, dsn: str, text: str) -> None:
    sink = Moody(SinkError(text), ValueError(text))
    register_sink(conn, sink.label, keep_trying_s=60)
    ids = raised(conn, 2)
    with delivering(sink, dsn) as thread:
        eventually(lambda: sorted(sink.sent) == ids)
        assert thread.error is None
        eventually(lambda: {"delivered"} == {state for state, _, _ in states(conn)})


def test_a_receiver_that_does_not_speak_http_does_not_end_the_watcher(conn: Connection, dsn: str) -> None:
    answers = [b"\0\xff junk\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]

    def answer(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(answers.pop(0))

    with answering(answer) as url:
        sink = WebhookSink(url)
        register_sink(conn, sink.label, keep_trying_s=60)
        raised(conn)
        with capture_logs() as logs, delivering(sink, dsn):
            eventually(lambda: states(conn) == [("delivered", 2, None)])
    (failed,) = [line for line in logs if line["event"] == "alert_sink_failed"]
    assert "127.0.0.1: BadStatusLine: \\0ÿ junk" in failed["error"]


@pytest.mark.parametrize(("refused", "recorded"), [("new.error ~ '[^ -~]'", True), ("new.error IS NOT NULL", False)])
def test_an_error_that_the_database_refuses_holds_up_nothing(
    conn: Connection, dsn: str, refused: str, *, recorded: bool
) -> None:
    # As a database does whose encoding is not UTF8.
    conn.execute(
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE 'no such character' USING ERRCODE = '22P05'; END$$"
    )
    conn.execute(
        "CREATE TRIGGER refuse BEFORE UPDATE ON evtrack.delivery FOR EACH ROW "
        f"WHEN ({refused}) EXECUTE FUNCTION public.refuse()"
    )
    sink = Moody(SinkError("é"))
    register_sink(conn, sink.label, keep_trying_s=60)
    ids = raised(conn, 2)
    with capture_logs() as logs, delivering(sink, dsn) as thread:
        eventually(lambda: sorted(sink.sent) == (ids if recorded else ids[1:]))
        assert thread.error is None
    (failed,) = [line for line in logs if line["event"] == "alert_sink_failed"]
    assert failed["error"] == ("é" if recorded else "the end of the attempt could not be recorded: no such character")


def test_a_delivery_is_given_up_when_its_time_is_over(conn: Connection, dsn: str) -> None:
    sink = Moody(*[SinkError("no")] * 1000)
    register_sink(conn, sink.label, keep_trying_s=60)
    ids = raised(conn, 2)
    with capture_logs() as logs, delivering(sink, dsn) as thread:
        eventually(lambda: all(attempts > 2 for _, attempts, _ in states(conn)))
        conn.execute("UPDATE evtrack.delivery SET give_up_at = now()")
        eventually(lambda: thread.failed == 2)
    assert {("gave up", "no")} == {(state, error) for state, _, error in states(conn)}
    gave_up = [line for line in logs if line["event"] == "alert_sink_gave_up"]
    assert (ids, [1, 2]) == (sorted(line["alert_id"] for line in gave_up), [line["alerts"] for line in gave_up])
    assert [(0, 2)] == [(each.pending, each.gave_up) for each in sink_sums(conn)]


def test_a_sink_that_is_gone_gets_no_more_attempts(conn: Connection, dsn: str) -> None:
    sink = Moody(SinkError("answered 410", final=True))
    register_sink(conn, sink.label, keep_trying_s=60)
    raised(conn)
    with delivering(sink, dsn):
        eventually(lambda: states(conn) == [("gave up", 1, "answered 410")])


def test_a_sink_that_asks_for_time_gets_it(conn: Connection, dsn: str) -> None:
    sink = Moody(SinkError("answered 429", retry_after_s=900))
    register_sink(conn, sink.label, keep_trying_s=60)
    raised(conn)
    with delivering(sink, dsn):
        eventually(lambda: states(conn) == [("pending", 1, "answered 429")])
    (wait_s,) = Client(conn).rows("SELECT extract(EPOCH FROM retry_at - now())::float8 AS s FROM evtrack.delivery")
    assert 880 < wait_s["s"] < 901


def test_several_watchers_share_a_sink_and_send_nothing_twice(conn: Connection, dsn: str) -> None:
    sinks = [Moody(), Moody()]
    register_sink(conn, Moody.label, keep_trying_s=60)
    with delivering(sinks[0], dsn), delivering(sinks[1], dsn):
        ids = raised(conn, 60)
        eventually(lambda: len(sinks[0].attempts) + len(sinks[1].attempts) >= 60)
        eventually(lambda: {state for state, _, _ in states(conn)} == {"delivered"})
    assert ids == sorted(sinks[0].attempts + sinks[1].attempts)
    assert all(sink.attempts for sink in sinks)


def test_an_attempt_under_way_is_nobody_elses_until_its_lease_is_over(conn: Connection, dsn: str) -> None:
    slow, other = Moody(), Moody()
    slow.gate.clear()
    register_sink(conn, Moody.label, keep_trying_s=60)
    (first,) = raised(conn)
    with delivering(slow, dsn):
        eventually(lambda: slow.attempts)
        with delivering(other, dsn):
            # A storm whose total has grown is queued again, but not sent beside itself.
            conn.execute("UPDATE evtrack.alert SET delivered_at = NULL")
            Client(conn).one("SELECT evtrack.mark_alerts(array[%s]::bigint[], 'any')", first)
            assert take_delivery(conn, Moody.label, who="third", lease_s=1) is None
            assert not other.attempts
            # As after the end of the lease of a watcher that was killed.
            conn.execute("UPDATE evtrack.delivery SET retry_at = now()")
            eventually(lambda: other.sent == [first])
            eventually(lambda: states(conn)[0][0] == "delivered")
            slow.gate.set()
            eventually(lambda: slow.sent == [first])


def test_a_clock_that_was_set_back_delays_no_delivery(conn: Connection, dsn: str) -> None:
    sink = Moody()
    register_sink(conn, sink.label, keep_trying_s=60)
    ids = raised(conn)
    conn.execute("UPDATE evtrack.delivery SET retry_at = now() + interval '1 hour', pause = '5 minutes'")
    with delivering(sink, dsn):
        eventually(lambda: sink.sent == ids)


def test_a_watcher_that_stops_leaves_its_delivery_to_the_next_at_once(conn: Connection, dsn: str) -> None:
    slow, other = Moody(), Moody()
    slow.gate.clear()
    register_sink(conn, Moody.label, keep_trying_s=60)
    ids = raised(conn, 2)
    with delivering(slow, dsn) as thread:
        eventually(lambda: slow.attempts)
        thread.close()
        assert not thread.join(0.05), "it tries what is due"
    assert ("pending", 1, "the watcher stopped: aborted") in states(conn)
    with delivering(other, dsn):
        eventually(lambda: sorted(other.sent) == ids)


def test_a_stopping_watcher_tries_what_is_due_once(conn: Connection, dsn: str) -> None:
    sink = Moody(None, SinkError("no"), None)
    register_sink(conn, sink.label, keep_trying_s=60)
    ids = raised(conn, 3)
    thread = SinkThread(sink, dsn=dsn, who="w", backoff_s=60)
    thread.close()
    thread.start()
    assert thread.join(10)
    assert [ids[0], ids[2]] == sink.sent
    assert [("delivered", 1), ("pending", 1), ("delivered", 1)] == [row[:2] for row in states(conn)]


def test_a_sink_that_is_down_is_not_asked_for_each_alert(conn: Connection, dsn: str) -> None:
    sink = Moody(*[SinkError("down")] * 100)
    register_sink(conn, sink.label, keep_trying_s=60)
    raised(conn, 20)
    with delivering(sink, dsn, backoff_s=20):
        eventually(lambda: sink.attempts)
        eventually(lambda: ("pending", 1, "down") in states(conn))
        assert 1 == len(sink.attempts)


def test_an_alert_is_queued_for_each_sink_that_was_registered_before(conn: Connection) -> None:
    raised(conn)
    for label in ("exec:a:1", "slack:b:2"):
        register_sink(conn, label, keep_trying_s=60)
    assert [] == states(conn)
    (second,) = raised(conn)
    rows = Client(conn).rows("SELECT alert_id, sink, state FROM evtrack.alert_delivery ORDER BY sink")
    assert [(second, "exec:a:1", "pending"), (second, "slack:b:2", "pending")] == [tuple(row.values()) for row in rows]


def test_what_no_watcher_can_deliver_is_given_up_in_the_end(conn: Connection) -> None:
    client = Client(conn)
    for label in ("exec:a:1", "exec:b:2"):
        register_sink(conn, label, keep_trying_s=60)
    raised(conn)
    give_up = "SELECT * FROM evtrack.give_up_deliveries()"
    conn.execute("UPDATE evtrack.delivery SET give_up_at = now() - interval '1 s'")
    assert [] == client.rows(give_up), "running watchers have them, and may try once more"
    conn.execute("UPDATE evtrack.sink SET seen_at = now() - interval '6 minutes' WHERE sink = 'exec:a:1'")
    assert [{"sink": "exec:a:1", "deliveries": 1}] == client.rows(give_up)
    assert [("gave up", 0, "no running watcher has this sink"), ("pending", 0, None)] == states(conn)
    assert ["exec:b:2"] == [row["sink"] for row in client.rows("SELECT sink FROM evtrack.sink")]
    raised(conn)
    assert 3 == len(states(conn)), "a sink that no watcher has had for so long gets no more"


def test_cleanup_keeps_an_alert_until_its_deliveries_have_ended(conn: Connection) -> None:
    client = Client(conn)
    register_sink(conn, "exec:a:1", keep_trying_s=60)
    raised(conn)
    forget = "SELECT evtrack.forget_old(now() + interval '1 day')"
    assert 0 == client.one(forget)
    conn.execute("UPDATE evtrack.delivery SET gave_up_at = now()")
    assert 1 == client.one(forget)
    assert [] == states(conn)


def test_a_narrow_terminal_shows_kinds_whole_and_which_sink_waits(
    conn: Connection, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    client = Client(conn)
    register_sink(conn, "webhook:host:443:9f86d081", keep_trying_s=60)
    client.one("SELECT evtrack.raise_alert('job_finished_with_errors', '1', '', 'error', '{}')")
    client.one("SELECT evtrack.mark_alerts(array(SELECT alert_id FROM evtrack.alert), 'any')")
    conn.execute("UPDATE evtrack.delivery SET error = 'answered 500', created_at = now() - interval '90 s'")
    shown = run("alerts")
    assert "job_finished_with_errors" in shown.stdout
    assert "0/1 sinks" in shown.stdout
    assert all(name in shown.stdout for name in ("ALERT", "JOB", "BATCH", "DELIVERED"))
    assert "1 alert waits for webhook:host:443:9f86d081, the oldest for 1m" in shown.stderr
    assert "Last error: answered 500" in shown.stderr
