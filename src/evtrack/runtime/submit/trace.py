"""The trace in which a job is submitted, kept with the job so that its batches' spans lead back to it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def traced(policy: Mapping[str, Any]) -> dict[str, Any]:
    """Add the present trace to a job's policy.

    Args:
        policy: The policy; a `traceparent` that it names already stays.

    Returns:
        The policy, with `traceparent` where an OpenTelemetry span is current in this process.
    """
    # Who has a current span has imported this. Nobody else pays for it.
    if "opentelemetry.trace" not in sys.modules:
        return dict(policy)
    from opentelemetry.trace import get_current_span  # noqa: PLC0415

    context = get_current_span().get_span_context()
    if not context.is_valid:
        return dict(policy)
    return {"traceparent": f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}", **policy}
