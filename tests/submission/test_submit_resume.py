"""An interrupted submission is resumed: every item is submitted once, and no invalid one is counted twice."""

import gzip
import json
import os
import random
import signal
import subprocess
import tarfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from command_line import environment, evtrack, evtrack_command
from evtrack.domain.errors import JobPhaseError
from evtrack.runtime.submit.progress import SubmitProgress
from evtrack.runtime.submit.recipe import Recipe
from evtrack.runtime.submit.submission import JobSpec, begin, files, recipe, reclaim
from evtrack.storage.connection.connect import Connection, connect
from polling import eventually

LINES = 20_000


def corpus(path: Path, lines: int, *, seed: int = 7) -> tuple[list[str], int]:
    """Write items in runs of one key, invalid and empty lines in between; return the keys and the invalid count."""
    rng = random.Random(seed)
    keys: list[str] = []
    invalid = 0
    packed = path.suffix == ".gz"
    with gzip.open(path, "wt") if packed else path.open("w") as file:
        while len(keys) < lines:
            key = f"k{len(keys)}"
            for _ in range(rng.choice((1, 1, 1, 3))):
                file.write(f'{{"id":"{key}","n":{len(keys)},"t":"{"x" * rng.randrange(40)}"}}\n')
                keys.append(key)
            if rng.random() < 0.05:
                invalid += 1
                file.write(rng.choice(("null\n", "[]\n", '{"id":\n', '{"n":1}\n')))
            if rng.random() < 0.02:
                file.write("\n")
    return keys, invalid


def killed(args: list[str], conn: Connection, after: int, *, stdin: Path | None = None) -> int:
    """Run `evtrack submit` and kill it with -9 once this many items are committed; return the job."""
    with (
        (stdin or Path(os.devnull)).open() as given,
        subprocess.Popen(
            evtrack_command("submit", *args), env=environment(), stdin=given, stdout=subprocess.DEVNULL
        ) as process,
    ):
        eventually(
            lambda: conn.execute("SELECT 1 FROM evtrack.job WHERE item_count >= %s", [after]).fetchone(),
            60,
            every_s=0.002,
        )
        process.send_signal(signal.SIGKILL)
        assert -signal.SIGKILL == process.wait(10)
    row = conn.execute("SELECT job_id, phase FROM evtrack.job").fetchone()
    assert row is not None
    assert "open" == row[1], "it was killed too late to show anything"
    return int(row[0])


def check(conn: Connection, keys: list[str], invalid: int, size: int) -> None:
    """Hold what is stored against what was submitted."""
    stored = conn.execute("SELECT item_key, batch_no, payload FROM evtrack.payload ORDER BY ordinal").fetchall()
    assert keys == [key for key, _, _ in stored]
    assert list(range(len(keys))) == [json.loads(payload)["n"] for _, _, payload in stored]
    batches: dict[int, list[str]] = {}
    for key, batch, _ in stored:
        batches.setdefault(batch, []).append(key)
    assert list(range(1, len(batches) + 1)) == sorted(batches)
    assert all(size <= len(batches[batch]) for batch in range(1, len(batches)))
    assert all(batches[batch][-1] != batches[batch + 1][0] for batch in range(1, len(batches)))
    job = conn.execute("SELECT phase, item_count, invalid_count, note_count, batch_count FROM evtrack.job").fetchone()
    assert ("sealed", len(keys), invalid, invalid, len(batches)) == job


@pytest.mark.integration
@pytest.mark.crash
@pytest.mark.parametrize("form", ["jsonl", "jsonl.gz", "stdin"])
def test_every_item_is_submitted_once_after_sigkill(dsn: str, conn: Connection, tmp_path: Path, form: str) -> None:
    path = tmp_path / ("a.jsonl" if form == "stdin" else f"a.{form}")
    keys, invalid = corpus(path, LINES)
    stdin = path if form == "stdin" else None
    options = ["--handler", "h", "--key", "id", "--batch-size", "3", "--dsn", dsn]
    # Room for a few chunks only, so that it cannot be done before it is killed.
    job = killed(
        ["-" if stdin else str(path), *options, "--max-pending", "2000", "--max-wait", "60"], conn, 1_000, stdin=stdin
    )
    before = conn.execute("SELECT item_count FROM evtrack.job").fetchone()
    assert before is not None
    assert 1_000 <= before[0] < LINES
    again = stdin.read_text() if stdin else None
    done = evtrack("submit", "--resume", str(job), "--json", "--dsn", dsn, stdin=again)
    assert 0 == done.returncode, done.stderr
    assert (len(keys), invalid) == (json.loads(done.stdout)["items"], json.loads(done.stdout)["invalid"])
    check(conn, keys, invalid, 3)


@pytest.mark.integration
@pytest.mark.crash
@pytest.mark.slow
def test_two_hundred_thousand_lines_survive_three_kills(dsn: str, conn: Connection, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    keys, invalid = corpus(path, 200_000)
    options = ["--key", "id", "--batch-size", "5", "--dsn", dsn]
    job = killed([str(path), "--handler", "h", *options], conn, 20_000)
    for after in (70_000, 120_000):
        killed(["--resume", str(job), "--dsn", dsn], conn, after)
    done = evtrack("submit", "--resume", str(job), "--dsn", dsn)
    assert 0 == done.returncode, done.stderr
    check(conn, keys, invalid, 5)


class _Stop(Exception):
    """Ends a submission from within."""


def interrupted(conn: Connection, path: Path, made: Recipe, told: Callable[[SubmitProgress], None]) -> int:
    """Submit until `told` raises; return the job."""
    submitter = begin(
        conn, source=files([str(path)], made), recipe=made, spec=JobSpec(handler="h"), on_progress=told, overlap=False
    )
    with pytest.raises(_Stop):
        submitter.run()
    return submitter.job_id


@pytest.mark.integration
@pytest.mark.parametrize("mode", ["add", "replace"])
def test_a_submission_can_resume_after_every_chunk(
    dsn: str, conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr("evtrack.runtime.submit.submitter._REPORT_EVERY_S", 0.0)
    monkeypatch.setattr("evtrack.sources.byte_streams.BLOCK_BYTES", 300)
    monkeypatch.setattr("evtrack.runtime.submit.submitter.CHUNK_BATCHES", 1)
    path = tmp_path / "a.jsonl"
    keys, invalid = corpus(path, 120)
    made = recipe(key=("id",), batch_size=3, mode=mode)
    if mode == "replace":
        repeats = sum(left == right for left, right in pairwise(keys))
        keys, invalid = sorted(set(keys), key=keys.index), invalid + repeats

    def stop_at(look: int) -> Callable[[SubmitProgress], None]:
        looks = iter(range(1, look))

        def told(_: SubmitProgress) -> None:
            if next(looks, None) is None:
                raise _Stop

        return told

    with connect(dsn, purpose="first") as first:
        job = interrupted(first, path, made, stop_at(1))
    steps = 0
    while True:
        with connect(dsn, purpose="next") as other:
            steps += 1
            assert steps < 200
            try:
                reclaim(other, job, on_progress=stop_at(2 + steps % 3), overlap=False).run()
            except _Stop:
                continue
            except JobPhaseError:  # the last look was the one after the end
                pass
            break
    assert steps > 5
    stored = conn.execute("SELECT item_key FROM evtrack.payload ORDER BY ordinal").fetchall()
    assert keys == [key for (key,) in stored]
    assert ("sealed", len(keys), invalid) == conn.execute(
        "SELECT phase, item_count, invalid_count FROM evtrack.job"
    ).fetchone()


@pytest.mark.integration
@pytest.mark.crash
def test_a_different_standard_input_is_not_resumed(dsn: str, conn: Connection, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    corpus(path, LINES)
    job = killed(
        ["-", "--handler", "h", "--max-pending", "40", "--batch-size", "20", "--dsn", dsn], conn, 100, stdin=path
    )
    corpus(path, LINES, seed=8)
    done = evtrack("submit", "--resume", str(job), "--dsn", dsn, stdin=path.read_text())
    assert 1 == done.returncode
    assert "its first bytes differ" in done.stderr
    done = evtrack("submit", "--resume", str(job), "--dsn", dsn, stdin="")
    assert "it ends at byte 0" in done.stderr


@pytest.mark.integration
@pytest.mark.crash
def test_ctrl_c_prints_how_to_resume(dsn: str, conn: Connection, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    keys, invalid = corpus(path, LINES)
    process = subprocess.Popen(
        evtrack_command(
            "submit",
            str(path),
            "--handler",
            "h",
            "--key",
            "id",
            "--batch-size",
            "3",
            "--max-pending",
            "600",
            "--dsn",
            dsn,
        ),
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually(lambda: conn.execute("SELECT 1 FROM evtrack.job WHERE item_count > 300").fetchone(), 60)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert 130 == process.returncode, said
    assert "evtrack submit --resume 1" in said
    assert "Traceback" not in said
    done = evtrack("submit", "--resume", "1", "--dsn", dsn)
    assert 0 == done.returncode, done.stderr
    check(conn, keys, invalid, 3)


@pytest.mark.integration
def test_a_directory_of_all_formats_can_be_resumed_in_any_file(
    dsn: str, conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evtrack.runtime.submit.submitter._REPORT_EVERY_S", 0.0)
    monkeypatch.setattr("evtrack.sources.byte_streams.BLOCK_BYTES", 64)
    monkeypatch.setattr("evtrack.runtime.submit.submitter.CHUNK_BATCHES", 1)
    for number, name in enumerate(("a.jsonl", "b.jsonl.gz", "in.jsonl")):
        corpus(tmp_path / name, 20, seed=number)
    elements = [f'{{"id": "e{n}",\n "x": [{n}]}}' for n in range(12)]
    (tmp_path / "c.json").write_text("[" + ", ".join([*elements, "null", '{"id": "last"}']) + "]")
    (tmp_path / "d.json").write_text('{"id": "single"}')
    (tmp_path / "e.csv").write_text("id,n\n" + "".join(f'r{n},"{n}\n{n}"\n' for n in range(12)) + "short\n")
    with tarfile.open(tmp_path / "t.tgz", "w:gz") as archive:
        for name in ("in.jsonl", "c.json"):
            archive.add(tmp_path / name, name)
    made = recipe(key=("id",), batch_size=3)

    def items(job_id: int) -> list[tuple[object, ...]]:
        return conn.execute(
            "SELECT ordinal, batch_no, line, item_key, payload FROM evtrack.payload WHERE job_id = %s ORDER BY ordinal",
            [job_id],
        ).fetchall()

    def notes(job_id: int) -> list[tuple[object, ...]]:
        return conn.execute(
            "SELECT n ->> 'source', n ->> 'reason' FROM evtrack.event, jsonb_array_elements(data -> 'notes') AS n"
            " WHERE job_id = %s AND type = 'noted' ORDER BY seq",
            [job_id],
        ).fetchall()

    def told(now: SubmitProgress) -> None:
        # Every few batches: each submission gets a little further than the one before it.
        if seen[0] + 2 <= now.batches < whole.batches:
            seen[0] = now.batches
            raise _Stop

    with connect(dsn, purpose="whole") as other:
        whole = begin(other, source=files([str(tmp_path)], made), recipe=made, spec=JobSpec(handler="h")).run()
    seen = [0]
    with connect(dsn, purpose="first") as first:
        job = interrupted(first, tmp_path, made, told)
    steps = 0
    while True:
        steps += 1
        assert steps < 200
        with connect(dsn, purpose="next") as other:
            try:
                done = reclaim(other, job, on_progress=told, overlap=False).run()
            except _Stop:
                continue
            break
    assert steps > 8
    assert (whole.items, whole.invalid, whole.batches) == (done.items, done.invalid, done.batches)
    assert items(whole.job_id) == items(job)
    assert notes(whole.job_id) == notes(job)
