"""Writes an event, or a job's progress, on one line."""

import json
from datetime import UTC

from evtrack.domain.text import printable
from evtrack.interfaces.terminal.text import count, counted, duration, pace_of, percentage
from evtrack.storage.log.reader import LogRow
from evtrack.storage.reports.job_reports import JobProgress

# Of an event's data; long texts stand in --json.
_DATA_LIMIT = 160


def event_line(row: LogRow) -> str:
    """Write one event on one line.

    Args:
        row: The event.

    Returns:
        When, where, what, by whom, and the beginning of its data.
    """
    stream = f"batch {row.batch_no}" if row.batch_no else "job"
    by = f" by worker {row.worker_id}" if row.worker_id is not None else ""
    attempt = f" (attempt {row.attempt})" if row.attempt else ""
    data = printable(" ".join(f"{key}={_value(value)}" for key, value in row.data.items()), _DATA_LIMIT)
    at = f"{row.at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]
    return f"{at}Z  {stream:<10} v{row.version:<3} {row.type}{attempt}{by}  {data}".rstrip()


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def progress_line(progress: JobProgress) -> str:
    """Write a job's progress on one line."""
    numbers = f"{count(progress.ended)} of {counted(progress.total, 'item')}"
    bad = f"{progress.failed} failed, {progress.crashed} crashed, {progress.invalid} invalid"
    if progress.cancelled:
        bad += f", {progress.cancelled} cancelled"
    left = f", {duration(progress.remaining_s)} left" if progress.remaining_s is not None else ""
    pace = f", {pace_of(progress.pace)}" if progress.pace else ""
    phase = f"{progress.phase}, suspended" if progress.suspended else progress.phase
    return f"job {progress.job_id} {phase}: {percentage(progress.percent)} ({numbers}; {bad}){pace}{left}"
