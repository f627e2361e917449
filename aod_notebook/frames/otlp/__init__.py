"""Runs and sessions as traces for OpenTelemetry, on its own SDK (the extra `otel`)."""

from __future__ import annotations

import base64
from importlib.util import find_spec
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.text import one_line
from aod_notebook.frames.checks import FrameError, MissingPackageError, shown
from aod_notebook.frames.given import frame_of, names_sessions
from aod_notebook.frames.report import Report, warn
from aod_notebook.frames.sources import asked
from aod_notebook.frames.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

__all__ = ["export_runs", "export_sessions", "otlp_to_protobuf", "runs_to_otlp", "sessions_to_otlp"]

_NAMES = ("sessions", "turns", "tool_calls", "results", "model_usage")
_ID_KEYS = ("traceId", "spanId", "parentSpanId")
_SESSIONS = 8
"""Sessions that are read at once."""
_BATCH = 512
"""Spans that are handed to an exporter at once; collectors take 4 MB at most."""


def runs_to_otlp(runs: Any, run_events: Any = None, *, content: bool = False) -> dict[str, Any]:
    """Make traces of runs: a trace per run, with its spans below it.

    Args:
        runs: a runs frame.
        run_events: their run_events frame. Reported spans become spans; the other events
            become events of the run's own span.
        content: export inputs, outputs and payloads too; they can be large, and private.

    Returns:
        OTLP's `TracesData` as JSON values: what `json.dumps` makes of it is a body for
        `/v1/traces` of any collector. Columns that OpenTelemetry has a name for have it
        (`frames.otel_names`); the others are called `agentos.<column>`.

    Raises:
        FrameError: a frame is not of that kind, or has a row without a `run_id`.
        MissingPackageError: the extra `otel` is not installed.

    Example:
        >>> from aod_notebook import frames
        >>> events = frames.decode_run_events(b'[{"type": "plan", "span_id": "a"}]', "r1")
        >>> runs = events[["run_id"]]
        >>> trace = runs_to_otlp(runs, events)["resourceSpans"][0]["scopeSpans"][0]
        >>> [span["name"] for span in trace["spans"]]
        ['run', 'plan']
    """
    _needed()
    from aod_notebook.frames.otlp.runs import run_spans

    return _traces(run_spans(runs, run_events, content=content))


def sessions_to_otlp(
    sessions: Any,
    turns: Any = None,
    tool_calls: Any = None,
    results: Any = None,
    model_usage: Any = None,
    *,
    content: bool = False,
    client: Any = None,
) -> dict[str, Any]:
    """Make traces of sessions: a trace per session, its turns below it, their tool calls below.

    Args:
        sessions: a sessions frame; or sessions, their ids, a `Store`, which all frames that are
            not given are read of.
        turns: their turns frame.
        tool_calls: their tool_calls frame. Calls without times stand at the start of their
            turn and say `aod.is_timed` false.
        results: their results frame; it adds tokens and cost to the turns.
        model_usage: their model_usage frame; it adds a span per model below each turn, which
            has the tokens instead of the turn and names the model.
        content: export prompts, results, and what tools were given and returned; they can
            be large, and private.
        client: the client to ask for sessions; by default the current connection's.

    Returns:
        OTLP's `TracesData` as JSON values: what `json.dumps` makes of it is a body for
        `/v1/traces` of any collector. Columns that OpenTelemetry has a name for have it
        (`frames.otel_names`); the others are called `aod.<column>`.

    Raises:
        FrameError: a frame is not of that kind, or has a row without a `session_id`.
        MissingPackageError: the extra `otel` is not installed.
    """
    _needed()
    from aod_notebook.frames.otlp.sessions import session_spans

    tables = _tables(sessions, turns, tool_calls, results, model_usage, client)
    return _traces(session_spans(*tables, content=content))


def export_runs(
    exporter: SpanExporter, runs: Any, run_events: Any = None, *, content: bool = False
) -> int:
    """Send the traces of runs to a collector, a few hundred spans at a time.

    Args:
        exporter: any exporter of OpenTelemetry, such as its `OTLPSpanExporter`.
        runs: a runs frame.
        run_events: their run_events frame.
        content: export inputs, outputs and payloads too; they can be large, and private.

    Returns:
        How many spans were sent.

    Raises:
        FrameError: a frame is not of that kind, or the collector did not take the spans.
        MissingPackageError: the extra `otel` is not installed.
    """
    _needed()
    from aod_notebook.frames.otlp.runs import run_spans

    return _send(run_spans(runs, run_events, content=content), exporter)


def export_sessions(
    exporter: SpanExporter,
    sessions: Any,
    turns: Any = None,
    *,
    tool_calls: Any = None,
    results: Any = None,
    model_usage: Any = None,
    content: bool = False,
    client: Any = None,
) -> int:
    """Send the traces of sessions to a collector, a few hundred spans at a time.

    Where sessions are named, a few of them are read at a time, so that memory does not grow with
    their number.

    Args:
        exporter: any exporter of OpenTelemetry, such as its `OTLPSpanExporter`.
        sessions: a sessions frame, sessions, their ids, a `Store`; this and the other frames are
            those of `sessions_to_otlp`.
        turns: their turns frame.
        tool_calls: their tool_calls frame.
        results: their results frame.
        model_usage: their model_usage frame.
        content: export prompts, results, inputs and outputs too.
        client: the client to ask for sessions; by default the current connection's.

    Returns:
        How many spans were sent.

    Raises:
        FrameError: a frame is not of that kind, or the collector did not take the spans.
        MissingPackageError: the extra `otel` is not installed.
    """
    _needed()
    from aod_notebook.frames.otlp.sessions import session_spans

    others = (turns, tool_calls, results, model_usage)
    is_alone = all(other is None for other in others)
    if is_alone and names_sessions(sessions) and not isinstance(sessions, Store):
        parts = _parts(sessions, client)
    else:
        parts = iter([_tables(sessions, *others, client)])
    spans = (session_spans(*tables, content=content) for tables in parts)
    return _send(chain.from_iterable(spans), exporter)


def _parts(sessions: Any, client: Any) -> Iterator[tuple[Any, ...]]:
    """Read the frames of a few sessions at a time; those that cannot be read are warned of."""
    owner, ids = asked(sessions, client)
    if ids is None:
        ids = [str(session.id) for session in owner.sessions.list()]
    report, count = Report(), 0
    for start in range(0, len(ids), _SESSIONS):
        try:
            tables = _tables(ids[start : start + _SESSIONS], *[None] * 4, owner)
        except AodNotebookError as error:
            if not count and start + _SESSIONS >= len(ids):
                raise  # not one could be read
            report.cut("sessions could not be read", str(error))
        else:
            count += 1
            yield tables
            del tables
    warn(report, "aod.spans", stacklevel=4)


def _tables(sessions: Any, *others_and_client: Any) -> tuple[Any, ...]:
    """Return the frames as given; where sessions are named instead, the frames not given of them."""
    *others, client = others_and_client
    if not names_sessions(sessions):
        return sessions, *others
    tables = [sessions if other is None else other for other in (None, *others)]
    return tuple(
        frame_of(table, name, client=client) for name, table in zip(_NAMES, tables, strict=True)
    )


def otlp_to_protobuf(traces: dict[str, Any]) -> bytes:
    """Make the binary form of traces, which some collectors want (`application/x-protobuf`).

    Args:
        traces: what `runs_to_otlp` and `sessions_to_otlp` return.

    Raises:
        MissingPackageError: OpenTelemetry is not installed.
        FrameError: it is something else.
    """
    _needed()
    from google.protobuf.json_format import ParseDict, ParseError
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    try:
        data: bytes = ParseDict(_with_base64(traces), TracesData()).SerializeToString()
    except (ParseError, AttributeError, TypeError, ValueError) as error:
        raise FrameError(
            f"otlp_to_protobuf takes what runs_to_otlp or sessions_to_otlp returned, not this "
            f"{shown(traces)}: {one_line(str(error))}"
        ) from error
    return data


def _with_base64(value: Any) -> Any:
    """Return ids in base64, as protobuf's own JSON has them where OTLP's has hex."""
    if isinstance(value, list):
        return [_with_base64(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64encode(bytes.fromhex(item)).decode()
        if key in _ID_KEYS
        else _with_base64(item)
        for key, item in value.items()
    }


def _needed() -> None:
    """Check that OpenTelemetry is installed.

    Raises:
        MissingPackageError: it is not.
    """
    names = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.common")
    try:
        missing = [name for name in names if find_spec(name) is None]
    except ModuleNotFoundError:
        missing = list(names)
    if missing:
        raise MissingPackageError(
            "Traces need OpenTelemetry. Install it with pip install 'aod-notebook[otel]'."
        )


def _traces(spans: Iterator[ReadableSpan]) -> dict[str, Any]:
    """Return the whole document: OTLP's `TracesData`."""
    from google.protobuf.json_format import MessageToDict
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    message = encode_spans(list(spans))
    document: dict[str, Any] = MessageToDict(message, use_integers_for_enums=True)
    document.setdefault("resourceSpans", [])
    for resource in document["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            scope["spans"] = [_in_json(span) for span in scope["spans"]]
    return document


def _in_json(span: dict[str, Any]) -> dict[str, Any]:
    """Return a span with ids in hex, as OTLP has them, and with what protobuf leaves out as 0."""
    span |= {key: base64.b64decode(span[key]).hex() for key in _ID_KEYS if key in span}
    whole = {"startTimeUnixNano": "0", "endTimeUnixNano": "0", "attributes": [], **span}
    whole["status"] = {"code": 0, **span["status"]}
    return whole


def _send(spans: Iterator[ReadableSpan], exporter: SpanExporter) -> int:
    from opentelemetry.sdk.trace.export import SpanExportResult

    count = 0
    while batch := list(islice(spans, _BATCH)):
        if exporter.export(batch) is not SpanExportResult.SUCCESS:
            raise FrameError(
                f"The exporter did not take spans {count + 1} to {count + len(batch)}. "
                "Check its endpoint, and export again: the ids stay the same."
            )
        count += len(batch)
    return count
