"""OpenTelemetry spans: one for each batch, from the claim to the outcome, linked to the trace that submitted it.

OpenTelemetry is imported only if this process, or its environment, asks for traces.
"""

from __future__ import annotations

import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog

from evtrack.domain import log_names
from evtrack.runtime.worker.outcomes.outcome_buffer import OutcomeBuffer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opentelemetry.trace import Link, Tracer

    from evtrack.domain.claimed_batch import BatchKey, ClaimedBatch
    from evtrack.runtime.slot.protocol import BatchErrored, BatchPartlyDone

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""OpenTelemetry's own variables: if one of them is set, spans are sent there."""

_API: Final = "opentelemetry.trace"
_TEXT_BOUND: Final = 200
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_log = structlog.get_logger()


def new_outcome_buffer() -> OutcomeBuffer:
    """Create an outcome buffer: with spans if OpenTelemetry is configured, otherwise without.

    Returns:
        An empty buffer.
    """
    tracer = _tracer()
    return OutcomeBuffer() if tracer is None else TracedOutcomeBuffer(tracer)


class TracedOutcomeBuffer(OutcomeBuffer):
    """An outcome buffer that ends a span with each outcome.

    Args:
        tracer: Creates the spans.
    """

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self._tracer = tracer
        self._claimed: dict[BatchKey, tuple[int, ClaimedBatch]] = {}

    def register(self, batches: Sequence[ClaimedBatch]) -> None:
        """Begin the spans of claimed batches."""
        now = time.time_ns()
        self._claimed.update({batch.key: (now, batch) for batch in batches})

    def drop(self, keys: Iterable[BatchKey]) -> None:
        """End the spans of batches that another worker has."""
        for key in keys:
            self._end(key, "lost", "the batch was given to another worker")

    def add_completed(
        self,
        batches: Sequence[ClaimedBatch],
        run_s: Sequence[float],
        results: Sequence[bytes | None] | None,
        now: float,
        usage: Sequence[tuple[int, int, float]] = (),
    ) -> None:
        """Add batches that completed, and end their spans."""
        super().add_completed(batches, run_s, results, now, usage)
        for batch, seconds in zip(batches, run_s, strict=True):
            self._end(batch.key, "completed", run_s=seconds)

    def add_partly_done(self, batch: ClaimedBatch, frame: BatchPartlyDone, now: float) -> None:
        """Add a batch in which some items failed, and end its span."""
        super().add_partly_done(batch, frame, now)
        count = len(frame.failures)
        self._end(batch.key, "completed", f"{count} items failed", run_s=frame.run_s, items_failed=count)

    def add_failed(self, batch: ClaimedBatch, frame: BatchErrored, now: float) -> None:
        """Add a batch that failed as a whole, and end its span."""
        super().add_failed(batch, frame, now)
        self._end(batch.key, "failed", f"{frame.type}: {frame.message}", run_s=frame.run_s)

    def add_crashed(
        self, batch: ClaimedBatch, report: dict[str, Any], results: Mapping[int, bytes], now: float
    ) -> None:
        """Add a batch whose process died, and end its span."""
        super().add_crashed(batch, report, results, now)
        facts = {name: report.get(name) for name in ("cause", "signal", "exit_code", "item_key", "run_s")}
        error = " ".join(str(facts[name]) for name in ("cause", "signal") if facts[name])
        self._end(batch.key, "crashed", error, **facts)

    def add_returned(self, batches: Sequence[ClaimedBatch], now: float) -> None:
        """Add batches that are given back, and end their spans."""
        super().add_returned(batches, now)
        for batch in batches:
            self._end(batch.key, "requeued")

    def drop_all(self) -> None:
        """End all spans: the worker was declared lost."""
        self.drop(list(self._claimed))

    def _end(self, key: BatchKey, outcome: str, error: str = "", **facts: Any) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415  there is a tracer, so it is loaded

        begun_at, batch = self._claimed.pop(key, (None, None))
        if batch is None:
            return
        handler = batch.handler_name
        span = self._tracer.start_span(
            f"process {handler}",
            kind=SpanKind.CONSUMER,
            links=_links(batch.policy),
            start_time=begun_at,
            attributes={
                "messaging.system": "evtrack",
                "messaging.operation.type": "process",
                "messaging.destination.name": handler,
                "messaging.batch.message_count": batch.item_count,
                "evtrack.job_id": batch.job_id,
                "evtrack.batch_no": batch.batch_no,
                "evtrack.attempt": batch.attempt,
                "evtrack.outcome": outcome,
                **{f"evtrack.{name}": fact for name, fact in facts.items() if fact is not None},
            },
        )
        if error:
            span.set_status(Status(StatusCode.ERROR, error[:_TEXT_BOUND]))
        span.end()


def _links(policy: bytes | None) -> list[Link]:
    """Return a link to the trace that submitted the job; none without a valid traceparent."""
    from opentelemetry.trace import Link, SpanContext, TraceFlags  # noqa: PLC0415  there is a tracer, so it is loaded

    text = msgspec.json.decode(policy).get("traceparent") if policy else None
    found = _TRACEPARENT.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return []
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    return [Link(SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags)))]


def _tracer() -> Tracer | None:
    wanted = any(os.environ.get(name) for name in ENDPOINTS) and os.environ.get("OTEL_TRACES_EXPORTER") != "none"
    if not wanted and _API not in sys.modules:
        return None
    try:
        from opentelemetry import trace  # noqa: PLC0415  its import time is spent only if traces are wanted

        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            if not wanted:
                return None
            _send_spans()
    except ImportError as error:
        _log.warning(log_names.TRACING_UNAVAILABLE, error=str(error), hint="install it: pip install 'evtrack[otel]'")
        return None
    return trace.get_tracer("evtrack")


def _send_spans() -> None:
    """Send spans to where OpenTelemetry's environment variables point."""
    from opentelemetry import trace  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence over this name.
    provider = TracerProvider(
        resource=Resource.create({} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "evtrack"})
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
