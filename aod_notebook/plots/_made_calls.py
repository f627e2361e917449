"""Tool calls of sessions and of runs, in one form."""

from __future__ import annotations

from typing import Any

import pandas as pd

from aod_notebook import frames
from aod_notebook.plots._given import EVENTS, has, is_agentos, refuse

__all__ = ["made_calls", "spans_of"]


def spans_of(source: Any, client: Any) -> pd.DataFrame | None:
    """Give the spans of what is AgentOS's: a spans or run_events frame, or a client."""
    if has(source, "span_id", "depth"):
        return source
    if has(source, "span_id", "occurred_at"):
        return frames.spans_from_run_events(source)
    return frames.spans_df(source, client=client) if is_agentos(source, client) else None


def made_calls(source: Any, client: Any) -> pd.DataFrame:
    """Give the calls: `tool`, `is_failed`, `is_open` (nothing came back), `seconds`.

    Raises:
        PlotError: the frame has no tool calls.
        AodError: not one of the sessions could be read.
    """
    spans = spans_of(source, client)
    if spans is not None:
        calls = spans[spans["kind"].eq("tool").fillna(False) | spans["tool"].notna()]
        named = calls["tool"].astype("str")
        return _made(
            named.where(named.notna(), calls["name"].astype("str")),
            calls["is_error"],
            calls["duration_ms"].isna(),
            calls["duration_ms"] / 1000,
        )
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
