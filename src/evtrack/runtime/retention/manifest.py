"""The manifest of an archived day: its origin, its files, and the digests that prove them."""

from __future__ import annotations

import json
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError, model_validator

from evtrack.domain.errors import ArchiveError
from evtrack.domain.text import printable, quoted

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
Table = Literal["events", "payloads", "results"]
TABLES: Final[tuple[Table, ...]] = get_args(Table)

_RESTORE_IT: Final = "Restore it from a copy."
_SHOWN: Final = 60  # characters of an invalid value that a message shows


def _encodable(text: str) -> str:
    # JSON can escape half of a surrogate pair, which is not text.
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("not valid UTF-8")
    return text


Text = Annotated[str, AfterValidator(_encodable)]
Counts = dict[Text, NonNegativeInt]


def file_name(table: str) -> str:
    """Return the name of a table's file.

    Args:
        table: events, payloads or results.
    """
    return f"{table}.jsonl.gz"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class ArchivedFile(_Record):
    """One file of an archive.

    Args:
        table: Its content: events, payloads or results.
        name: Its name in the directory.
        lines: How many lines of JSON.
        bytes: Its size, compressed.
        sha256: The hash of its bytes, in hexadecimal digits.
    """

    table: Table
    name: Text
    lines: NonNegativeInt
    bytes: NonNegativeInt
    sha256: Text

    @model_validator(mode="after")
    def _is_named_for_its_table(self) -> Self:
        # A name with a directory in it would point outside the archive.
        if self.name != file_name(self.table):
            raise ValueError(f"the name must be {file_name(self.table)}")
        return self


class ArchivedJob(_Record):
    """One job of an archive; batches and items are counts by status, workers are names by number."""

    job_id: NonNegativeInt
    name: Text | None
    handler: Text
    phase: Text
    batches: Counts
    items: Counts
    invalid: NonNegativeInt
    created_at: Text
    ended_at: Text
    events: NonNegativeInt
    digest: Text
    workers: dict[Text, Text] = Field(default_factory=dict)


class Manifest(_Record):
    """The manifest of an archive.

    Args:
        day: The day, as 2026-11-24.
        made_at: When it was written.
        evtrack: The version of evtrack that wrote it.
        schema_version: The schema's version that evtrack knew.
        server_version: PostgreSQL's version number.
        system_identifier: The cluster that the day comes from.
        snapshot: The transactions that the archive contains.
        jobs: Its jobs by number.
        format: The format's version.
    """

    day: Text
    made_at: Text
    evtrack: Text
    schema_version: NonNegativeInt
    server_version: NonNegativeInt
    system_identifier: Text
    database: Text
    snapshot: Text
    # JSON has lists only.
    files: Annotated[tuple[ArchivedFile, ...], Field(strict=False)]
    jobs: Annotated[tuple[ArchivedJob, ...], Field(strict=False)]
    format: NonNegativeInt = FORMAT

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        try:
            date.fromisoformat(self.day)
        except ValueError:
            raise ValueError(f"day must be a date like 2026-11-24, not {quoted(self.day, _SHOWN)}") from None
        if len(self.tables) != len(self.files):
            raise ValueError("files lists a table twice")
        if len(self.digests) != len(self.jobs):
            raise ValueError("jobs lists a job twice")
        return self

    def file(self, table: str) -> ArchivedFile | None:
        """Return a table's file, or None if the table was not archived."""
        return next((each for each in self.files if each.table == table), None)

    @property
    def tables(self) -> frozenset[str]:
        """The archived tables."""
        return frozenset(each.table for each in self.files)

    @property
    def digests(self) -> dict[int, str]:
        """The digest of each job by its number."""
        return {job.job_id: job.digest for job in self.jobs}

    def dump(self) -> bytes:
        """Serialize it to JSON, with its own hash at the end."""
        content = self.model_dump(mode="json")
        return (json.dumps({**content, "sha256": _hash(content)}, indent=1, ensure_ascii=False) + "\n").encode()


def read_manifest(directory: Path) -> Manifest:
    """Read and check an archive's manifest.

    Args:
        directory: The archive.

    Returns:
        The manifest.

    Raises:
        ArchiveError: It is missing, damaged, not evtrack's, or of a format that this evtrack does not know.
    """
    path = directory / MANIFEST
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise ArchiveError(f"Cannot read {path}: {error.strerror}.", hint="Is this an archive of evtrack?") from None
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"{path} is damaged: {error}", hint=_RESTORE_IT) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        form = content.get("format") if isinstance(content, dict) else None
        raise ArchiveError(f"{path} is of format {quoted(form, _SHOWN)}; this evtrack reads format {FORMAT}.")
    recorded = content.pop("sha256", None)
    if recorded != _hash(content):
        raise ArchiveError(f"{path} is damaged: its hash does not match its content.", hint=_RESTORE_IT)
    # A matching hash proves that nothing changed, not that evtrack wrote it.
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        raise ArchiveError(f"{path} is not an evtrack manifest: {_first(error)}.", hint=_RESTORE_IT) from None


def _first(error: ValidationError) -> str:
    """Describe the first invalid field: where it is, what is wrong, and its value where that is short."""
    found = error.errors(include_url=False, include_context=False)[0]
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in found["loc"])
    where = printable("".join(steps).removeprefix("."))
    what = found["msg"].removeprefix("Value error, ")
    got = f", not {quoted(found['input'], _SHOWN)}" if isinstance(found["input"], str | int | float) else ""
    return f"{where}: {what}{got}" if where else what


def _hash(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return sha256(text.encode(errors="surrogatepass")).hexdigest()
