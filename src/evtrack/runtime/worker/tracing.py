"""A span for each batch, for OpenTelemetry: from the claim to the outcome, linked to the trace that submitted it.

Nothing of OpenTelemetry is imported unless this process, or its environment, asks for traces.
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
"""OpenTelemetry's own variables: where one of them is set, spans are sent there without further ado."""

_API: Final = "opentelemetry.trace"
_TEXT_BOUND: Final = 200
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_log = structlog.get_logger()


def new_outcomes() -> OutcomeBuffer:
    """Make what gathers outcomes: with spans where OpenTelemetry is configured, else without.

    Returns:
        Empty outcomes.
    """
    tracer = _tracer()
    return OutcomeBuffer() if tracer is None else TracedOutcomeBuffer(tracer)


class TracedOutcomeBuffer(OutcomeBuffer):
    """Outcomes that leave a span each.

    Args:
        tracer: Makes the spans.
    """

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self._tracer = tracer
        self._claimed: dict[BatchKey, tuple[int, ClaimedBatch]] = {}

    def expect(self, rows: Sequence[ClaimedBatch]) -> None:
        """Begin the spans of claimed batches.

        Args:
            rows: The batches.
        """
        now = time.time_ns()
        self._claimed.update({row.key: (now, row) for row in rows})

    def lose(self, keys: Iterable[BatchKey]) -> None:
        """End the spans of batches that are others' now.

        Args:
            keys: The batches.
        """
        for key in keys:
            self._end(key, "lost", "the batch was given to another worker")

    def done(
        self, rows: Sequence[ClaimedBatch], run_s: Sequence[float], results: Sequence[bytes | None] | None, now: float
    ) -> None:
        """Take batches that completed.

        Args:
            rows: The batches.
            run_s: How long each ran.
            results: The result lines of each; None when there are none at all.
            now: The monotonic clock.
        """
        super().done(rows, run_s, results, now)
        for row, ran_s in zip(rows, run_s, strict=True):
            self._end(row.key, "completed", run_s=ran_s)

    def partly_done(self, row: ClaimedBatch, frame: BatchPartlyDone, now: float) -> None:
        """Take a batch some of whose items failed.

        Args:
            row: The batch.
            frame: What the slot says.
            now: The monotonic clock.
        """
        super().partly_done(row, frame, now)
        count = len(frame.failures)
        self._end(row.key, "completed", f"{count} items failed", run_s=frame.run_s, items_failed=count)

    def fail(self, row: ClaimedBatch, frame: BatchErrored, now: float) -> None:
        """Take a batch that failed.

        Args:
            row: The batch.
            frame: What the slot says.
            now: The monotonic clock.
        """
        super().fail(row, frame, now)
        self._end(row.key, "failed", f"{frame.type}: {frame.message}", run_s=frame.run_s)

    def crash(self, row: ClaimedBatch, dossier: dict[str, Any], notes: Mapping[int, bytes], now: float) -> None:
        """Take a batch whose process died.

        Args:
            row: The batch.
            dossier: What is known of the death.
            notes: Results of the items that were done before, by place.
            now: The monotonic clock.
        """
        super().crash(row, dossier, notes, now)
        facts = {name: dossier.get(name) for name in ("cause", "signal", "exit_code", "item_key", "run_s")}
        self._end(
            row.key, "crashed", " ".join(str(facts[name]) for name in ("cause", "signal") if facts[name]), **facts
        )

    def give_back(self, rows: Sequence[ClaimedBatch], now: float) -> None:
        """Take batches that did not run to their end.

        Args:
            rows: The batches.
            now: The monotonic clock.
        """
        super().give_back(rows, now)
        for row in rows:
            self._end(row.key, "requeued")

    def forget(self) -> None:
        """Drop everything: the worker was declared lost."""
        super().forget()
        self.lose(list(self._claimed))

    def _end(self, key: BatchKey, outcome: str, error: str = "", **facts: Any) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415  there is a tracer, so it is loaded

        begun_at, row = self._claimed.pop(key, (None, None))
        if row is None:
            return
        handler = row.handler.decode("utf-8", "replace")
        items = (row.item_keys or b"").count(b"\n") + 1
        span = self._tracer.start_span(
            f"process {handler}",
            kind=SpanKind.CONSUMER,
            links=_links(row.policy),
            start_time=begun_at,
            attributes={
                "messaging.system": "evtrack",
                "messaging.operation.type": "process",
                "messaging.destination.name": handler,
                "messaging.batch.message_count": items,
                "evtrack.job_id": row.job_id,
                "evtrack.batch_no": row.batch_no,
                "evtrack.attempt": row.attempt,
                "evtrack.outcome": outcome,
                **{f"evtrack.{name}": fact for name, fact in facts.items() if fact is not None},
            },
        )
        if error:
            span.set_status(Status(StatusCode.ERROR, error[:_TEXT_BOUND]))
        span.end()


def _links(policy: bytes | None) -> list[Link]:
    """Read the trace that submitted the job; what is no traceparent links to nothing."""
    from opentelemetry.trace import Link, SpanContext, TraceFlags  # noqa: PLC0415  there is a tracer, so it is loaded

    told = msgspec.json.decode(policy).get("traceparent") if policy else None
    found = _TRACEPARENT.fullmatch(told) if isinstance(told, str) else None
    if found is None:
        return []
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    return [Link(SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags)))]


def _tracer() -> Tracer | None:
    wanted = any(os.environ.get(name) for name in ENDPOINTS) and os.environ.get("OTEL_TRACES_EXPORTER") != "none"
    if not wanted and _API not in sys.modules:
        return None
    try:
        from opentelemetry import trace  # noqa: PLC0415  costs its time only where traces are wanted

        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            if not wanted:
                return None
            _send_spans()
    except ImportError as error:
        _log.warning(log_names.TRACING_UNAVAILABLE, error=str(error), hint="install it: pip install 'evtrack[otel]'")
        return None
    return trace.get_tracer("evtrack")


def _send_spans() -> None:
    """Send spans where OpenTelemetry's environment variables say."""
    from opentelemetry import trace  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go before this name.
    provider = TracerProvider(
        resource=Resource.create({} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "evtrack"})
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
