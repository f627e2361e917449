"""Spans of opentelemetry-sdk made of rows: ids, times and names of attributes."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from aod_notebook._version import __version__
from aod_notebook.frames.schema import Column, Schema

_SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
"""The version of OpenTelemetry's conventions that the names are of."""
_SPAN_ID_CHARS = 16
_CONTENT = frozenset({"prompt", "result", "output", "summary"})
"""What people and agents wrote, besides all JSON columns."""

Row = Mapping[str, Any]


def trace_id(name: str) -> str:
    """Return the trace id of a session or run: its own id if that is a UUID."""
    try:
        return uuid.UUID(name).hex
    except ValueError:
        return blake2b(name.encode(errors="replace"), digest_size=16).hexdigest()


def span_id(trace: str, *names: Any) -> str:
    """Return a span id made of what names the span; a span id stays as it is."""
    last = str(names[-1]) if names else ""
    is_one = len(last) == _SPAN_ID_CHARS and set(last) <= set("0123456789abcdef")
    if is_one and any(character != "0" for character in last):
        return last
    text = "/".join((trace, *map(str, names)))
    return blake2b(text.encode(errors="replace"), digest_size=8).hexdigest()


def nanos(time: Any) -> int | None:
    """Return a timestamp in nanoseconds since 1970; None where it does not fit in OTLP's 64 bits."""
    if time is None:
        return None
    found = int(time.as_unit("us").asm8.view("i8")) * 1000
    return found if 0 <= found < 2**64 else None


def attributes(
    row: Row, columns: Iterable[Column], prefix: str, *, content: bool, **more: Any
) -> dict[str, Any]:
    """Return the attributes of a row: OTel's names where there are any, else `prefix.column`."""
    named = dict(more)
    for column in columns:
        is_content = column.dtype == "json" or column.name in _CONTENT
        if column.dtype != "datetime" and (content or not is_content):
            named[column.otel or f"{prefix}.{column.name}"] = row.get(column.name)
    return {key: value for key, value in named.items() if value is not None}


def columns_but(schema: Schema, *names: str) -> tuple[Column, ...]:
    """Return the columns of a schema that a span has no field of its own for."""
    return schema.select(None, names)


class Maker:
    """Makes the spans of one service."""

    def __init__(self, service: str) -> None:
        self._resource = Resource({"service.name": service}, _SCHEMA_URL)
        self._scope = InstrumentationScope("aod_notebook", __version__, _SCHEMA_URL)

    def span(
        self,
        ids: tuple[str, str, str | None],
        name: str,
        times: tuple[int | None, int | None],
        attributes: dict[str, Any],
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        events: Sequence[Event] = (),
        error: str | None = None,
        is_error: bool = False,
    ) -> ReadableSpan:
        """Make a span: ids of trace, span and parent; start and end, of which either may be None.

        An unknown end is the start.
        """
        trace, own, parent = ids
        start = times[0] or 0
        status = Status(StatusCode.ERROR, error) if is_error else Status()
        return ReadableSpan(
            name,
            _context(trace, own),
            None if parent is None else _context(trace, parent),
            self._resource,
            attributes,
            events,
            (),
            kind,
            status=status,
            start_time=start,
            end_time=max(start, times[1] or 0),
            instrumentation_scope=self._scope,
        )


def _context(trace: str, span: str) -> SpanContext:
    sampled = TraceFlags(TraceFlags.SAMPLED)
    return SpanContext(int(trace, 16), int(span, 16), is_remote=False, trace_flags=sampled)


def whole_counts(row: Row, includes: Row) -> dict[str, Any]:
    """Return a row with its tokens as OpenTelemetry counts them.

    Input includes cached tokens and output those of reasoning, which some runtimes count apart;
    `includes` is the result that says so.
    """
    counts = dict(row)
    apart: list[tuple[str, tuple[str, ...]]] = []
    if includes.get("input_includes_cache") is False:
        apart.append(("input_tokens", ("cache_read_tokens", "cache_creation_tokens")))
    if includes.get("output_includes_reasoning") is False:
        apart.append(("output_tokens", ("reasoning_tokens",)))
    for name, others in apart:
        if counts.get(name) is not None:
            counts[name] += sum(counts.get(other) or 0 for other in others)
    return counts
