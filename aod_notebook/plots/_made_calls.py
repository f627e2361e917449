"""Tool calls of sessions and of runs, in one form."""

from __future__ import annotations

from typing import Any

import pandas as pd

from aod_notebook import frames
from aod_notebook.plots._given import EVENTS, has, refuse
from aod_notebook.plots._run_spans import is_of_runs, spans_of

__all__ = ["made_calls"]


def made_calls(source: Any, client: Any) -> pd.DataFrame:
    """Give the calls: `tool`, `is_failed`, `is_open` (nothing came back), `seconds`.

    Raises:
        PlotError: the frame has no tool calls.
        AodError: not one of the sessions could be read.
    """
    if is_of_runs(source, client):
        spans = spans_of(source, client)
        calls = spans[spans["kind"].eq("tool") | spans["tool"].notna()]
        took = calls["duration_ms"] / 1000
        return _made(calls["tool"].fillna(calls["name"]), calls["is_error"], took.isna(), took)
    if not has(source, "tool", "is_error", "has_result"):
        if isinstance(source, pd.DataFrame) and not (
            has(source, *EVENTS) or has(source, "session_id")
        ):
            raise refuse(source, "tool_calls, events, spans, run_events, or of any with session_id")
        source = frames.tool_calls_df(source, client=client)
    took = source.get("duration_s", pd.Series(pd.NA, source.index))
    return _made(source["tool"].astype("str"), source["is_error"], ~source["has_result"], took)


def _made(tool: Any, is_failed: Any, is_open: Any, took: Any) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "tool": tool,
            "is_failed": is_failed.astype("boolean").fillna(False),
            "is_open": is_open.astype("boolean").fillna(True),
            "seconds": took.astype("Float64"),
        }
    ).reset_index(drop=True)
