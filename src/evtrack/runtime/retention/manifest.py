"""What an archive of a day says of itself: where it comes from, what it holds, and the digests that prove it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from evtrack.domain.errors import ArchiveError
from evtrack.domain.text import quoted
from evtrack.runtime.retention.record import SHOWN, record

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
TABLES: Final = ("events", "payloads", "results")

_BRING_BACK: Final = "Bring it back from a copy."


def file_name(table: str) -> str:
    """Return the name of the file that holds a table.

    Args:
        table: events, payloads or results.
    """
    return f"{table}.jsonl.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFile:
    """One file of an archive.

    Args:
        table: What it holds: events, payloads or results.
        name: Its name in the folder.
        lines: How many lines of JSON.
        bytes: Its size, compressed.
        sha256: The hash of its bytes, in hexadecimal digits.
    """

    table: str
    name: str
    lines: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedJob:
    """One job of an archive; batches and items are counts by status, workers are names by number."""

    job_id: int
    name: str | None
    handler: str
    phase: str
    batches: dict[str, int]
    items: dict[str, int]
    invalid: int
    created_at: str
    ended_at: str
    events: int
    digest: str
    workers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an archive says of itself.

    Args:
        day: The day, as 2026-11-24.
        made_at: When it was written.
        evtrack: The version of evtrack that wrote it.
        schema_version: The schema's version that evtrack knew.
        server_version: PostgreSQL's version number.
        system_identifier: The cluster that the day comes from.
        database: The database in it.
        snapshot: Which transactions the archive has seen.
        files: Its files.
        jobs: Its jobs by number.
        format: The form of this.
    """

    day: str
    made_at: str
    evtrack: str
    schema_version: int
    server_version: int
    system_identifier: str
    database: str
    snapshot: str
    files: tuple[ArchivedFile, ...]
    jobs: tuple[ArchivedJob, ...]
    format: int = FORMAT

    def file(self, table: str) -> ArchivedFile | None:
        """Return the file that holds a table, or None if it was not archived."""
        return next((each for each in self.files if each.table == table), None)

    @property
    def tables(self) -> frozenset[str]:
        """The tables that it holds."""
        return frozenset(each.table for each in self.files)

    @property
    def digests(self) -> dict[int, str]:
        """The digest of each job by its number."""
        return {job.job_id: job.digest for job in self.jobs}

    def dump(self) -> bytes:
        """Write it as JSON, with its own hash at the end."""
        content = asdict(self)
        return (json.dumps({**content, "sha256": _hash(content)}, indent=1, ensure_ascii=False) + "\n").encode()


def read_manifest(folder: Path) -> Manifest:
    """Read and check an archive's manifest.

    Args:
        folder: The archive.

    Returns:
        What it says.

    Raises:
        ArchiveError: There is none, it is damaged, or of a form that this evtrack does not know.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror}.", hint="Is this an archive of evtrack?") from None
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"{path} is damaged: {error}", hint=_BRING_BACK) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        form = content.get("format") if isinstance(content, dict) else None
        raise ArchiveError(f"{path} is of the form {quoted(form, SHOWN)}, and this evtrack reads form {FORMAT}.")
    told = content.pop("sha256", None)
    if told != _hash(content):
        raise ArchiveError(f"{path} is damaged: it does not fit its own hash.", hint=_BRING_BACK)
    try:
        return _manifest(content)
    except ValueError as error:
        raise ArchiveError(f"{path} is none that evtrack has written: {error}.", hint=_BRING_BACK) from None


def _manifest(content: dict[str, Any]) -> Manifest:
    """Make it of what was parsed; a hash proves that nothing was changed, not that evtrack wrote it."""
    files = tuple(record(ArchivedFile, each, f"files[{n}].") for n, each in enumerate(_list(content, "files")))
    jobs = tuple(record(ArchivedJob, each, f"jobs[{n}].") for n, each in enumerate(_list(content, "jobs")))
    manifest = record(Manifest, content, files=files, jobs=jobs)
    try:
        date.fromisoformat(manifest.day)
    except ValueError:
        raise ValueError(f"the field day must be a day like 2026-11-24, not {quoted(manifest.day, SHOWN)}") from None
    for number, file in enumerate(files):
        if file.table not in TABLES or file.table in {other.table for other in files[:number]}:
            raise ValueError(f"the field files[{number}].table must be one of {', '.join(TABLES)}, each once")
        # A name with a folder in it would lead out of the archive.
        if file.name != file_name(file.table):
            raise ValueError(
                f"the field files[{number}].name must be {file_name(file.table)}, not {quoted(file.name, SHOWN)}"
            )
    if len(manifest.digests) != len(jobs):
        raise ValueError("the field jobs names a job twice")
    return manifest


def _list(content: dict[str, Any], name: str) -> list[Any]:
    found = content.get(name)
    if not isinstance(found, list):
        raise ValueError(f"the field {name} must be a list, not {quoted(found, SHOWN)}")  # noqa: TRY004  caught with the others
    return found


def _hash(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return sha256(text.encode(errors="surrogatepass")).hexdigest()
