"""With OpenTelemetry, each attempt is a span linked to the trace that submitted it; without it, nothing is traced."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from structlog.testing import capture_logs

import evtrack
from client import Client
from command_line import environment
from evtrack.domain.errors import BadArgument
from evtrack.runtime.worker import supervisor, tracing
from evtrack.storage.connection.connect import Connection
from polling import eventually
from workers import drain, running_worker, worker_process

pytestmark = pytest.mark.integration


@pytest.fixture
def provider() -> Iterator[TracerProvider]:
    """OpenTelemetry as an application sets it up, but not for this whole process."""
    made = TracerProvider(shutdown_on_exit=False)
    yield made
    made.shutdown()


@pytest.fixture
def spans(provider: TracerProvider, monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """The spans of workers in this process."""
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(
        supervisor, "new_outcome_buffer", lambda: tracing.TracedOutcomeBuffer(provider.get_tracer("evtrack"))
    )
    return exporter


def facts(span: ReadableSpan, *names: str) -> tuple[Any, ...]:
    """Read some of evtrack's attributes."""
    return tuple((span.attributes or {}).get(f"evtrack.{name}") for name in names)


def by_batch(spans: InMemorySpanExporter) -> list[ReadableSpan]:
    """Return the spans in the order of their batches and attempts."""
    return sorted(
        (span for span in spans.get_finished_spans() if span.kind is SpanKind.CONSUMER),
        key=lambda span: facts(span, "batch_no", "attempt"),
    )


def test_every_attempt_is_a_span_linked_to_the_submitting_trace(
    dsn: str, provider: TracerProvider, spans: InMemorySpanExporter
) -> None:
    items = [{"id": 1}, {"id": 2, "do": "raise"}, {"id": 3, "do": "segv"}]
    with provider.get_tracer("application").start_as_current_span("upload") as upload:
        submitted = evtrack.submit(
            items, handler="scripted", batch_size=1, connection=dsn, policy={"max_errors": 1, "max_crashes": 1}
        )
        enqueued = evtrack.enqueue([{"id": 4}, {"id": 5, "do": "raise"}], handler="scripted", connection=dsn)
    drain(dsn)
    made = by_batch(spans)
    first = [span for span in made if facts(span, "job_id") == (submitted.job_id,)]
    # The first crash came after other items, so the budget of one allows another run in a new slot.
    ends = [(1, "completed"), (2, "failed"), (3, "crashed"), (3, "crashed")]
    assert ends == [facts(span, "batch_no", "outcome") for span in first]
    assert [StatusCode.UNSET, *[StatusCode.ERROR] * 3] == [span.status.status_code for span in first]
    assert "signal SIGSEGV" == first[2].status.description
    assert ("signal", "SIGSEGV", "3", 1) == facts(first[2], "cause", "signal", "item_key", "attempt")
    partly = next(span for span in made if facts(span, "job_id", "batch_no") == (enqueued, 1))
    assert ("completed", 1, StatusCode.ERROR) == (*facts(partly, "outcome", "items_failed"), partly.status.status_code)
    here = upload.get_span_context()
    assert {(here.trace_id, here.span_id)} == {
        (link.context.trace_id, link.context.span_id) for s in made for link in s.links
    }
    assert {"process scripted"} == {span.name for span in made}
    for span in made:
        assert span.start_time is not None
        assert span.end_time is not None
        run_s = (span.attributes or {})["evtrack.run_s"]
        assert isinstance(run_s, float)
        assert (span.end_time - span.start_time) / 1e9 >= run_s * 0.9


def test_the_trace_is_stored_in_the_log_and_not_in_payloads(
    dsn: str, conn: Connection, provider: TracerProvider
) -> None:
    with provider.get_tracer("application").start_as_current_span("upload") as upload:
        job = evtrack.submit([{"id": 1}], handler="scripted", connection=dsn).job_id
    client = Client(conn)
    context = upload.get_span_context()
    told = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    query = "SELECT data #>> '{policy,traceparent}' FROM evtrack.event WHERE job_id = %s AND type = 'created'"
    assert told == client.one(query, job)
    assert '{"id":1}' == client.one("SELECT replace(payload, ' ', '') FROM evtrack.payload WHERE job_id = %s", job)


def test_without_a_current_span_the_log_names_no_trace(dsn: str, conn: Connection) -> None:
    job = evtrack.submit([{"id": 1}], handler="scripted", connection=dsn).job_id
    assert Client(conn).one("SELECT policy::text FROM evtrack.job WHERE job_id = %s", job) == "{}"


@pytest.mark.parametrize("odd", ["x", "00-1-2-3", 7])
def test_a_job_refuses_an_invalid_trace(dsn: str, odd: Any) -> None:
    with pytest.raises(BadArgument, match="traceparent"):
        evtrack.enqueue([{}], handler="scripted", connection=dsn, policy={"traceparent": odd})


def test_a_requeued_batch_has_a_span_too(dsn: str, conn: Connection, spans: InMemorySpanExporter) -> None:
    job = evtrack.enqueue([{"do": "sleep", "s": 60}], handler="scripted", connection=dsn)
    client = Client(conn)
    with running_worker(dsn) as one:
        eventually(lambda: client.one("SELECT status::text FROM evtrack.batch WHERE job_id = %s", job) == "running")
        one.worker.stop(at_once=True)
        one.join()
    (span,) = by_batch(spans)
    assert ("requeued", StatusCode.UNSET, ()) == (*facts(span, "outcome"), span.status.status_code, tuple(span.links))


class _Collector(BaseHTTPRequestHandler):
    """What an OpenTelemetry collector does with spans over HTTP."""

    def do_POST(self) -> None:
        """Take spans."""
        request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.taken.append((self.path, request))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


def test_a_worker_exports_spans_as_the_environment_configures(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    evtrack.enqueue([{}] * 3, handler="scripted", connection=dsn, batch_size=1)
    taken: list[tuple[str, ExportTraceServiceRequest]] = []
    with HTTPServer(("127.0.0.1", 0), _Collector) as server:
        server.taken = taken  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        with worker_process(dsn, "--drain") as process:
            assert 0 == process.wait(60)
        server.shutdown()
    assert {"/v1/traces"} == {path for path, _ in taken}
    sent = [each for _, request in taken for each in request.resource_spans]
    assert ["process scripted"] * 3 == [
        span.name for each in sent for scope in each.scope_spans for span in scope.spans
    ]
    assert {"evtrack"} == {a.value.string_value for r in sent for a in r.resource.attributes if a.key == "service.name"}


def test_a_worker_without_tracing_does_not_import_opentelemetry() -> None:
    asked = (
        "import sys; from evtrack.runtime.worker.supervisor import new_outcome_buffer;"
        " import evtrack.interfaces.python_api, evtrack.interfaces.cli.processing.work;"
        " print(type(new_outcome_buffer()).__name__, [name for name in sys.modules if 'telemetry' in name])"
    )
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, env=environment())
    assert "OutcomeBuffer []\n" == said.stdout


def test_a_worker_that_cannot_trace_works_without_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with capture_logs() as logs:
        assert "OutcomeBuffer" == type(tracing.new_outcome_buffer()).__name__
    assert [("tracing_unavailable", "install it: pip install 'evtrack[otel]'")] == [
        (line["event"], line["hint"]) for line in logs
    ]
