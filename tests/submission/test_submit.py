"""`evtrack submit` from the outside: its input, what it stores, and what it prints."""

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from client import Client
from command_line import environment, evtrack, evtrack_command
from evtrack.domain.database_errors import TransientError
from evtrack.domain.errors import JobPhaseError
from evtrack.runtime.submit.submission import JobSpec, begin, recipe
from evtrack.runtime.submit.submitter import Submitter
from evtrack.sources.iterable_source import IterableSource
from evtrack.storage.connection.connect import Connection
from polling import eventually

pytestmark = pytest.mark.integration

MB = 1024 * 1024


def submitted(dsn: str, *args: str, stdin: str | None = None) -> dict[str, Any]:
    """Submit, and return what --json printed."""
    done = evtrack("submit", *args, "--handler", "h", "--json", "--dsn", dsn, stdin=stdin)
    assert 0 == done.returncode, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def stored(conn: Connection, job_id: int) -> list[tuple[int, int, int | None, str, str]]:
    """Return the job's items: ordinal, batch, line, key, payload."""
    return conn.execute(
        "SELECT ordinal, batch_no, line, item_key, payload FROM evtrack.payload WHERE job_id = %s ORDER BY ordinal",
        [job_id],
    ).fetchall()  # type: ignore[return-value]


def notes(conn: Connection, job_id: int) -> dict[str, str]:
    """Return the job's notes: source -> reason."""
    rows = conn.execute(
        "SELECT n ->> 'source', n ->> 'reason' FROM evtrack.event, jsonb_array_elements(data -> 'notes') AS n"
        " WHERE job_id = %s AND type = 'noted'",
        [job_id],
    ).fetchall()
    return dict(rows)


def test_items_are_stored_as_they_were_written(dsn: str, conn: Connection, tmp_path: Path) -> None:
    lines = ['{"db": "P", "id": 1,  "x": 1.0}', '{"db":"P","id":"ä"}', '{"db":"P","id":3,"t":"a\\nb"}']
    path = tmp_path / "a.jsonl"
    path.write_text("\r\n".join(lines) + "\n", encoding="utf-8")
    answer = submitted(dsn, str(path), "--key", "db,id", "--batch-size", "2")
    assert (3, 0, 2) == (answer["items"], answer["invalid"], answer["batches"])
    keys = ["P:1", "P:ä", "P:3"]
    assert [(n, (n + 1) // 2, n, key, line) for n, key, line in zip((1, 2, 3), keys, lines, strict=True)] == stored(
        conn, answer["job_id"]
    )
    job = conn.execute(
        "SELECT phase, name, item_count, batch_count, bytes_read, bytes_total FROM evtrack.job"
    ).fetchone()
    assert ("sealed", "a.jsonl", 3, 2, path.stat().st_size, path.stat().st_size) == job


def test_only_the_job_id_is_on_stdout(dsn: str) -> None:
    done = evtrack("submit", "-", "--handler", "h", "--dsn", dsn, stdin="1\n2\n")
    assert (0, "1\n") == (done.returncode, done.stdout)
    assert "Job 1: 2 items in 1 batch." in done.stderr


def test_invalid_items_are_noted_and_the_rest_is_submitted(dsn: str, conn: Connection, tmp_path: Path) -> None:
    lines = [
        b'{"db":"P","id":"1"}',
        b'{"db":"P","id":',
        b"[1,2]",
        b'{"db":"P"}',
        b"null",
        b'{"db":"P","id":"6","t":"' + b"x" * 50 * MB + b'"}',
        b'{"db":"P","id":"7","t":"\xff"}',
        b'{"db":"P","id":"8","t":"\x00"}',
        b"",
        b'{"db":"P","id":"10"}',
        b'{"db":"P","id":"10"}',
        b'{"db":"P","id":"12"}',
    ]
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b"\n".join(lines))
    answer = submitted(dsn, str(path), "--key", "db,id", "--mode", "replace")
    assert (3, 8) == (answer["items"], answer["invalid"])
    assert ["P:1", "P:10", "P:12"] == [row[3] for row in stored(conn, answer["job_id"])]
    reasons = {
        2: "broken JSON",
        3: "an array is not an item",
        4: "'id' is missing",
        5: "null is not an item",
        6: "more than --max-item-bytes",
        7: "not valid UTF-8: byte 25 is 0xff",
        8: "NUL character",
        11: "--mode add",
    }
    found = notes(conn, answer["job_id"])
    assert {f"bad.jsonl:{line}" for line in reasons} == set(found)
    assert all(reason in found[f"bad.jsonl:{line}"] for line, reason in reasons.items())
    assert (8, 8) == conn.execute("SELECT invalid_count, note_count FROM evtrack.job").fetchone()


@pytest.mark.parametrize("text", ["null\n[]\n{\n", "", "\n \n"])
def test_a_source_without_a_valid_item_finishes_at_once(dsn: str, conn: Connection, text: str) -> None:
    answer = submitted(dsn, "-", stdin=text)
    assert (0, 0) == (answer["items"], answer["batches"])
    phase = conn.execute("SELECT phase, invalid_count FROM evtrack.job").fetchone()
    assert ("finished", text.strip().count("\n") + bool(text.strip())) == phase


def test_notes_are_capped_and_counted_in_full(dsn: str, conn: Connection) -> None:
    answer = submitted(dsn, "-", stdin="null\n" * 1_000)
    assert 1_000 == answer["invalid"]
    assert 100 == len(notes(conn, answer["job_id"]))
    assert (1_000, 1_000) == conn.execute("SELECT invalid_count, note_count FROM evtrack.job").fetchone()


def test_a_batch_never_spans_files(dsn: str, conn: Connection, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"id":1}\n{"id":2}\n{"id":3}\n')
    (tmp_path / "b.json").write_bytes(b'[{"id":4},{"id":5}]')
    answer = submitted(dsn, str(tmp_path), "--batch-size", "2")
    assert [("4", 1), ("5", 1), ("1", 2), ("2", 2), ("3", 3)] == [
        (key, batch) for _, batch, _, key, _ in stored(conn, answer["job_id"])
    ]


def test_the_weight_of_items_fills_a_batch(dsn: str, conn: Connection) -> None:
    items = [{"id": n, "d": list(range(n)), "a": [0]} for n in range(1, 6)]
    answer = submitted(
        dsn, "-", "--weight", "d,a", "--batch-size", "5", stdin="".join(json.dumps(item) + "\n" for item in items)
    )
    batches = [batch for _, batch, _, _, _ in stored(conn, answer["job_id"])]
    weights = conn.execute("SELECT weight FROM evtrack.batch ORDER BY batch_no").fetchall()
    assert ([1, 1, 2, 2, 3], [(5,), (9,), (6,)]) == (batches, weights)


def test_without_a_key_an_item_is_named_by_its_id_or_position(dsn: str, conn: Connection) -> None:
    answer = submitted(dsn, "-", stdin='{"id":7}\n{"x":1}\n"t"\n')
    assert ["7", "stdin:2", "stdin:3"] == [row[3] for row in stored(conn, answer["job_id"])]


def test_policy_priority_and_name_are_stored_in_the_job(dsn: str, conn: Connection) -> None:
    submitted(
        dsn, "-", "--priority", "5", "--name", "n", "--max-errors", "7", "--max-crashes", "1", "--backoff", "0.5",
        "--timeout", "9", stdin="1\n",
    )  # fmt: skip
    expected = (5, "n", {"max_errors": 7, "max_crashes": 1, "backoff_s": 0.5, "timeout_s": 9.0})
    assert expected == conn.execute("SELECT priority, name, policy FROM evtrack.job").fetchone()


def test_a_slow_input_is_submitted_before_it_ends(dsn: str, conn: Connection) -> None:

    with subprocess.Popen(
        evtrack_command("submit", "-", "--handler", "h", "--batch-size", "1", "--dsn", dsn),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=environment(),
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b'{"id":1}\n{"id":2}\nnull\n')
        process.stdin.flush()
        eventually(lambda: (1,) in conn.execute("SELECT item_count FROM evtrack.job").fetchall())
        process.stdin.close()
        assert 0 == process.wait(20)
    assert [(2, 1)] == conn.execute("SELECT item_count, invalid_count FROM evtrack.job").fetchall()


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["nothing.jsonl", "--handler", "h"], 1, "Cannot read the source 'nothing.jsonl'"),
        ([], 1, "No SOURCE given."),
        (["-"], 1, "No handler given."),
        (["-", "--handler", ""], 1, "invalid handler '': need 1 to 200 printable characters"),
        (["-", "--handler", "h" * 9000], 1, "need 1 to 200 printable characters"),
        (["-", "--handler", "\udcff"], 1, r"'\udcff' is not valid UTF-8"),
        (["-", "--handler", "h", "--key", f"{'k' * 9000},"], 2, "kkk… has an empty field name"),
        (["-", "--handler", "h", "--weight", "\x1b[2J,"], 2, r"'\x1b[2J,' has an empty field name"),
        (["-", "--handler", "h", "--timeout", "nan"], 2, "'--timeout': 'nan' is not a number above 0"),
        (["-", "--handler", "h", "--backoff", "inf"], 2, "'--backoff': 'inf' is not a number from 0 to"),
        (["-", "--handler", "h", "--max-batch-bytes", "536870913"], 1, "at most 536870912"),
        (["--resume", "9" * 30], 2, "--resume"),
        (["--resume", "99"], 1, "no such job: 99"),
        (["x.jsonl", "--resume", "1"], 1, "do not name a SOURCE"),
        (["-", "--handler", "h", "--key", "a,,b"], 2, "has an empty field name"),
        (["-", "--handler", "h", "--weight", "id"], 1, "weight: the field 'id' is read as the default key"),
        (["-", "--handler", "h", "--batch-size", "0"], 2, "--batch-size"),
        (["-", "--handler", "h", "--format", "lines", "--key", "a"], 1, "plain lines have no fields"),
        (["-", "--handler", "h", "--max-item-bytes", "9", "--max-batch-bytes", "8"], 1, "max_item_bytes (9)"),
    ],
)
def test_wrong_use_is_explained(dsn: str, args: Sequence[str], code: int, says: str) -> None:
    done = evtrack("submit", *args, "--dsn", dsn)
    assert code == done.returncode
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("form", ["console", "json"])
@pytest.mark.parametrize("failing", [False, True])
def test_ctrl_c_prints_how_to_resume(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, form: str, *, failing: bool
) -> None:

    def interrupt(_: Submitter) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            if failing:  # as the rollback of a statement that the signal broke off
                raise TransientError("the connection is lost")

    monkeypatch.setattr(Submitter, "run", interrupt)
    said = run("--log-format", form, "submit", __file__, "--format", "lines", "--handler", "h", code=130).stderr
    words = "Interrupted. Job 1 is still open. Continue with: evtrack submit --resume 1"
    if form == "json":
        line = json.loads(said)
        assert ("interrupted", "warning", words) == (line["event"], line["level"], line["message"])
    else:
        assert words == said.strip()


def test_the_submission_can_be_reported_as_json(dsn: str) -> None:
    done = evtrack("submit", "-", "--handler", "h", "--dsn", dsn, "--log-format", "json", stdin="1\n2\n")
    line = json.loads(done.stderr)
    assert ("1\n", "notice", "Job 1: 2 items in 1 batch.") == (done.stdout, line["event"], line["message"])


def test_a_cancelled_job_accepts_no_more_items(conn: Connection) -> None:

    def items() -> Iterator[int]:
        yield 1
        Client(conn).one("SELECT evtrack.cancel(%s)", submitter.job_id)
        yield 2

    submitter = begin(conn, source=IterableSource(items()), recipe=recipe(), spec=JobSpec(handler="h"), overlap=False)
    with pytest.raises(JobPhaseError, match="cancelled"):
        submitter.run()
