"""Says in lines what a cleanup did, or would do."""

from collections.abc import Iterator, Sequence

from evtrack.domain.text import printable
from evtrack.interfaces.terminal.text import bytes_of, counted
from evtrack.runtime.retention.cleanup_result import DroppedDay, KeptDay
from evtrack.storage.retention.cleanup import Day


def plan_lines(going: Sequence[Day], staying: Sequence[KeptDay]) -> Iterator[str]:
    """Say what a cleanup would do.

    Args:
        going: The days that would go.
        staying: Those that would stay.

    Yields:
        A line a day, as the cleanup would say it, and a sum.
    """
    lines = {day.job_day: f"{day.job_day}: would go, {_held([day])}" for day in going}
    lines |= {kept.day: kept_line(kept) for kept in staying}
    yield from (lines[day] for day in sorted(lines))
    stays = f"{counted(len(staying), 'older day')} kept"
    if going:
        yield f"Would drop {counted(len(going), 'day')}: {_held(going)}; {stays}."
    else:
        yield f"Nothing to drop; {stays}."


def day_line(day: DroppedDay) -> str:
    """Say that a day is gone.

    Args:
        day: The day.
    """
    to = f", archived to {printable(day.archive)}" if day.archive else ""
    return f"{day.day}: dropped, {_held([day])}{to}"


def kept_line(day: KeptDay) -> str:
    """Say that a day stays, and why.

    Args:
        day: The day.
    """
    return f"{day.day}: kept, {printable(day.reason)}"


def summary(dropped: Sequence[DroppedDay], kept: Sequence[KeptDay]) -> str:
    """Sum up a cleanup in one line.

    Args:
        dropped: The days that went.
        kept: Those that stayed.
    """
    stays = f"{counted(len(kept), 'older day')} kept"
    if not dropped:
        return f"Nothing to drop; {stays}."
    return f"Dropped {counted(len(dropped), 'day')}: {_held(dropped)}; {stays}."


def _held(days: Sequence[Day] | Sequence[DroppedDay]) -> str:
    parts = (
        counted(sum(day.jobs for day in days), "job"),
        counted(sum(day.batches for day in days), "batch", "batches"),
        counted(sum(day.events or 0 for day in days), "event"),
        bytes_of(sum(day.bytes for day in days)),
    )
    return ", ".join(parts)
