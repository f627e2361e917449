"""The spans of runs, and the tool calls that were reported as events of their own."""

from __future__ import annotations

from collections import defaultdict, deque
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from aod_notebook import frames
from aod_notebook.frames.native import completed
from aod_notebook.frames.rows import records
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.plots._given import epoch_seconds, has, is_agentos, refuse

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    """Return the spans of a spans or run_events frame, or of what `frames.run_events_df` takes.

    A tool call that was reported by the events `tool.called` and `tool.returned` or `tool.failed`
    is a span of depth 0.

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
    calls = pd.DataFrame(_calls(events, spans))
    return pd.concat([_typed(spans), _typed(calls)], ignore_index=True)


def _typed(spans: pd.DataFrame) -> pd.DataFrame:
    return spans.reindex(columns=list(_DTYPES)).astype(_DTYPES)


def _calls(events: pd.DataFrame, spans: pd.DataFrame) -> list[_Row]:
    """Pair what runs reported of their calls: what comes back answers the oldest of its tool."""
    times = epoch_seconds(events["occurred_at"], len(events))
    offsets = (times - _began(events, times, spans)) * 1000
    is_call = events["type"].isin((_CALLED, _RETURNED, _FAILED)) & events["span_id"].isna()
    chosen = np.flatnonzero(is_call)
    calls: dict[Any, list[_Row]] = {
        None if pd.isna(run_id) else run_id: [] for run_id in events["run_id"].unique()
    }
    waiting: dict[Any, deque[_Row]] = defaultdict(deque)
    for event, time in zip(records(events.take(chosen), _EVENT), offsets[chosen], strict=True):
        run_id, tool, offset = event["run_id"], event["tool"], None if np.isnan(time) else time
        if event["type"] == _CALLED or not waiting[run_id, tool]:
            call = _call(event, offset)
            calls[run_id].append(call)
            waiting[run_id, tool].append(call)
        if event["type"] != _CALLED:
            call = waiting[run_id, tool].popleft()
            call["is_error"] = event["type"] == _FAILED
            if offset is not None and call["offset_ms"] is not None:
                call["duration_ms"] = max(round(offset) - call["offset_ms"], 0)
    return list(chain.from_iterable(calls.values()))


def _began(events: pd.DataFrame, times: NDArray[np.float64], spans: pd.DataFrame) -> Any:
    """For each event when its run began: with its first span, else with its first event."""
    by_run = pd.Series(times).groupby(events["run_id"].to_numpy(object), dropna=False)
    began = by_run.transform("min").to_numpy()
    started = epoch_seconds(spans["started_at"], len(spans))
    first = pd.Series(started).groupby(spans["run_id"].to_numpy(object)).min()
    return np.where(events["run_id"].isin(first.index), events["run_id"].map(first), began)


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
