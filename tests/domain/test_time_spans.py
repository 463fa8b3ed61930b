"""Spans of time as users write them."""

import pytest

from evtrack.domain.time_spans import span_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90.0), (" 1.5m ", 90.0), ("24h", 86400.0), ("7d", 604800.0), ("90", None), ("h", None), ("1y", None)],
)
def test_a_span_has_a_unit(text: str, seconds: float | None) -> None:
    assert seconds == span_seconds(text)
