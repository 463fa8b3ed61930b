"""The trace that submits a job: stored with the job, so that the spans of its batches link to it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def traced(policy: Mapping[str, Any]) -> dict[str, Any]:
    """Add the current trace to a job's policy.

    Args:
        policy: The policy; its own `traceparent`, if any, stays.

    Returns:
        The policy, with `traceparent` if an OpenTelemetry span is current in this process.
    """
    # A process with a current span has imported this already; no other process pays for the import.
    if "opentelemetry.trace" not in sys.modules:
        return dict(policy)
    from opentelemetry.trace import get_current_span  # noqa: PLC0415

    context = get_current_span().get_span_context()
    if not context.is_valid:
        return dict(policy)
    return {"traceparent": f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}", **policy}
