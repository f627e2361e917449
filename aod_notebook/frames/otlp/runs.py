"""Runs as traces."""

from collections.abc import Iterator, Sequence
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import SpanKind

from aod_notebook.frames.otlp.rows import grouped, rows_of
from aod_notebook.frames.otlp.spans import (
    Maker,
    Row,
    attributes,
    columns_but,
    nanos,
    span_id,
    trace_id,
)
from aod_notebook.frames.rows import records
from aod_notebook.frames.runs.spans import spans_of
from aod_notebook.frames.schema import SCHEMAS

_MAKER = Maker("agentos")
_RUN = columns_but(SCHEMAS["runs"], "error_message")
_SPAN = columns_but(
    SCHEMAS["spans"], "span_id", "parent_span_id", "name", "depth", "path", "offset_ms", "is_error"
)
_EVENT = columns_but(
    SCHEMAS["run_events"], "run_id", "type", "span_id", "parent_span_id", "kind", "duration_ms"
)
_OPERATIONS = {"agent": "invoke_agent", "llm": "chat", "tool": "execute_tool"}


def run_spans(runs: Any, run_events: Any, *, content: bool) -> Iterator[ReadableSpan]:
    """Yield the spans of runs, one run after the other; see `frames.runs_to_otlp`."""
    of_runs = rows_of(runs, "runs", ("run_id",), "runs_to_otlp")
    spans: dict[Any, list[Row]] = {}
    events: dict[Any, list[Row]] = {}
    if run_events is not None:
        rows = rows_of(run_events, "run_events", ("run_id", "span_id", "type"), "runs_to_otlp")
        spans = grouped(records(spans_of(run_events).frame), "run_id")
        events = grouped((row for row in rows if row["span_id"] is None), "run_id")
    for run in of_runs:
        below = [_reported(run, row, content=content) for row in spans.get(run["run_id"], [])]
        yield _run(run, below, events.get(run["run_id"], []), content=content)
        yield from below


def _run(
    run: Row, below: Sequence[ReadableSpan], events: Sequence[Row], *, content: bool
) -> ReadableSpan:
    """Make the span of a whole run; where its own times are unknown, those of what is below."""
    trace = trace_id(run["run_id"])
    start, end = nanos(run.get("started_at")), nanos(run.get("ended_at"))
    if start is None:
        start = min(filter(None, (part.start_time for part in below)), default=None)
    if end is None:
        end = max(filter(None, (part.end_time for part in below)), default=None)
    operation = {"gen_ai.operation.name": "invoke_agent"}
    return _MAKER.span(
        (trace, span_id(trace), None),
        "run",
        (start, end),
        attributes(run, _RUN, "agentos", content=content, **operation),
        events=[_event(row, content=content) for row in events],
        error=run.get("error_message"),
        is_error=run.get("status") == "failed",
    )


def _reported(run: Row, row: Row, *, content: bool) -> ReadableSpan:
    trace = trace_id(run["run_id"])
    has_parent = not (row["is_root"] or row["is_orphan"])
    parent = span_id(trace, row["parent_span_id"]) if has_parent else span_id(trace)
    operation = {"gen_ai.operation.name": _OPERATIONS.get(row["kind"] or "")}
    return _MAKER.span(
        (trace, span_id(trace, row["span_id"]), parent),
        row["name"] or "span",
        (nanos(row["started_at"]), nanos(row["ended_at"])),
        attributes(row, _SPAN, "agentos", content=content, **operation),
        kind=SpanKind.CLIENT if row["kind"] == "llm" else SpanKind.INTERNAL,
        error=row["error"],
        is_error=row["is_error"],
    )


def _event(row: Row, *, content: bool) -> Event:
    at = nanos(row["occurred_at"]) or 0
    return Event(row["type"] or "event", attributes(row, _EVENT, "agentos", content=content), at)
