"""`evtrack run` and `evtrack results` from the outside."""

import json
from pathlib import Path
from typing import Any

import pytest

from client import Client
from command_line import evtrack
from evtrack.storage.connection.connect import Connection
from workers import HANDLER_DIRECTORY

pytestmark = pytest.mark.integration

ROOT = str(Path(__file__).parents[2])


def jsonl(folder: Path, *items: Any) -> str:
    path = folder / "items.jsonl"
    path.write_text("".join(item if isinstance(item, str) else f"{json.dumps(item)}\n" for item in items))
    return str(path)


def run(dsn: str, source: str, *options: str, handler: str = "scripted", imports: str = "misbehaving_handlers") -> Any:
    words = ["--dsn", dsn, "--handler", handler, "--slots", "2", "--backoff", "0.01"]
    if imports:
        words += ["--import", imports]
    return evtrack("run", source, *words, *options, env={"PYTHONPATH": HANDLER_DIRECTORY})


def test_a_successful_run_exits_with_0_and_prints_one_document(dsn: str, tmp_path: Path) -> None:
    source = jsonl(tmp_path, *({"id": f"k{n}", "return": n} for n in range(100)))
    done = run(dsn, source, "--batch-size", "10", "--json")
    assert 0 == done.returncode, done.stderr
    said = json.loads(done.stdout)
    expected = {"total": 100, "done": 100, "failed": 0, "crashed": 0, "invalid": 0, "batches": 10}
    assert expected == {name: said[name] for name in expected}
    assert said["seconds"] > 0
    assert said["items_per_s"] > 0
    results = evtrack("results", str(said["job_id"]), "--dsn", dsn)
    assert list(range(100)) == [json.loads(line) for line in results.stdout.splitlines()]
    keyed = evtrack("results", str(said["job_id"]), "--keys", "--dsn", dsn)
    assert {"ordinal": 1, "item_key": "k0", "result": 0} == json.loads(keyed.stdout.splitlines()[0])


def test_a_run_with_failures_exits_with_3_and_accounts_for_every_item(dsn: str, tmp_path: Path) -> None:
    source = jsonl(
        tmp_path, *[{"id": f"k{n}"} for n in range(7)], {"do": "raise"}, {"do": "kill"}, '{"broken": \n', "\n"
    )
    done = run(dsn, source, "--batch-size", "1", "--json")
    assert 3 == done.returncode, done.stderr
    said = json.loads(done.stdout)
    expected = {"total": 10, "done": 7, "failed": 1, "crashed": 1, "invalid": 1}
    assert expected == {name: said[name] for name in expected}


def test_a_run_with_failures_prints_where_to_look(dsn: str, tmp_path: Path) -> None:
    done = run(dsn, jsonl(tmp_path, {"id": "a"}, "null\n"))
    assert 3 == done.returncode, done.stderr
    assert "did not complete. For details, see: evtrack status 1" in done.stderr


def test_a_run_without_json_ends_with_a_summary(dsn: str, tmp_path: Path) -> None:
    done = run(dsn, jsonl(tmp_path, {"id": "a"}))
    assert 0 == done.returncode, done.stderr
    assert "finished ok" in done.stdout
    assert "total" in done.stdout


def test_a_job_stores_whether_its_handler_runs_item_by_item(dsn: str, tmp_path: Path, conn: Connection) -> None:
    run(dsn, jsonl(tmp_path, {"id": "a"}))
    run(dsn, jsonl(tmp_path, {"id": "a"}), handler="echo")
    policies = Client(conn).rows("SELECT handler, policy -> 'per_item' AS per_item FROM evtrack.job ORDER BY job_id")
    assert [{"handler": "scripted", "per_item": True}, {"handler": "echo", "per_item": False}] == policies


def test_a_program_can_be_a_handler(dsn: str, tmp_path: Path) -> None:
    words = f"awk -f {ROOT}/examples/word_count.awk"
    source = jsonl(tmp_path, {"id": "a", "text": 'two "words"'}, {"id": "b", "text": "now there\\nare four"})
    done = run(dsn, source, "--exec", f"words={words}", "--json", handler="words", imports="")
    assert 0 == done.returncode, done.stderr
    results = evtrack("results", str(json.loads(done.stdout)["job_id"]), "--dsn", dsn)
    assert [{"words": 2}, {"words": 4}] == [json.loads(line) for line in results.stdout.splitlines()]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--handler", "absent"],
            "offered here: echo, iterate, nothing, printer, scripted, scripted batch, timed, too few.",
        ),
        (["--import", "not_there"], "Cannot import the module 'not_there'"),
        (["--exec", "cat"], "--exec takes NAME='PROGRAM ARGUMENTS', got 'cat'"),
    ],
)
def test_an_input_error_exits_with_1_before_anything_is_submitted(
    dsn: str, conn: Connection, tmp_path: Path, options: list[str], said: str
) -> None:
    done = run(dsn, jsonl(tmp_path, {"id": "a"}), *options)
    assert (1, "") == (done.returncode, done.stdout)
    assert said in done.stderr
    assert 0 == Client(conn).one("SELECT count(*) FROM evtrack.job")


@pytest.mark.parametrize("given", ["0.0000001", "-1", "much", "inf", "nan"])
def test_an_invalid_memory_limit_is_wrong_usage(dsn: str, tmp_path: Path, given: str) -> None:
    done = run(dsn, jsonl(tmp_path, {"id": "a"}), "--max-rss", given)
    assert 2 == done.returncode
    assert "Invalid value for '--max-rss'" in done.stderr


def test_a_run_and_the_worker_that_continues_it_obey_its_limits(dsn: str, tmp_path: Path, conn: Connection) -> None:
    source = jsonl(tmp_path, {"do": "loop"}, {"do": "hang"}, {"do": "leak"}, {"return": 1})
    limits = ["--timeout", "9", "--stall", "3", "--max-rss", "100", "--max-crashes", "1", "--batch-size", "1"]
    done = run(dsn, source, *limits, "--json")
    assert 3 == done.returncode, done.stderr
    assert {"timeout_s": 9, "stall_s": 3, "max_rss_bytes": 100 << 20} == {
        name: value
        for name, value in Client(conn).one("SELECT policy FROM evtrack.job").items()
        if name in {"timeout_s", "stall_s", "max_rss_bytes"}
    }
    causes = {row["item_key"]: row["cause"] for row in Client(conn).rows("SELECT item_key, cause FROM evtrack.crash")}
    assert {"stalled", "memory_limit"} == set(causes.values()), "an endless loop says nothing, so it stalls first"


def test_a_module_that_raises_shows_its_own_traceback_once(dsn: str, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def deep():\n    1 / 0\ndeep()\n")
    done = evtrack(
        "work", "--dsn", dsn, "--import", "broken", "--slots", "3", env={"PYTHONPATH": str(tmp_path)}, timeout_s=30
    )
    assert 1 == done.returncode
    assert 1 == done.stderr.count("ZeroDivisionError")
    assert "in deep" in done.stderr
    assert "site-packages" not in done.stderr


def test_a_missing_source_exits_with_1(dsn: str) -> None:
    done = run(dsn, "/not/there.jsonl")
    assert 1 == done.returncode
    assert "/not/there.jsonl" in done.stderr


def test_results_of_a_missing_job_exit_with_1(dsn: str) -> None:
    done = evtrack("results", "4711", "--dsn", dsn)
    assert (1, "") == (done.returncode, done.stdout)
    assert "There is no job 4711" in done.stderr


def test_what_handlers_print_reaches_stderr_and_never_stdout(dsn: str, tmp_path: Path) -> None:
    done = run(dsn, jsonl(tmp_path, {"id": "a", "do": "print"}), "--json")
    assert "hello from a" in done.stderr
    assert json.loads(done.stdout)


def test_work_drains_the_queue_and_exits_with_0(dsn: str, conn: Connection, tmp_path: Path) -> None:
    source = jsonl(tmp_path, *({"id": f"k{n}"} for n in range(50)))
    submitted = evtrack("submit", source, "--dsn", dsn, "--handler", "scripted", "--batch-size", "5", "--json")
    job = json.loads(submitted.stdout)["job_id"]
    done = evtrack(
        "work", "--dsn", dsn, "--import", "misbehaving_handlers", "--drain", env={"PYTHONPATH": HANDLER_DIRECTORY}
    )
    assert 0 == done.returncode, done.stderr
    assert "finished" == Client(conn).phase(job)
