"""Tool calls of sessions and of runs, in one form."""

from __future__ import annotations

from typing import Any

import pandas as pd

from aod_notebook import frames
from aod_notebook.frames.native import completed
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.plots._given import EVENTS, has, refuse
from aod_notebook.plots._run_spans import is_of_runs, spans_of


def made_calls(source: Any, client: Any) -> pd.DataFrame:
    """Return the calls: `tool`, `is_failed`, `is_open` (nothing came back), `seconds`, `id`.

    `id` is that of the session or run; `attrs["owner"]` says of which.

    Raises:
        PlotError: the frame has no tool calls.
        AodError: not one of the sessions could be read.
    """
    if is_of_runs(source, client):
        spans = spans_of(source, client)
        calls = spans[spans["kind"].eq("tool") | spans["tool"].notna()]
        took, failed = calls["duration_ms"] / 1000, calls["is_error"].fillna(value=False)
        is_open = took.isna() & ~failed  # one that reports its failure has ended
        made = _made(calls["tool"].fillna(calls["name"]), failed, is_open, took)
        return _owned(made, calls["run_id"], "run")
    if not has(source, "tool", "is_error", "has_result"):
        if isinstance(source, pd.DataFrame) and not (
            has(source, *EVENTS) or has(source, "session_id")
        ):
            raise refuse(source, "tool_calls, events, spans, run_events, or of any with session_id")
        source = frames.tool_calls_df(source, client=client)
    calls = completed(source, SCHEMAS["tool_calls"].columns)
    is_open = ~calls["has_result"]
    made = _made(calls["tool"].astype("str"), calls["is_error"], is_open, calls["duration_s"])
    return _owned(made, calls["session_id"], "session")


def _made(tool: Any, is_failed: Any, is_open: Any, took: Any) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "tool": tool,
            "is_failed": is_failed.astype("boolean").fillna(False),
            "is_open": is_open.astype("boolean").fillna(True),
            "seconds": took.astype("Float64"),
        }
    ).reset_index(drop=True)


def _owned(made: pd.DataFrame, ids: Any, owner: str) -> pd.DataFrame:
    made = made.assign(id=ids.astype("str").array)
    made.attrs = {"owner": owner}
    return made
