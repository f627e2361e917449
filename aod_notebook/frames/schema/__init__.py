"""The one source of every frame's columns: name, dtype, unit, meaning, source, OTel name."""

from collections.abc import Mapping
from typing import Final

from aod_notebook.frames.schema import runs, sessions
from aod_notebook.frames.schema.columns import (
    MORE_TOKEN_COLUMNS,
    TOKEN_COLUMNS,
    Column,
    Dtype,
    Schema,
)
from aod_notebook.frames.schema.sessions import (
    DETAIL_COLUMNS,
    IMPORTED_COLUMNS,
    INSIGHTS,
    TURN_RESULT_COLUMNS,
    USAGE,
)

__all__ = [
    "DETAIL_COLUMNS",
    "IMPORTED_COLUMNS",
    "INSIGHTS",
    "SCHEMAS",
    "TOKENS",
    "TURN_RESULT_COLUMNS",
    "USAGE",
    "Column",
    "Dtype",
    "Schema",
    "otel_names",
]

SCHEMAS: Final[Mapping[str, Schema]] = {
    schema.name: schema
    for schema in (
        sessions.AGENTS,
        sessions.SESSIONS,
        sessions.TURNS,
        sessions.EVENTS,
        sessions.MESSAGES,
        sessions.TOOL_CALLS,
        sessions.FILES,
        sessions.HITS,
        sessions.RESULTS,
        sessions.MODEL_USAGE,
        runs.RUNS,
        runs.RUN_EVENTS,
        runs.SPANS,
        runs.TASKS,
    )
}
"""Every frame's schema, by name."""

TOKENS: Final = tuple(column.name for column in (*TOKEN_COLUMNS, *MORE_TOKEN_COLUMNS))
"""The names of all columns of tokens."""

otel_names: Final[Mapping[str, str]] = {
    column.name: column.otel
    for schema in SCHEMAS.values()
    for column in schema.columns
    if column.otel is not None
}
"""Column name → attribute name in OpenTelemetry's GenAI conventions."""
