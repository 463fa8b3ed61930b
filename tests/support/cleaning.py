"""Running a cleanup in the process of a test, and what it came to."""

from pathlib import Path

from client import Client
from evtrack.runtime.retention.cleanup import Cleanup
from evtrack.runtime.retention.cleanup_result import DroppedDay, KeptDay


def clean(client: Client, archive: Path | None = None, **options: object) -> list[DroppedDay | KeptDay]:
    """Run a cleanup of all that has ended."""
    wanted = {"older_than_s": 0.0, "patience_s": 0.0, **options}
    return list(Cleanup(conn=client.conn, archive=archive, **wanted).run())  # type: ignore[arg-type]


def kept(done: list[DroppedDay | KeptDay]) -> list[tuple[object, str, int | None]]:
    """Return day, reason and job of the days that stayed; all did."""
    assert all(isinstance(day, KeptDay) for day in done), done
    return [(day.day, day.why, day.job_id) for day in done if isinstance(day, KeptDay)]
