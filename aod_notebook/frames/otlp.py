"""Runs and sessions as traces for OpenTelemetry: OTLP in its JSON form."""

import base64
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from aod_notebook.core.text import one_line
from aod_notebook.frames._otlp import (
    CLIENT,
    INTERNAL,
    Row,
    attributes,
    columns_but,
    nanos,
    span,
    span_id,
    trace_id,
    traces,
    whole_counts,
)
from aod_notebook.frames.checks import FrameError, MissingPackageError, shown
from aod_notebook.frames.exchange import pandas_frame
from aod_notebook.frames.native import completed
from aod_notebook.frames.rows import records
from aod_notebook.frames.runs.spans import spans_of
from aod_notebook.frames.schema import SCHEMAS, TOKENS

_RUN = columns_but(SCHEMAS["runs"], "error_message")
_SPAN = columns_but(
    SCHEMAS["spans"], "span_id", "parent_span_id", "name", "depth", "path", "offset_ms", "is_error"
)
_EVENT = columns_but(
    SCHEMAS["run_events"], "run_id", "type", "span_id", "parent_span_id", "kind", "duration_ms"
)
_SESSION = columns_but(SCHEMAS["sessions"])
_TURN = columns_but(SCHEMAS["turns"], "session_id")
_RESULT = columns_but(SCHEMAS["results"], "session_id", "turn")
_RESULT_BUT_TOKENS = columns_but(SCHEMAS["results"], "session_id", "turn", *TOKENS)
_USAGE = columns_but(SCHEMAS["model_usage"], "session_id", "turn")
_CALL = columns_but(SCHEMAS["tool_calls"], "session_id", "turn", "duration_s")
_OPERATIONS = {"agent": "invoke_agent", "llm": "chat", "tool": "execute_tool"}
_ID_KEYS = ("traceId", "spanId", "parentSpanId")


def runs_to_otlp(
    runs: pd.DataFrame, run_events: pd.DataFrame | None = None, *, content: bool = False
) -> dict[str, Any]:
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

    Example:
        >>> from aod_notebook import frames
        >>> events = frames.decode_run_events(b'[{"type": "plan", "span_id": "a"}]', "r1")
        >>> runs = events[["run_id"]]
        >>> trace = runs_to_otlp(runs, events)["resourceSpans"][0]["scopeSpans"][0]
        >>> [span["name"] for span in trace["spans"]]
        ['run', 'plan']
    """
    of_runs = _rows(runs, "runs", ("run_id",), "runs_to_otlp")
    spans: dict[Any, list[Row]] = {}
    events: dict[Any, list[Row]] = {}
    if run_events is not None:
        rows = _rows(run_events, "run_events", ("run_id", "span_id", "type"), "runs_to_otlp")
        spans = _by(records(spans_of(run_events).frame), "run_id")
        events = _by((row for row in rows if row["span_id"] is None), "run_id")
    made = []
    for run in of_runs:
        below = [_reported(run, row, content=content) for row in spans.get(run["run_id"], [])]
        whole = _run(run, below, content=content)
        whole["events"] = [_event(row, content=content) for row in events.get(run["run_id"], [])]
        made += [whole, *below]
    return traces(made, "agentos")


def sessions_to_otlp(
    sessions: pd.DataFrame,
    turns: pd.DataFrame,
    tool_calls: pd.DataFrame | None = None,
    results: pd.DataFrame | None = None,
    model_usage: pd.DataFrame | None = None,
    *,
    content: bool = False,
) -> dict[str, Any]:
    """Make traces of sessions: a trace per session, its turns below it, their tool calls below.

    Args:
        sessions: a sessions frame.
        turns: their turns frame.
        tool_calls: their tool_calls frame. Calls without times stand at the start of their
            turn and say `aod.is_timed` false.
        results: their results frame; it adds tokens and cost to the turns.
        model_usage: their model_usage frame; it adds a span per model below each turn, which
            has the tokens instead of the turn and names the model.
        content: export prompts, results, and what tools were given and gave back; they can
            be large, and private.

    Returns:
        OTLP's `TracesData` as JSON values: what `json.dumps` makes of it is a body for
        `/v1/traces` of any collector. Columns that OpenTelemetry has a name for have it
        (`frames.otel_names`); the others are called `aod.<column>`.

    Raises:
        FrameError: a frame is not of that kind, or has a row without a `session_id`.
    """
    by = "sessions_to_otlp"
    of_sessions = _rows(sessions, "sessions", ("session_id", "created_at"), by)
    of_turns = _rows(turns, "turns", ("session_id", "turn", "status"), by)
    calls, ended = [], []
    if tool_calls is not None:
        calls = _rows(tool_calls, "tool_calls", ("session_id", "turn", "tool_use_id"), by)
    if results is not None:
        ended = _rows(results, "results", ("session_id", "turn", "is_error"), by)
    used = []
    if model_usage is not None:
        used = _rows(model_usage, "model_usage", ("session_id", "turn", "model"), by)
    told = {(row["session_id"], row["turn"]): row for row in ended}
    models = _by_turn(used)
    turns_of, calls_of = _by(of_turns, "session_id"), _by(calls, "session_id")
    made = []
    for session in of_sessions:
        session_id = session["session_id"]
        made.append(_session(session, content=content))
        starts = {}
        for turn in turns_of.get(session_id, []):
            key = session_id, turn["turn"]
            result, of_models = told.get(key, {}), models.get(key, [])
            made.append(_turn(session, turn, result, of_models, content=content))
            made += [_chat(session, turn, result, row, content=content) for row in of_models]
            starts[turn["turn"]] = nanos(_start(turn))
        calls = calls_of.get(session_id, [])
        names = {(call["turn"], call["tool_use_id"]) for call in calls}
        made += [_call(session, call, starts, names, content=content) for call in calls]
    return traces(made, "aod")


def otlp_to_protobuf(traces: dict[str, Any]) -> bytes:
    """Make the binary form of traces, which some collectors want (`application/x-protobuf`).

    Args:
        traces: what `runs_to_otlp` and `sessions_to_otlp` give.

    Raises:
        MissingPackageError: `opentelemetry-proto` is not installed.
        FrameError: these are no traces.
    """
    try:
        from google.protobuf.json_format import ParseDict, ParseError
        from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "The binary form needs opentelemetry-proto: pip install 'aod-notebook[otel]'"
        ) from error
    try:
        data: bytes = ParseDict(_with_base64(traces), TracesData()).SerializeToString()
    except (ParseError, AttributeError, TypeError, ValueError) as error:
        raise FrameError(
            f"otlp_to_protobuf takes what runs_to_otlp or sessions_to_otlp gave, and this "
            f"{shown(traces)} is none: {one_line(str(error))}"
        ) from error
    return data


def _with_base64(value: Any) -> Any:
    """Ids in base64, as protobuf's own JSON has them where OTLP's has hex."""
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


def _rows(frame: Any, name: str, needed: Sequence[str], by: str) -> list[Row]:
    """The rows of a frame, with all of its columns."""
    given = pandas_frame(frame, needed, by=by, of=f"frames.{name}_df()")
    key = needed[0]
    unnamed = int(given[key].isna().sum())
    if unnamed:
        raise FrameError(
            f"{by} needs a {key} in every row of the {name} frame, and {unnamed} have none: "
            f"leave them out with frame.dropna(subset={key!r})"
        )
    rows: list[Row] = [*records(completed(given, SCHEMAS[name].columns))]
    return rows


def _by(rows: Iterable[Row], key: str) -> dict[Any, list[Row]]:
    grouped: dict[Any, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row[key], []).append(row)
    return grouped


def _by_turn(rows: Iterable[Row]) -> dict[tuple[Any, Any], list[Row]]:
    grouped: dict[tuple[Any, Any], list[Row]] = {}
    for row in rows:
        grouped.setdefault((row["session_id"], row["turn"]), []).append(row)
    return grouped


def _run(run: Row, below: list[dict[str, Any]], *, content: bool) -> dict[str, Any]:
    """The span of a whole run; where its own times are unknown, those of what is below."""
    trace = trace_id(run["run_id"])
    start, end = nanos(run.get("started_at")), nanos(run.get("ended_at"))
    known = [int(part["startTimeUnixNano"]) for part in below]
    if start is None:
        start = min(filter(None, known), default=None)
    if end is None:
        end = max((int(part["endTimeUnixNano"]) for part in below), default=None)
    operation = {"gen_ai.operation.name": "invoke_agent"}
    return span(
        (trace, span_id(trace), None),
        "run",
        (start, end),
        attributes(run, _RUN, "agentos", content=content, **operation),
        error=run.get("error_message"),
        is_error=run.get("status") == "failed",
    )


def _reported(run: Row, row: Row, *, content: bool) -> dict[str, Any]:
    trace = trace_id(run["run_id"])
    has_parent = not (row["is_root"] or row["is_orphan"])
    parent = span_id(trace, row["parent_span_id"]) if has_parent else span_id(trace)
    operation = {"gen_ai.operation.name": _OPERATIONS.get(row["kind"] or "")}
    return span(
        (trace, span_id(trace, row["span_id"]), parent),
        row["name"] or "span",
        (nanos(row["started_at"]), nanos(row["ended_at"])),
        attributes(row, _SPAN, "agentos", content=content, **operation),
        kind=CLIENT if row["kind"] == "llm" else INTERNAL,
        error=row["error"],
        is_error=row["is_error"],
    )


def _event(row: Row, *, content: bool) -> dict[str, Any]:
    return {
        "timeUnixNano": str(nanos(row["occurred_at"]) or 0),
        "name": row["type"] or "event",
        "attributes": attributes(row, _EVENT, "agentos", content=content),
    }


def _session(session: Row, *, content: bool) -> dict[str, Any]:
    trace = trace_id(session["session_id"])
    return span(
        (trace, span_id(trace), None),
        "session",
        (nanos(session["created_at"]), nanos(session["updated_at"])),
        attributes(session, _SESSION, "aod", content=content),
        is_error=session["status"] == "failed",
    )


def _turn(
    session: Row, turn: Row, result: Row, models: Sequence[Row], *, content: bool
) -> dict[str, Any]:
    """The span of a turn; where spans of its models have the tokens, it has none."""
    trace = trace_id(session["session_id"])
    named = _whose(session, "invoke_agent")
    named["gen_ai.agent.id"] = session.get("agent_id")
    if len(models) == 1:
        named["gen_ai.request.model"] = models[0]["model"]
    columns = _RESULT_BUT_TOKENS if models else _RESULT
    counted = whole_counts(result, result)
    told = attributes(counted, columns, "aod", content=content) if result else []
    return span(
        (trace, span_id(trace, "turn", turn["turn"]), span_id(trace)),
        "invoke_agent",
        (nanos(_start(turn)), nanos(turn.get("ended_at"))),
        [*attributes(turn, _TURN, "aod", content=content, **named), *told],
        is_error=turn["status"] == "failed" or bool(result.get("is_error")),
    )


def _chat(session: Row, turn: Row, result: Row, used: Row, *, content: bool) -> dict[str, Any]:
    """What a model did in a turn, as one span: the runtimes report no single calls."""
    trace, number = trace_id(session["session_id"]), turn["turn"]
    named = {**_whose(session, "chat"), "aod.turn": number, "aod.is_timed": False}
    return span(
        (trace, span_id(trace, "chat", number, used["model"]), span_id(trace, "turn", number)),
        f"chat {used['model'] or 'unknown'}",
        (nanos(_start(turn)), nanos(turn.get("ended_at"))),
        attributes(whole_counts(used, result), _USAGE, "aod", content=content, **named),
        kind=CLIENT,
    )


def _start(turn: Row) -> Any:
    """When a turn started; of one that never did, when it was asked for."""
    return turn.get("started_at") or turn.get("created_at")


def _call(
    session: Row, call: Row, starts: dict[Any, int | None], names: set[Any], *, content: bool
) -> dict[str, Any]:
    """A tool call, below its turn, or below the call that started its subagent."""
    trace, turn = trace_id(session["session_id"]), call["turn"]
    parent = span_id(trace, "turn", turn) if turn in starts else span_id(trace)
    if (turn, call["parent_tool_use_id"]) in names:
        parent = span_id(trace, turn, call["parent_tool_use_id"])
    start, end = nanos(call["called_at"]), nanos(call["returned_at"])
    is_timed = start is not None
    named = {**_whose(session, "execute_tool"), "aod.turn": turn, "aod.is_timed": is_timed}
    own = call["tool_use_id"] or f"order {call['order']}"
    return span(
        (trace, span_id(trace, turn, own), parent),
        f"execute_tool {call['tool'] or 'unknown'}",
        (start, end) if is_timed else (starts.get(turn), None),
        attributes(call, _CALL, "aod", content=content, **named),
        is_error=bool(call["is_error"]),
    )


def _whose(session: Row, operation: str) -> dict[str, Any]:
    """What every span of a session says of it."""
    return {
        "gen_ai.operation.name": operation,
        "gen_ai.conversation.id": session["session_id"],
        "gen_ai.provider.name": session.get("provider"),
    }
