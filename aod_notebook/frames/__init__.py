"""DataFrames of sessions, turns, events, messages, tool calls, runs and spans."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from aod_notebook.frames import prices
from aod_notebook.frames.checks import FrameError, MissingPackageError
from aod_notebook.frames.compare import compare_df, compare_edits, compare_totals
from aod_notebook.frames.decode.events import decode_events
from aod_notebook.frames.decode.run_events import decode_run_events
from aod_notebook.frames.insights import insights_df
from aod_notebook.frames.logs.imports import import_logs
from aod_notebook.frames.logs.opened import open_log
from aod_notebook.frames.logs.spending import spending_df
from aod_notebook.frames.logs.usage import usage_df
from aod_notebook.frames.otlp import (
    export_runs,
    export_sessions,
    otlp_to_protobuf,
    runs_to_otlp,
    sessions_to_otlp,
)
from aod_notebook.frames.parquet import read_parquet, to_parquet
from aod_notebook.frames.report import FrameWarning, Problem
from aod_notebook.frames.runs.runs import run_events_df, runs_df, spans_df, tasks_df
from aod_notebook.frames.runs.spans import spans_from_run_events
from aod_notebook.frames.schema import SCHEMAS, Column, Schema, otel_names
from aod_notebook.frames.sessions.agents import agents_df
from aod_notebook.frames.sessions.events import events_df
from aod_notebook.frames.sessions.sessions import sessions_df
from aod_notebook.frames.sessions.turns import turns_df
from aod_notebook.frames.shown import board
from aod_notebook.frames.store import Store, scan
from aod_notebook.frames.store.collect import collect
from aod_notebook.frames.store.session import OpenedLog
from aod_notebook.frames.transcripts.files import files_df
from aod_notebook.frames.transcripts.messages import messages_df, messages_from_events
from aod_notebook.frames.transcripts.results import (
    model_usage_df,
    model_usage_from_events,
    results_df,
    results_from_events,
)
from aod_notebook.frames.transcripts.search import search
from aod_notebook.frames.transcripts.tool_calls import tool_calls_df, tool_calls_from_events

if TYPE_CHECKING:
    from aod_notebook.frames import prepare

__all__ = [
    "SCHEMAS",
    "Column",
    "FrameError",
    "FrameWarning",
    "MissingPackageError",
    "OpenedLog",
    "Problem",
    "Schema",
    "Store",
    "agents_df",
    "board",
    "collect",
    "compare_df",
    "compare_edits",
    "compare_totals",
    "decode_events",
    "decode_run_events",
    "events_df",
    "export_runs",
    "export_sessions",
    "files_df",
    "import_logs",
    "insights_df",
    "messages_df",
    "messages_from_events",
    "model_usage_df",
    "model_usage_from_events",
    "open_log",
    "otel_names",
    "otlp_to_protobuf",
    "prepare",
    "prices",
    "read_parquet",
    "results_df",
    "results_from_events",
    "run_events_df",
    "runs_df",
    "runs_to_otlp",
    "scan",
    "search",
    "sessions_df",
    "sessions_to_otlp",
    "spans_df",
    "spans_from_run_events",
    "spending_df",
    "tasks_df",
    "to_parquet",
    "tool_calls_df",
    "tool_calls_from_events",
    "turns_df",
    "usage_df",
]


def __getattr__(name: str) -> Any:
    """Import rarely used names on first use."""
    if name == "prepare":
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
