"""Format durations, counts, sizes and times for users."""

from datetime import UTC, datetime


def duration(seconds: float) -> str:
    """Format a duration.

    Args:
        seconds: The duration, at least 0.

    Returns:
        As `1d 2h 3m 4s`, without leading zeros; with fractions only below 10 seconds.
    """
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:  # noqa: PLR2004  a minute
        return f"{seconds:.1f}s" if seconds < 10 else f"{seconds:.0f}s"  # noqa: PLR2004  two digits are enough
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (rest, "s")]
    while parts[0][0] == 0:
        parts.pop(0)
    return " ".join(f"{number}{unit}" for number, unit in parts)


def window(seconds: float) -> str:
    """Format a span of time as users write it in options.

    Args:
        seconds: The span, above 0.

    Returns:
        As `90s`, `30m`, `24h` or `7d`, in the largest unit that divides it; up to three days in hours.
    """
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds % size == 0 and (unit != "d" or seconds > 3 * size):
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:g}s"


def moment(at: datetime) -> str:
    """Format a time in UTC.

    Args:
        at: An aware time.

    Returns:
        As `2026-11-24 21:05:00Z`.
    """
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def moment_ms(at: datetime) -> str:
    """Format a time in UTC, to the millisecond.

    Args:
        at: An aware time.

    Returns:
        As `2026-11-24 21:05:00.123Z`.
    """
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3] + "Z"


def count(number: float | None) -> str:
    """Format a number with separators between its thousands.

    Args:
        number: The number, or None if unknown.

    Returns:
        As `12,345`; a dash for None.
    """
    return "-" if number is None else f"{number:,}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Format a number with its noun.

    Args:
        number: How many.
        noun: The singular.
        plural: The plural; by default the singular with an s.

    Returns:
        As `1 batch` or `12,345 batches`.
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def percentage(percent: float | None) -> str:
    """Format a percentage.

    Args:
        percent: From 0 to 100, or None if unknown.

    Returns:
        As `45.2 %`; a dash for None.
    """
    return "-" if percent is None else f"{percent:.1f} %"


def rate_of(percent: float | None) -> str:
    """Format a rate that may be small.

    Args:
        percent: From 0 to 100, or None if unknown.

    Returns:
        As `0.25 %` or `45.2 %`; a dash for None.
    """
    if percent is None:
        return "-"
    return f"{percent:.2f} %" if percent < 10 else f"{percent:.1f} %"  # noqa: PLR2004  three digits are enough


def pace_of(pace: float | None) -> str:
    """Format a number of items per second.

    Args:
        pace: Items per second, or None if unknown.

    Returns:
        As `55.1 items/s`; empty for 0 and None.
    """
    if not pace:
        return ""
    return f"{pace:,.0f} items/s" if pace >= 100 else f"{pace:.1f} items/s"  # noqa: PLR2004  three digits are enough


def bytes_of(number: float) -> str:
    """Format a number of bytes.

    Args:
        number: How many.

    Returns:
        As `52 MB`, in powers of 1024.
    """
    size = float(number)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1024:  # noqa: PLR2004  the next unit
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} TB"
