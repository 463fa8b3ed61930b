"""An archive is checked against its contents, and what is missing is reported; without a database."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from evtrack.domain.errors import ArchiveError
from evtrack.interfaces.cli import cli
from evtrack.runtime.retention.archive_files import hash_file, write_lines
from evtrack.runtime.retention.manifest import ArchivedFile, ArchivedJob, Manifest, read_manifest

JOB = ArchivedJob(
    job_id=7,
    name=None,
    handler="h",
    phase="finished",
    batches={"completed": 1},
    items={"completed": 2},
    invalid=0,
    created_at="2026-11-19T10:00:00+00:00",
    ended_at="2026-11-19T11:00:00+00:00",
    events=5,
    digest="00" * 32,
)


def manifest(folder: Path, *jobs: ArchivedJob) -> Manifest:
    """Make a directory with an empty file of events, and return it."""
    folder.mkdir(parents=True)
    file = folder / "events.jsonl.gz"
    lines = write_lines(file, [])
    size, digest = hash_file(file)
    return Manifest(
        day=folder.name,
        made_at="2026-11-26T10:00:00+00:00",
        evtrack="0.1.0",
        schema_version=7,
        server_version=150000,
        system_identifier="1",
        database="d",
        snapshot="1:1:",
        files=(ArchivedFile(table="events", name=file.name, lines=lines, bytes=size, sha256=digest),),
        jobs=jobs,
    )


def archived(folder: Path) -> Path:
    """Make an archive of a day without jobs."""
    said = manifest(folder)
    (folder / "manifest.json").write_bytes(said.dump())
    return folder


def verify(folder: Path | str, *args: str) -> Result:
    """Run `evtrack archive verify`."""
    return CliRunner().invoke(cli, ["archive", "verify", str(folder), *args], catch_exceptions=False)


def test_a_day_without_its_manifest_is_reported_as_missing(tmp_path: Path) -> None:
    good, bare = archived(tmp_path / "2026-11-18"), archived(tmp_path / "2026-11-19")
    empty, other = tmp_path / "2026-11-20", tmp_path / "notes"
    empty.mkdir()
    other.mkdir()
    (tmp_path / ".2026-11-21.partial").mkdir()
    assert 2 == verify(tmp_path).exit_code
    empty.rmdir()
    assert 0 == verify(tmp_path).exit_code
    (bare / "manifest.json").unlink()
    for folder in (tmp_path, bare):
        said = verify(folder)
        assert 2 == said.exit_code
        assert f"{bare}: differs\n  manifest.json is missing, so events.jsonl.gz cannot be verified\n" in said.output
    assert f"{good}: ok" in verify(tmp_path).output
    (row,) = (each for each in json.loads(verify(tmp_path, "--json").output) if each["differences"])
    assert (str(bare), None) == (row["archive"], row["day"])


def test_a_day_in_the_directory_of_another_day_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = archived(tmp_path / "2026-11-18")
    assert 0 == verify(day.rename(tmp_path / "a-copy-of-2026-11-18")).exit_code
    other = (tmp_path / "a-copy-of-2026-11-18").rename(tmp_path / "2026-11-19")
    monkeypatch.chdir(other)
    for folder in (tmp_path, other, "."):
        said = verify(folder)
        assert 2 == said.exit_code
        assert "the directory is named 2026-11-19, but the manifest is of 2026-11-18: rename it back" in said.output


def test_a_directory_without_an_archive_is_reported(tmp_path: Path) -> None:
    said = verify(tmp_path)
    assert (1, True) == (said.exit_code, "contains no archive" in said.output)


def _set(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        place: Any = content
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_set("colour", to="red"), "colour: Extra inputs are not permitted"),
        (_set("jobs", 0, "colour", to=1), r"jobs\[0\]\.colour: Extra inputs are not permitted"),
        (_set("files", 0, "colour", to=1), r"files\[0\]\.colour: Extra inputs are not permitted"),
        (lambda content: content.pop("day"), "day: Field required"),
        (_set("day", to=5), "day: Input should be a valid string, not 5"),
        (_set("day", to="yesterday"), "day must be a date like 2026-11-24, not 'yesterday'"),
        (_set("files", to={}), "files: Input should be a valid tuple"),
        (_set("files", 0, to="events"), r"files\[0\]: Input should be a valid dictionary"),
        (_set("files", 0, "lines", to="many"), r"files\[0\]\.lines: Input should be a valid integer, not 'many'"),
        (
            _set("files", 0, "table", to="people"),
            r"files\[0\]\.table: Input should be 'events', 'payloads'",
        ),
        (_set("files", 0, "name", to="../events.jsonl.gz"), r"files\[0\]: the name must be events\.jsonl\.gz"),
        (_set("jobs", 0, "events", to=True), r"jobs\[0\]\.events: Input should be a valid integer, not True"),
        (
            _set("jobs", 0, "items", to={"done": -1}),
            r"jobs\[0\]\.items\.done: Input should be greater than",
        ),
        (_set("jobs", 0, "workers", to={"1": 1}), r"jobs\[0\]\.workers\.1: Input should be a valid string"),
        (_set("jobs", 0, "name", to=[]), r"jobs\[0\]\.name: Input should be a valid string"),
        (_set("jobs", 0, "name", to="\ud800"), r"jobs\[0\]\.name: not valid UTF-8"),
        (lambda content: content["jobs"].append(content["jobs"][0]), "jobs lists a job twice"),
        (_set("format", to=True), "format: Input should be a valid integer"),
    ],
)
def test_a_handwritten_manifest_is_refused_by_file_and_field(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], told: str
) -> None:
    folder = tmp_path / "2026-11-19"
    content = json.loads(manifest(folder, JOB).dump())
    del content["sha256"]
    change(content)
    text = json.dumps(content, sort_keys=True, ensure_ascii=False).encode(errors="surrogatepass")
    path = folder / "manifest.json"
    path.write_text(json.dumps({**content, "sha256": sha256(text).hexdigest()}))
    with pytest.raises(ArchiveError, match=told) as caught:
        read_manifest(folder)
    assert str(path) in caught.value.message
    assert caught.value.hint
    said = verify(folder)
    assert (2, True) == (said.exit_code, caught.value.message in said.output)


@pytest.mark.parametrize("text", [b"", b"\xff", b"[" * 100_000, b"[]", b'{"format": 1}', b'{"format": ' + b"9" * 5000])
def test_an_invalid_manifest_is_reported(tmp_path: Path, text: bytes) -> None:
    folder = archived(tmp_path / "2026-11-19")
    (folder / "manifest.json").write_bytes(text)
    with pytest.raises(ArchiveError, match=r"manifest\.json is "):
        read_manifest(folder)


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["cleanup", "--older-than", "99999999d"], "must be at most 365000d"),
        (["cleanup", "--older-than", "7d", "--archive", ""], "use . for the current directory"),
        (["archive", "verify", ""], "use . for the current directory"),
        (["archive", "restore", ""], "use . for the current directory"),
    ],
)
def test_contradictory_options_are_wrong_usage(args: list[str], told: str) -> None:
    said = CliRunner().invoke(cli, args, catch_exceptions=False)
    assert (2, True) == (said.exit_code, told in " ".join(said.output.split())), said.output
