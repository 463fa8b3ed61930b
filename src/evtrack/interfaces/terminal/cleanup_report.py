"""Says in lines what a cleanup did, or would do."""

from collections.abc import Iterator, Sequence

from evtrack.domain.text import plain
from evtrack.interfaces.terminal.text import bytes_of, counted
from evtrack.runtime.retention.outcome import Dropped, Kept
from evtrack.storage.retention import Day


def plan_lines(going: Sequence[Day], staying: Sequence[Kept]) -> Iterator[str]:
    """Say what a cleanup would do.

    Args:
        going: The days that would go.
        staying: Those that would stay.

    Yields:
        A line a day, and a sum.
    """
    for day in going:
        what = f"{counted(day.jobs, 'job')}, {counted(day.batches, 'batch', 'batches')}"
        yield f"{day.job_day}: would go, {what}, {bytes_of(day.bytes)}"
    for kept in staying:
        yield kept_line(kept)
    if going:
        jobs, size = sum(day.jobs for day in going), sum(day.bytes for day in going)
        yield f"Would drop {counted(len(going), 'day')}: {counted(jobs, 'job')}, {bytes_of(size)}; keep {len(staying)}."
    else:
        yield f"Nothing to drop; {counted(len(staying), 'older day')} kept."


def day_line(day: Dropped) -> str:
    """Say that a day is gone.

    Args:
        day: The day.
    """
    to = f", archived to {plain(day.archive)}" if day.archive else ""
    return f"{day.day}: dropped, {_held(day)}{to}"


def kept_line(day: Kept) -> str:
    """Say that a day stays, and why.

    Args:
        day: The day.
    """
    return f"{day.day}: kept, {plain(day.reason)}"


def summary(dropped: Sequence[Dropped], kept: Sequence[Kept]) -> str:
    """Sum up a cleanup in one line.

    Args:
        dropped: The days that went.
        kept: Those that stayed.
    """
    stays = f"{counted(len(kept), 'older day')} kept"
    if not dropped:
        return f"Nothing to drop; {stays}."
    total = Dropped(
        day=dropped[0].day,
        jobs=sum(day.jobs for day in dropped),
        batches=sum(day.batches for day in dropped),
        events=sum(day.events for day in dropped),
        bytes=sum(day.bytes for day in dropped),
        archive=None,
    )
    return f"Dropped {counted(len(dropped), 'day')}: {_held(total)}; {stays}."


def _held(day: Dropped) -> str:
    parts = (
        counted(day.jobs, "job"),
        counted(day.batches, "batch", "batches"),
        counted(day.events, "event"),
        bytes_of(day.bytes),
    )
    return ", ".join(parts)
