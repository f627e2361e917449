"""The spans of runs, and the tool calls that were reported as events of their own."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any, Final

import numpy as np
import pandas as pd

from aod_notebook import frames
from aod_notebook.frames._native import completed
from aod_notebook.frames._rows import records
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.plots._given import epoch_seconds, has, is_agentos, refuse

__all__ = ["is_of_runs", "spans_of"]

_DTYPES: Final[dict[str, Any]] = {
    **dict.fromkeys(("run_id", "span_id", "parent_span_id", "name", "kind", "tool"), "str"),
    **dict.fromkeys(("depth", "offset_ms", "duration_ms", "self_ms"), "Int64"),
    **dict.fromkeys(("input_tokens", "output_tokens"), "Int64"),
    **dict.fromkeys(("is_error", "is_orphan"), "boolean"),
}
_EVENT: Final = ("run_id", "order", "type", "tool", "span_id")
_CALLED, _RETURNED, _FAILED = "tool.called", "tool.returned", "tool.failed"
_Row = dict[str, Any]


def is_of_runs(source: Any, client: Any) -> bool:
    """Whether a source has spans: a spans or run_events frame, a run, an `AgentOS` client."""
    return has(source, "span_id") or is_agentos(source, client)


def spans_of(source: Any, client: Any) -> pd.DataFrame:
    """Give the spans of a spans or run_events frame, or of what `frames.run_events_df` takes.

    A tool call that was told of by the events `tool.called` and `tool.returned` or `tool.failed`
    (CONTRACT B.5) is a span of depth 0.

    Raises:
        PlotError: the frame names no runs.
        AodNotebookError: there is no client, or not one of the runs could be read.
    """
    if has(source, "span_id", "depth"):
        return _typed(completed(source, SCHEMAS["spans"].columns))
    if isinstance(source, pd.DataFrame) and "run_id" not in source:
        raise refuse(source, "spans, run_events, or of any with run_id")
    is_here = has(source, "span_id", "occurred_at")
    events = source if is_here else frames.run_events_df(source, client=client)
    spans = frames.spans_from_run_events(events)
    events = completed(events, SCHEMAS["run_events"].columns)
    calls = [
        call
        for run_id, told in events.groupby("run_id", sort=False, dropna=False)
        for call in _calls(told, spans["started_at"][spans["run_id"] == run_id])
    ]
    return pd.concat([_typed(spans), _typed(pd.DataFrame(calls))], ignore_index=True)


def _typed(spans: pd.DataFrame) -> pd.DataFrame:
    return spans.reindex(columns=list(_DTYPES)).astype(_DTYPES)


def _calls(events: pd.DataFrame, spans_started: pd.Series[Any]) -> list[_Row]:
    """Pair what one run told of its calls: what comes back answers the oldest of its tool."""
    times = epoch_seconds(events["occurred_at"], len(events))
    since = epoch_seconds(spans_started, len(spans_started)) if len(spans_started) else times
    began = np.nanmin(since) if not np.isnan(since).all() else np.nan
    calls: list[_Row] = []
    waiting: dict[Any, deque[_Row]] = defaultdict(deque)
    for event, time in zip(records(events, _EVENT), times, strict=True):
        if event["type"] not in (_CALLED, _RETURNED, _FAILED) or event["span_id"] is not None:
            continue
        tool, offset = event["tool"], None if np.isnan(time - began) else (time - began) * 1000
        if event["type"] == _CALLED or not waiting[tool]:
            calls.append(_call(event, offset))
            waiting[tool].append(calls[-1])
        if event["type"] != _CALLED:
            call = waiting[tool].popleft()
            call["is_error"] = event["type"] == _FAILED
            if offset is not None and call["offset_ms"] is not None:
                call["duration_ms"] = max(round(offset) - call["offset_ms"], 0)
    return calls


def _call(event: _Row, offset: float | None) -> _Row:
    return {
        "run_id": event["run_id"],
        "span_id": f"event {event['order']}",
        "name": event["tool"],
        "kind": "tool",
        "tool": event["tool"],
        "depth": 0,
        "offset_ms": None if offset is None else round(offset),
        "is_error": False,
        "is_orphan": False,
    }
