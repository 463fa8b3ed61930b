"""An archive that cannot be unpacked ends a submission with one line, and leaves room on the disk."""

import errno
import io
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from command_line import evtrack
from evtrack.domain.errors import SourceNotFound
from evtrack.sources import archive
from evtrack.sources.archive import archive_parts


class Usage(NamedTuple):
    """What shutil.disk_usage returns."""

    total: int
    used: int
    free: int


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A compressed archive of one file."""
    path = tmp_path / "a.tgz"
    data = b'{"id": 1}\n' * 5000
    with tarfile.open(path, "w:gz") as file:
        info = tarfile.TarInfo("a.jsonl")
        info.size = len(data)
        file.addfile(info, io.BytesIO(data))
    return path


def parts(path: Path) -> list[Any]:
    """List the files of an archive."""
    return list(archive_parts(path, prefix="", compressed=True, forced=None, bytes_before=0, max_item_bytes=1000))


@pytest.mark.integration
def test_no_temporary_directory_is_one_line_with_the_jobs_number(dsn: str, packed: Path) -> None:
    # /proc is writable for nobody, and Python tries no other directory once TMPDIR is set and usable.
    env = {"PYTHONPATH": str(packed.parent)}
    (packed.parent / "sitecustomize.py").write_text(
        "import tempfile\ntempfile._candidate_tempdir_list = lambda: ['/proc/no/such']\n"
    )
    done = evtrack("submit", str(packed), "--handler", "h", "--dsn", dsn, env=env)
    assert 1 == done.returncode
    assert "Traceback" not in done.stderr
    assert "it cannot be unpacked into" in done.stderr
    assert "evtrack submit --resume 1" in done.stderr
    assert len(done.stderr.splitlines()) <= 3
    assert 0 == evtrack("submit", "--resume", "1", "--dsn", dsn).returncode


def test_a_full_disk_is_reported(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full())
    with pytest.raises(SourceNotFound, match=r"cannot be unpacked into .*: No space left on device") as refused:
        parts(packed)
    assert "TMPDIR" in refused.value.hint


def test_some_of_the_disk_stays_free(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_CHECK_EVERY_BYTES", 100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 << 20, 89 << 20, 11 << 20))
    assert 1 == len(parts(packed))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 << 20, 91 << 20, 9 << 20))
    with pytest.raises(SourceNotFound, match="the disk has only 9 MiB left"):
        parts(packed)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 << 40, 99 << 40, 1 << 40))
    assert 1 == len(parts(packed))
