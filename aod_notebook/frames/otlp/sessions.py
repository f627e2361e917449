"""Sessions as traces."""

from collections.abc import Iterator, Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
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
    whole_counts,
)
from aod_notebook.frames.schema import SCHEMAS, TOKENS

_MAKER = Maker("aod")
_SESSION = columns_but(SCHEMAS["sessions"])
_TURN = columns_but(SCHEMAS["turns"], "session_id")
_RESULT = columns_but(SCHEMAS["results"], "session_id", "turn")
_RESULT_BUT_TOKENS = columns_but(SCHEMAS["results"], "session_id", "turn", *TOKENS)
_USAGE = columns_but(SCHEMAS["model_usage"], "session_id", "turn")
_CALL = columns_but(SCHEMAS["tool_calls"], "session_id", "turn", "duration_s")
_BY = "sessions_to_otlp"


def session_spans(
    sessions: Any, turns: Any, tool_calls: Any, results: Any, model_usage: Any, *, content: bool
) -> Iterator[ReadableSpan]:
    """Yield the spans of sessions, one session after the other; see `frames.sessions_to_otlp`."""
    of_sessions = rows_of(sessions, "sessions", ("session_id", "created_at"), _BY)
    of_turns = rows_of(turns, "turns", ("session_id", "turn", "status"), _BY)
    turns_of = grouped(of_turns, "session_id")
    calls_of = grouped(_given(tool_calls, "tool_calls", "tool_use_id"), "session_id")
    ended = _given(results, "results", "is_error")
    result_of = {(row["session_id"], row["turn"]): row for row in ended}
    models_of = grouped(_given(model_usage, "model_usage", "model"), "session_id", "turn")
    for session in of_sessions:
        session_id = session["session_id"]
        yield _session(session, content=content)
        starts = {}
        for turn in turns_of.get(session_id, []):
            key = session_id, turn["turn"]
            result, models = result_of.get(key, {}), models_of.get(key, [])
            yield _turn(session, turn, result, models, content=content)
            for row in models:
                yield _chat(session, turn, result, row, content=content)
            starts[turn["turn"]] = nanos(_start(turn))
        calls = calls_of.get(session_id, [])
        names = {(call["turn"], call["tool_use_id"]) for call in calls}
        for call in calls:
            yield _call(session, call, starts, names, content=content)


def _given(frame: Any, name: str, column: str) -> list[Row]:
    return [] if frame is None else rows_of(frame, name, ("session_id", "turn", column), _BY)


def _session(session: Row, *, content: bool) -> ReadableSpan:
    trace = trace_id(session["session_id"])
    return _MAKER.span(
        (trace, span_id(trace), None),
        "session",
        (nanos(session["created_at"]), nanos(session["updated_at"])),
        attributes(session, _SESSION, "aod", content=content),
        is_error=session["status"] == "failed",
    )


def _turn(
    session: Row, turn: Row, result: Row, models: Sequence[Row], *, content: bool
) -> ReadableSpan:
    """Make the span of a turn; where spans of its models have the tokens, it has none."""
    trace = trace_id(session["session_id"])
    named = _common(session, "invoke_agent")
    named["gen_ai.agent.id"] = session.get("agent_id")
    if len(models) == 1:
        named["gen_ai.request.model"] = models[0]["model"]
    columns = _RESULT_BUT_TOKENS if models else _RESULT
    counted = whole_counts(result, result)
    ended = attributes(counted, columns, "aod", content=content) if result else {}
    return _MAKER.span(
        (trace, span_id(trace, "turn", turn["turn"]), span_id(trace)),
        "invoke_agent",
        (nanos(_start(turn)), nanos(turn.get("ended_at"))),
        {**attributes(turn, _TURN, "aod", content=content, **named), **ended},
        is_error=turn["status"] == "failed" or bool(result.get("is_error")),
    )


def _chat(session: Row, turn: Row, result: Row, used: Row, *, content: bool) -> ReadableSpan:
    """Make one span of what a model did in a turn: the runtimes report no single calls."""
    trace, number = trace_id(session["session_id"]), turn["turn"]
    named = {**_common(session, "chat"), "aod.turn": number, "aod.is_timed": False}
    return _MAKER.span(
        (trace, span_id(trace, "chat", number, used["model"]), span_id(trace, "turn", number)),
        f"chat {used['model'] or 'unknown'}",
        (nanos(_start(turn)), nanos(turn.get("ended_at"))),
        attributes(whole_counts(used, result), _USAGE, "aod", content=content, **named),
        kind=SpanKind.CLIENT,
    )


def _start(turn: Row) -> Any:
    """Return when a turn started; of one that never did, when it was asked for."""
    return turn.get("started_at") or turn.get("created_at")


def _call(
    session: Row, call: Row, starts: dict[Any, int | None], names: set[Any], *, content: bool
) -> ReadableSpan:
    """Make the span of a tool call, below its turn, or below the call that started its subagent."""
    trace, turn = trace_id(session["session_id"]), call["turn"]
    parent = span_id(trace, "turn", turn) if turn in starts else span_id(trace)
    if (turn, call["parent_tool_use_id"]) in names:
        parent = span_id(trace, turn, call["parent_tool_use_id"])
    start, end = nanos(call["called_at"]), nanos(call["returned_at"])
    is_timed = start is not None
    named = {**_common(session, "execute_tool"), "aod.turn": turn, "aod.is_timed": is_timed}
    own = call["tool_use_id"] or f"order {call['order']}"
    return _MAKER.span(
        (trace, span_id(trace, turn, own), parent),
        f"execute_tool {call['tool'] or 'unknown'}",
        (start, end) if is_timed else (starts.get(turn), None),
        attributes(call, _CALL, "aod", content=content, **named),
        is_error=bool(call["is_error"]),
    )


def _common(session: Row, operation: str) -> dict[str, Any]:
    """Return the attributes that every span of a session has."""
    return {
        "gen_ai.operation.name": operation,
        "gen_ai.conversation.id": session["session_id"],
        "gen_ai.provider.name": session.get("provider"),
    }
