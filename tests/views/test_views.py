"""The views on data with known answers."""

import pytest

from client import Client, columns
from evtrack.storage.connection.sql_files import root

pytestmark = pytest.mark.integration

VIEWS = sorted(path.stem for path in (root() / "views").rglob("*.sql"))


def test_every_view_has_a_comment_in_the_database(client: Client) -> None:
    comments = client.rows(
        "SELECT relname, obj_description(oid) AS says FROM pg_class"
        " WHERE relkind = 'v' AND relnamespace = 'evtrack'::regnamespace ORDER BY relname"
    )
    assert VIEWS == [row["relname"] for row in comments]
    assert [] == [row["relname"] for row in comments if not row["says"]]


def test_batch_status_shows_items_status_and_origin(client: Client, mixed_job: int) -> None:
    rows = client.view("batch_status", mixed_job, "batch_no")
    assert [
        (1, "completed", 5, 1, "key:1, key:2, key:3... (2 more)", None, None),
        (2, "completed", 3, 1, "key:6, key:8, key:10", None, None),
        (3, "split", 5, 1, "key:11, key:12, key:13... (2 more)", None, None),
        (4, "running", 5, 2, "key:16, key:17, key:18... (2 more)", None, None),
        (5, "failed", 2, 2, "key:7, key:9", 2, 2),
        (6, "crashed", 1, 2, "key:12", 3, 3),
        (7, "completed", 4, 2, "key:11, key:13, key:14... (1 more)", 3, 3),
    ] == columns(rows, "batch_no", "status", "item_count", "attempt", "item_summary", "root_no", "parent_no")
    assert {client.handler} == {row["handler"] for row in rows}
    assert {"test"} == {row["worker"] for row in rows}
    assert [None, None, "exit_code 7 at key:12"] == [rows[0]["error"], rows[1]["error"], rows[5]["error"]]


def test_single_items_and_long_keys_are_summarised(client: Client) -> None:
    job = client.one(
        "SELECT evtrack.enqueue(%s, %s, %s, batch_size => 4)",
        client.handler,
        ["x" * 300, "b", "c", "d", "e"],
        ["1"] * 5,
    )
    rows = client.view("batch_status", job, "batch_no")
    assert [("x" * 80 + ", b, c... (1 more)",), ("e",)] == columns(rows, "item_summary")


@pytest.mark.parametrize(("failing", "outcome"), [(False, "ok"), (True, "with errors")])
def test_job_status_shows_how_a_finished_job_ended(client: Client, failing: bool, outcome: str) -> None:  # noqa: FBT001
    job, worker = client.job(2, max_errors=1), client.worker()
    first, second = client.claim(worker, job)
    client.complete(worker, [first])
    client.fail(worker, [second]) if failing else client.complete(worker, [second])
    client.one("SELECT evtrack.finish_due(%s)", job)
    (row,) = client.view("job_status", job)
    assert ("finished", outcome, 100.0) == (row["phase"], row["outcome"], row["percent"])


def test_item_status_shows_the_latest_batch_of_an_item(client: Client, mixed_job: int) -> None:
    rows = client.view("item_status", mixed_job, "ordinal")
    assert list(range(1, 21)) == [row["ordinal"] for row in rows]
    by_key = {row["item_key"]: (row["status"], row["batch_no"], row["path"]) for row in rows}
    assert ("completed", 1, [1]) == by_key["key:1"]
    assert ("completed", 2, [2]) == by_key["key:6"]
    assert ("failed", 5, [2, 5]) == by_key["key:7"]
    assert ("completed", 2, [2]) == by_key["key:8"]
    assert ("crashed", 6, [3, 6]) == by_key["key:12"]
    assert ("completed", 7, [3, 7]) == by_key["key:13"]
    assert ("running", 4, [4]) == by_key["key:20"]
    counts = {
        status: sum(1 for row in rows if row["status"] == status) for status in ("completed", "failed", "crashed")
    }
    assert {"completed": 12, "failed": 2, "crashed": 1} == counts


def test_an_item_that_moved_twice_shows_all_its_batches(client: Client) -> None:
    job, worker = client.job(1, items=4, backoff_s=0), client.worker()
    (first,) = client.claim(worker, job)
    client.complete_partly(worker, first, "{[2,5)}")
    (second,) = client.claim(worker, job, fresh=0)
    client.complete_partly(worker, second, "{[3,4)}")
    paths = {row["ordinal"]: (row["batch_no"], row["path"]) for row in client.view("item_status", job)}
    assert {1: (1, [1]), 2: (2, [1, 2]), 3: (3, [1, 2, 3]), 4: (2, [1, 2])} == paths


def test_results_are_listed_with_their_items(client: Client, mixed_job: int) -> None:
    rows = client.view("item_result", mixed_job, "ordinal")
    assert [
        (1, "key:1", 1, '{"a": 1}'),
        (3, "key:3", 1, '"three"'),
        (5, "key:5", 1, "5"),
        (6, "key:6", 2, "1"),
        (8, "key:8", 2, "2"),
        (10, "key:10", 2, "3"),
    ] == columns(rows, "ordinal", "item_key", "batch_no", "result")


def test_every_crash_has_a_row_with_its_cause(client: Client, mixed_job: int) -> None:
    rows = client.view("crash", mixed_job, "at")
    assert [
        (3, 1, "signal", "SIGSEGV", None, "key:12", 12, 0.5, False),
        (6, 2, "exit_code", None, 7, "key:12", 12, None, True),
    ] == columns(rows, "batch_no", "attempt", "cause", "signal", "exit_code", "item_key", "ordinal", "run_s", "poison")
    assert ["key:11, key:12, key:13... (2 more)", "key:12"] == [row["item_summary"] for row in rows]
    assert [("host", 4711, 2**20, 0.25)] == columns(rows[1:], "host", "pid", "peak_rss_bytes", "cpu_s")


def test_a_crash_that_poisons_an_item_at_once_has_one_row(client: Client) -> None:
    job, worker = client.job(items=3, max_crashes=1), client.worker()
    client.crash(worker, client.claim(worker, job), cause="signal", signal="SIGSEGV", ordinal=2)
    assert ["split", "crashed", "pending"] == [batch.status for batch in client.batches(job).values()]
    assert [(1, 1, 2, "key:2", True)] == columns(
        client.view("crash", job), "batch_no", "attempt", "ordinal", "item_key", "poison"
    )
    assert [("key:2", 1)] == columns(client.view("item_failures", job), "item_key", "crashes")


def test_a_malformed_crash_report_does_not_break_the_view(client: Client) -> None:
    job, worker = client.job(), client.worker()
    client.crash(worker, client.claim(worker, job), cause=["?"], exit_code="seven", ordinal={"a": 1}, signal=11)
    (row,) = client.view("crash", job)
    assert ("unknown", None, None, 1) == (row["cause"], row["signal"], row["exit_code"], row["ordinal"])


def test_errors_are_grouped_by_type_and_message(client: Client, mixed_job: int) -> None:
    rows = client.view("error_summary", mixed_job, "failures DESC, type, message")
    assert [
        ("KeyError", "no 9", 2, 1, 5, "key:9"),
        ("ValueError", "no 7", 2, 1, 5, "key:7"),
        ("ValueError", "all of it", 1, 1, 4, None),
    ] == columns(rows, "type", "message", "failures", "batches", "example_batch_no", "example_item_key")


def test_failures_and_crashes_count_for_the_items_they_name(client: Client, mixed_job: int) -> None:
    rows = client.view("item_failures", mixed_job, "ordinal")
    assert [
        ("key:7", 7, 2, 0, "ValueError: no 7"),
        ("key:9", 9, 2, 0, "KeyError: no 9"),
        ("key:12", 12, 0, 2, "exit_code"),
    ] == columns(rows, "item_key", "ordinal", "failures", "crashes", "last_error")


def test_a_failure_of_a_batch_of_one_counts_for_its_item(client: Client) -> None:
    job, worker = client.job(2), client.worker()
    one, two = client.claim(worker, job)
    client.fail(worker, [one])
    client.crash(worker, [two], cause="signal", signal="SIGKILL")
    assert [("key:1", 1, 0, "ValueError: no"), ("key:2", 0, 1, "signal SIGKILL")] == columns(
        client.view("item_failures", job, "ordinal"), "item_key", "failures", "crashes", "last_error"
    )


def test_durations_come_from_the_slots(client: Client) -> None:
    job, worker = client.job(4, items=2), client.worker()
    for claim, run_s in zip(client.claim(worker, job), (1.0, 2.0, 3.0, 10.0), strict=True):
        client.complete(worker, [claim], run_s=run_s)
    (row,) = client.view("batch_duration", job)
    assert (4, 8, 4.0, 2.5, 10.0, 16.0) == columns([row], "batches", "items", "mean_s", "p50_s", "max_s", "total_s")[0]
    assert row["p95_s"] == pytest.approx(8.95)
    slowest = client.rows("SELECT batch_no, run_s, item_s FROM evtrack.slowest_batch WHERE job_id = %s LIMIT 2", job)
    assert [(4, 10.0, 5.0), (3, 3.0, 1.5)] == columns(slowest, "batch_no", "run_s", "item_s")


def test_the_crash_rate_of_a_day_counts_attempts(client: Client, mixed_job: int) -> None:
    del mixed_job
    row = client.rows("SELECT * FROM evtrack.crash_rate_daily WHERE day = (now() AT TIME ZONE 'UTC')::date")[0]
    before = dict(row)
    job, worker = client.job(10, max_crashes=5), client.worker()
    claims = client.claim(worker, job)
    client.crash(worker, claims[:1], cause="signal", signal="SIGSEGV")
    client.crash(worker, claims[1:2], cause="worker_lost")
    client.fail(worker, claims[2:3])
    client.complete(worker, claims[3:])
    after = client.rows("SELECT * FROM evtrack.crash_rate_daily WHERE day = (now() AT TIME ZONE 'UTC')::date")[0]
    grown = {
        name: after[name] - before[name] for name in ("attempts", "completed", "failed", "crashed", "workers_lost")
    }
    assert {"attempts": 9, "completed": 7, "failed": 1, "crashed": 1, "workers_lost": 1} == grown
    assert float(after["crash_rate_pct"]) == pytest.approx(100 * after["crashed"] / after["attempts"], abs=0.01)


def test_a_partly_done_attempt_counts_once(client: Client) -> None:
    query = "SELECT coalesce(sum(attempts), 0)::int FROM evtrack.crash_rate_daily"
    before = client.one(query)
    job, worker = client.job(1, items=3), client.worker()
    (claim,) = client.claim(worker, job)
    client.complete_partly(worker, claim, "{[2,3)}")
    assert before + 1 == client.one(query)


def test_a_crash_counts_once_in_the_crash_rate(client: Client) -> None:
    query = (
        "SELECT coalesce(sum(attempts), 0)::int AS a, coalesce(sum(crashed), 0)::int AS c FROM evtrack.crash_rate_daily"
    )
    before = tuple(client.rows(query)[0].values())
    job, worker = client.job(items=4, max_crashes=1), client.worker()
    assert ["split"] == client.crash_with(worker, client.claim(worker, job), [{"ordinal": 3}], done=["{[1,3)}"])
    assert ["completed", "crashed", "pending"] == [batch.status for batch in client.batches(job).values()]
    assert [before[0] + 1, before[1] + 1] == list(client.rows(query)[0].values())


def test_a_worker_is_alive_silent_lost_or_stopped(client: Client) -> None:
    workers = {state: client.worker() for state in ("alive", "silent", "lost", "stopped")}
    client.conn.execute(
        "UPDATE evtrack.worker SET seen_at = seen_at - interval '31 s' WHERE worker_id = %s", (workers["silent"],)
    )
    client.conn.execute("UPDATE evtrack.worker SET lost_at = now() WHERE worker_id = %s", (workers["lost"],))
    client.one("SELECT evtrack.stop_worker(%s)", workers["stopped"])
    found = client.rows("SELECT worker_id, state FROM evtrack.worker_status WHERE %s = ANY(handlers)", client.handler)
    assert {number: state for state, number in workers.items()} == {row["worker_id"]: row["state"] for row in found}


def test_table_sizes_are_summed_over_days(client: Client, mixed_job: int) -> None:
    del mixed_job
    rows = {row["table_name"]: row for row in client.rows("SELECT * FROM evtrack.table_size")}
    assert {"event", "batch", "payload", "result", "job", "progress", "worker"} <= set(rows)
    assert rows["event"]["partitions"] >= 1
    assert 0 == rows["job"]["partitions"]
    day = client.one("SELECT pg_total_relation_size(('evtrack.event_' || to_char(job_day, 'YYYYMMDD'))::regclass)"
                     " FROM evtrack.job LIMIT 1")  # fmt: skip
    assert rows["event"]["total_bytes"] >= day > 0
    assert rows["event"]["table_bytes"] + rows["event"]["index_bytes"] == rows["event"]["total_bytes"]


def test_the_views_work_after_payloads_are_deleted(client: Client, mixed_job: int) -> None:
    client.conn.execute("DELETE FROM evtrack.payload WHERE job_id = %s", (mixed_job,))
    rows = client.view("batch_status", mixed_job, "batch_no")
    assert [
        ("(5 items)",),
        ("(3 items)",),
        ("(5 items)",),
        ("(5 items)",),
        ("(2 items)",),
        ("(1 item)",),
        ("(4 items)",),
    ] == columns(rows, "item_summary")
    assert [1, 3, 5, 6, 8, 10] == [row["ordinal"] for row in client.view("item_result", mixed_job, "ordinal")]


def test_views_can_be_filtered_by_job_day(client: Client, mixed_job: int) -> None:
    asked = "SELECT count(*) FROM evtrack.{} WHERE job_id = %s AND job_day {} (now() AT TIME ZONE 'UTC')::date"
    names = ("batch_duration", "batch_status", "crash", "error_summary", "item_failures", "slowest_batch")
    assert [1, 7, 2, 3, 3, 6] == [client.one(asked.format(name, "="), mixed_job) for name in names]
    assert [0] * 6 == [client.one(asked.format(name, ">"), mixed_job) for name in names]


def test_attempts_match_the_log(client: Client, mixed_job: int) -> None:
    rows = client.view("attempt", mixed_job, "batch_no, attempt")
    assert [
        (1, 1, "completed", None, 2.0),
        (2, 1, "completed", None, 0.75),
        (3, 1, "crashed", "signal", 0.5),
        (4, 1, "failed", None, 0.25),
        (5, 2, "failed", None, 0.25),
        (6, 2, "crashed", "exit_code", None),
        (7, 2, "completed", None, 0.5),
    ] == columns(rows, "batch_no", "attempt", "outcome", "cause", "run_s")
    assert {client.handler} == {row["handler"] for row in rows}


def test_a_crashed_attempt_with_completed_items_is_one_attempt(client: Client) -> None:
    job, worker = client.job(items=4, max_crashes=1), client.worker()
    client.crash_with(worker, client.claim(worker, job), [{"cause": ["?"], "ordinal": 3}], done=["{[1,3)}"])
    assert [(1, "crashed", "unknown")] == columns(client.view("attempt", job), "batch_no", "outcome", "cause")


def test_a_crash_that_counts_against_no_item_is_no_attempt(client: Client) -> None:
    job, worker = client.job(2, items=3), client.worker()
    one, two = client.claim(worker, job)
    client.crash_with(worker, [one], [{"cause": "memory_limit", "blame": "none", "ordinal": 2}], done=["{[1,2)}"])
    client.crash(worker, [two], cause="memory_limit", blame="none")
    assert [(1, "completed")] == columns(client.view("attempt", job), "batch_no", "outcome")
    assert [] == client.rows("SELECT * FROM evtrack.crash_rates() WHERE handler = %s AND crashed > 0", client.handler)


def test_handler_status_sums_the_jobs_of_a_handler(client: Client, mixed_job: int) -> None:
    client.job(3, items=2)
    (row,) = client.rows("SELECT * FROM evtrack.handler_status WHERE handler = %s", client.handler)
    items = ("jobs", "pending", "running", "done", "failed", "crashed", "cancelled")
    assert [(2, 6, 5, 12, 2, 1, 0)] == columns([row], *items)
    batches = ("pending", "running", "completed", "failed", "crashed", "split", "cancelled")
    assert [(3, 1, 3, 1, 1, 1, 0)] == columns([row], *(f"batches_{status}" for status in batches))
    assert mixed_job > 0


def test_the_outbox_view_lists_undelivered_alerts(client: Client, mixed_job: int) -> None:
    assert mixed_job > 0
    (row,) = client.rows("SELECT * FROM evtrack.alert_outbox")
    assert row["undelivered"] == client.one("SELECT count(*) FROM evtrack.alert WHERE delivered_at IS NULL") > 0
    assert row["lag_s"] > 0
    with client.conn.transaction(force_rollback=True):
        client.conn.execute("UPDATE evtrack.alert SET delivered_at = now()")
        assert [(0, None, 0.0)] == [tuple(each.values()) for each in client.rows("SELECT * FROM evtrack.alert_outbox")]
