"""Pure functions that turn frames into tables for analysis.

They take tables of pandas, polars, pyarrow or duckdb, or the sessions, the `Store` or the logs that
have them, and return pandas, or what `to=` asks for.
What a runtime did not report stays missing: it is never counted as 0.
"""

from aod_notebook.frames.prepare.comparison import compare
from aod_notebook.frames.prepare.costs import cost
from aod_notebook.frames.prepare.tables import (
    cost_per_agent_and_day,
    outliers,
    stage_durations,
    tool_stats,
    turns_with_results,
)

__all__ = [
    "compare",
    "cost",
    "cost_per_agent_and_day",
    "outliers",
    "stage_durations",
    "tool_stats",
    "turns_with_results",
]
