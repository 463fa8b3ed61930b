"""complete, fail, crash and requeue: one verdict per row, and one late row does not affect the others."""

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from client import Claim, Client
from event_streams import data_of
from evtrack.domain.policy import Policy
from evtrack.domain.states import BatchStatus

pytestmark = pytest.mark.integration

FUNCTIONS = ["complete", "fail", "crash", "requeue"]
REPORTS = [*FUNCTIONS, "exchange"]


def report(client: Client, function: str, worker: int, claims: list[Claim]) -> list[str]:
    """Report by the name of the function."""
    return {
        "complete": client.complete,
        "fail": client.fail,
        "crash": client.crash,
        "requeue": client.requeue,
        "exchange": client.exchange,
    }[function](worker, claims)


def test_a_completed_batch_keeps_its_result_lines(client: Client) -> None:
    job, worker = client.job(2, items=2), client.worker()
    assert ["ok", "ok"] == client.complete(worker, client.claim(worker, job), results=['{"a": 1}\n', None])
    rows = client.rows("SELECT batch_no, ordinals::text, lines FROM evtrack.result WHERE job_id = %s", job)
    assert [{"batch_no": 1, "ordinals": "{[1,3)}", "lines": '{"a": 1}\n'}] == rows
    assert {"pending": (0, 0), "running": (0, 0), "completed": (2, 4)}.items() <= client.sums(job).items()
    client.check(job)


def test_the_order_of_the_verdicts_is_that_of_the_reports(client: Client) -> None:
    job, worker = client.job(4), client.worker()
    claims = client.claim(worker, job)
    backwards = [claims[3], claims[1], Claim(job, 99, 1), claims[0]]
    assert ["ok", "ok", "unknown", "ok"] == client.complete(worker, backwards)


def test_one_late_row_completes_the_others(client: Client) -> None:
    job, worker, rival = client.job(3), client.worker(), client.worker()
    claims = client.claim(worker, job)
    # The second batch is given back behind the worker's back, and another has it now.
    client.requeue(worker, [claims[1]])
    assert [Claim(job, 2, 2)] == client.claim(rival, job)
    assert ["ok", "late", "ok"] == client.complete(worker, claims)
    assert (BatchStatus.RUNNING, rival) == (client.batch(job, 2).status, client.batch(job, 2).worker_id)
    assert "late_result" == client.types(job, 2)[-1]
    assert {"outcome": "completed"}.items() <= data_of(client.events(job, 2)[-1]).items()
    assert ["ok"] == client.complete(rival, [Claim(job, 2, 2)])
    client.check(job)


@pytest.mark.parametrize("function", REPORTS)
def test_a_report_sent_twice_gets_the_same_answer(client: Client, function: str) -> None:
    job, worker = client.job(3, max_errors=1, max_crashes=1), client.worker()
    claims = client.claim(worker, job)
    first = report(client, function, worker, claims)
    events = client.events(job)
    assert first == report(client, function, worker, claims)
    assert events == client.events(job)
    client.check(job)


@pytest.mark.parametrize("function", ["fail", "crash"])
def test_a_report_of_a_retried_batch_sent_twice_gets_the_same_answer(client: Client, function: str) -> None:
    job, worker = client.job(max_errors=5, max_crashes=5), client.worker()
    claims = client.claim(worker, job)
    assert ["retry"] == report(client, function, worker, claims)
    assert ["retry"] == report(client, function, worker, claims)
    assert 4 == client.batch(job).version


def test_a_part_of_a_group_sent_again_is_completed_with_the_rest(client: Client) -> None:
    job, worker = client.job(3), client.worker()
    claims = client.claim(worker, job)
    assert ["ok"] == client.complete(worker, claims[1:2])
    assert ["ok", "ok", "ok"] == client.complete(worker, claims)
    assert ["enqueued", "started", "completed"] == client.types(job, 2)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_several_attempts_of_a_batch_may_be_in_one_group(client: Client, function: str) -> None:
    job, worker, rival = client.job(2, max_errors=1, max_crashes=1), client.worker(), client.worker()
    first, other = client.claim(worker, job)
    client.requeue(rival, [first])
    client.crash(rival, [first])
    client.requeue(worker, [first])
    (second,) = client.claim(rival, job)
    client.requeue(rival, [second])
    (third,) = client.claim(worker, job)
    assert ["late_result", "late_result"] == client.types(job)[2:4]
    done = {"complete": "ok", "fail": "failed", "crash": "crashed", "requeue": "ok"}[function]
    verdicts = report(client, function, worker, [second, first, third, other, second])
    # The worker itself has requeued the first attempt, so that of all reports this one is known.
    known = "ok" if function == "requeue" else "late"
    assert ["late", known, done, done, "late"] == verdicts
    client.check(job)


@pytest.mark.parametrize("function", REPORTS)
def test_a_batch_named_twice_is_reported_once(client: Client, function: str) -> None:
    job, worker = client.job(2), client.worker()
    claims = client.claim(worker, job)
    done = {"fail": "retry", "crash": "retry"}.get(function, "ok")
    assert [done] * 4 == report(client, function, worker, claims + claims)
    expected = {"requeue": ["requeued"], "fail": ["failed", "requeued"], "crash": ["crashed", "requeued"]}
    assert expected.get(function, ["completed"]) == client.types(job)[2:]
    client.check(job)


@pytest.mark.parametrize("function", REPORTS)
@pytest.mark.parametrize("wrong", ["worker", "attempt too high", "no such batch", "no such job", "not claimed"])
def test_only_the_holder_of_the_attempt_can_report(client: Client, function: str, wrong: str) -> None:
    job, worker, rival = client.job(2), client.worker(), client.worker()
    (claim,) = client.claim(worker, job, fresh=1)
    before = client.batch(job)
    verdict = {
        "worker": lambda: report(client, function, rival, [claim]),
        "attempt too high": lambda: report(client, function, worker, [claim._replace(attempt=2)]),
        "no such batch": lambda: report(client, function, worker, [claim._replace(batch_no=77)]),
        "no such job": lambda: report(client, function, worker, [claim._replace(job_id=999_999_999)]),
        "not claimed": lambda: report(client, function, worker, [claim._replace(batch_no=2)]),
    }[wrong]()
    assert ["late" if wrong == "worker" else "unknown"] == verdict
    assert (before.status, before.attempt) == (client.batch(job).status, client.batch(job).attempt)
    client.check(job)


@pytest.mark.parametrize("function", REPORTS)
def test_an_empty_report_is_not_an_error(client: Client, function: str) -> None:
    assert [] == report(client, function, client.worker(), [])


def test_errors_are_retried_with_backoff_until_the_budget_is_spent(client: Client) -> None:
    job, worker = client.job(max_errors=3, backoff_s=0), client.worker()
    verdicts = [client.fail(worker, client.claim(worker, job))[0] for _ in range(3)]
    assert ["retry", "retry", "failed"] == verdicts
    assert (BatchStatus.FAILED, 3, 3, "no") == (
        client.batch(job).status,
        client.batch(job).errors,
        client.batch(job).attempt,
        client.batch(job).error,
    )
    client.check(job)


def test_the_backoff_comes_from_the_policy(client: Client) -> None:
    policy = Policy(backoff_s=2, backoff_max_s=20, max_errors=99)
    rows = client.rows(
        "SELECT errors, extract(epoch FROM min(evtrack.retry_at(%s, errors) - clock_timestamp()))::float8 AS least,"
        " extract(epoch FROM max(evtrack.retry_at(%s, errors) - clock_timestamp()))::float8 AS most"
        " FROM generate_series(1, 9) errors, generate_series(1, 200) GROUP BY errors ORDER BY errors",
        Jsonb(policy.model_dump()),
        Jsonb(policy.model_dump()),
    )
    for row in rows:
        full = min(20, 2 * 2 ** (row["errors"] - 1))
        assert full / 2 - 0.2 <= row["least"] <= row["most"] <= full + 0.2
        assert row["most"] - row["least"] > full / 4, "no jitter"


@pytest.mark.parametrize("budget", [0, 1, 3])
def test_the_budgets_come_from_the_policy(client: Client, budget: int) -> None:
    policy = Policy(max_errors=budget, max_crashes=budget, backoff_s=0)
    job, worker = client.job(2, **policy.model_dump(exclude_none=True)), client.worker()
    for count in range(1, max(budget, 1) + 1):
        claims = sorted(client.claim(worker, job))
        assert ["failed" if count >= budget else "retry"] == client.fail(worker, claims[:1])
        assert ["crashed" if count >= budget else "retry"] == client.crash(worker, claims[1:])
    assert [] == client.claim(worker, job)


@pytest.mark.parametrize(
    ("dossier", "line"),
    [
        ({"cause": "signal", "signal": "SIGSEGV"}, "SIGSEGV"),
        ({"cause": "timeout", "signal": "SIGKILL"}, "timeout"),
        ({"cause": "memory_limit", "signal": "SIGTERM"}, "memory_limit"),
        ({"cause": "exit_code", "exit_code": 7}, "exit_code 7"),
        ({"cause": "signal"}, "signal"),
        ({}, "unknown"),
    ],
)
def test_a_crash_is_summarised_in_one_line(client: Client, dossier: dict[str, Any], line: str) -> None:
    job, worker = client.job(max_crashes=1), client.worker()
    client.crash_with(worker, client.claim(worker, job), [dossier])
    assert f"{line} at key:1" == client.batch(job).error
    client.check(job)


def test_crashes_have_a_budget_of_their_own(client: Client) -> None:
    job, worker = client.job(max_errors=2, max_crashes=2, backoff_s=0), client.worker()
    assert ["retry"] == client.fail(worker, client.claim(worker, job))
    assert ["retry"] == client.crash(worker, client.claim(worker, job))
    assert ["crashed"] == client.crash(
        worker, client.claim(worker, job), cause="signal", signal="SIGKILL", item_key="k"
    )
    batch = client.batch(job)
    assert (BatchStatus.CRASHED, 1, 2, 0, "SIGKILL at k") == (
        batch.status,
        batch.errors,
        batch.crashes,
        batch.losses,
        batch.error,
    )
    client.check(job)


def test_a_graceful_stop_costs_no_budget_and_requeues_at_once(client: Client) -> None:
    job, worker = client.job(max_errors=1, max_crashes=1), client.worker()
    for attempt in (1, 2, 3):
        (claim,) = client.claim(worker, job)
        assert attempt == claim.attempt
        assert ["ok"] == client.requeue(worker, [claim])
    assert (0, 0, 0) == (client.batch(job).errors, client.batch(job).crashes, client.batch(job).losses)


@pytest.mark.parametrize("function", ["fail", "crash", "requeue"])
def test_nothing_is_retried_in_a_cancelled_job(client: Client, function: str) -> None:
    job, worker = client.job(2), client.worker()
    claims = client.claim(worker, job, fresh=1)
    client.one("SELECT evtrack.cancel(%s)", job)
    verdict = {"fail": "failed", "crash": "crashed", "requeue": "ok"}[function]
    assert [verdict] == report(client, function, worker, claims)
    status = {"fail": "failed", "crash": "crashed", "requeue": "cancelled"}[function]
    assert (status, "cancelled") == (client.batch(job, 1).status, client.batch(job, 2).status)
    client.check(job)


@pytest.mark.parametrize("dossier", [{"cause": "signal", "x": "y" * 300}, {"exit_code": 3}])
def test_a_crash_report_of_any_shape_is_kept(client: Client, dossier: dict[str, Any]) -> None:
    job, worker = client.job(), client.worker()
    client.crash(worker, client.claim(worker, job), **dossier)
    assert dossier.items() <= data_of(client.events(job)[2]).items()
    client.check(job)


@pytest.mark.parametrize("error", [{}, {"message": "x" * 5000}, "just a text", ["a list"], {"items": 3}])
def test_an_error_of_any_shape_is_kept(client: Client, error: Any) -> None:
    job, worker = client.job(), client.worker()
    assert ["retry"] == client.fail(worker, client.claim(worker, job), error)
    assert len(client.batch(job).error or "") <= 300
    assert error == data_of(client.events(job)[2])["error"]


# Item by item


# After a lost connection
