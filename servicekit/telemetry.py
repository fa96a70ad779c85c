"""OpenTelemetry: one trace from a member's command through every service it touches.

The trace travels as W3C `traceparent`, in the event and in the NATS header. Spans are made only for
messages whose sender sampled them, so that the hot path pays for nothing else.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, Tracer

from .messages import Incoming

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

_ODD = "13579bdf"
"""The last digit of a trace that is sampled: the lowest bit is set."""
_ATTRIBUTE = b'"traceparent": "'
_ATTRIBUTES_BYTES_MAX = 2_000
_TRACEPARENT_BYTES = 55


class _Telemetry:
    """What this process exports to, if anything."""

    provider: "TracerProvider | None" = None
    tracer: Tracer | None = None


def configure(service: str, *, otlp_endpoint: str | None, exporter: "SpanExporter | None" = None) -> None:
    """Start exporting spans to an OTLP receiver (`http://host:4318`) or a given exporter."""
    if exporter is None and not otlp_endpoint:
        return
    # Imported only where it is used: it takes half a second that a service without telemetry saves.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    if exporter is None:
        exporter = OTLPSpanExporter(endpoint=f"{(otlp_endpoint or '').rstrip('/')}/v1/traces")
    provider = TracerProvider(resource=Resource.create({"service.name": f"allmende-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _Telemetry.provider = provider
    _Telemetry.tracer = provider.get_tracer("allmende")


def shut_down() -> None:
    """Send what is still held back."""
    if _Telemetry.provider is not None:
        _Telemetry.provider.shutdown()
    _Telemetry.provider = _Telemetry.tracer = None


@contextlib.contextmanager
def batch(service: str, messages: Sequence[Incoming]) -> Iterator[None]:
    """Span the processing of every sampled message of a batch."""
    tracer = _Telemetry.tracer
    if tracer is None:
        yield
        return
    spans = [
        tracer.start_span(
            f"{service} {message.message.noun}.{message.message.verb}",
            context=trace.set_span_in_context(NonRecordingSpan(_context_of(message.traceparent))),
            kind=SpanKind.CONSUMER,
            attributes={
                "messaging.system": "nats",
                "messaging.operation.type": "process",
                "messaging.message.id": message.id,
                "messaging.batch.message_count": len(messages),
                "allmende.sender": message.sender,
            },
        )
        for message in messages
        if message.traceparent and message.traceparent[-1] in _ODD
    ]
    try:
        yield
    finally:
        for span in spans:
            span.end()


def sampled_in(sealed: bytes) -> str | None:
    """Find the trace in a sealed event, if its sender sampled it."""
    # The data behind the attributes has no space after a colon, so that only the attribute is found.
    at = sealed.find(_ATTRIBUTE, 0, _ATTRIBUTES_BYTES_MAX)
    if at < 0:
        return None
    start = at + len(_ATTRIBUTE)
    found = sealed[start : start + _TRACEPARENT_BYTES].decode()
    return found if found[-1] in _ODD else None


def _context_of(traceparent: str) -> SpanContext:
    _, trace_id, span_id, flags = traceparent.split("-")
    return SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))
    )
