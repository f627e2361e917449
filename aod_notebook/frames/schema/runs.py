"""The columns of the frames of runs."""

from typing import Final

from aod_notebook.contract import RUN_STATUSES, TASK_STATUSES
from aod_notebook.frames.schema.columns import (
    AGENT_ID,
    COST_USD,
    DURATION_MS,
    ENDED,
    ERROR,
    EXTRA,
    MODEL,
    PAYLOAD,
    RUN_ID,
    SESSION_ID,
    STARTED,
    TOKEN_COLUMNS,
    TOOL,
    Column,
    Schema,
    category,
)

SPAN_KINDS = ("agent", "step", "llm", "tool", "retrieval")
LEVELS = ("debug", "info", "warn", "error")
TRIGGERS = ("manual", "scheduled", "webhook", "sdk", "agent")

RUNS: Final = Schema(
    "agentos.runs/1",
    "runs",
    "One row per run.",
    (
        RUN_ID,
        AGENT_ID,
        Column("parent_run_id", "str", "Run that started this one", source="parent_run_id"),
        Column("external_run_id", "str", "The reporter's own id", source="external_run_id"),
        SESSION_ID,
        category("trigger_type", "What started the run", TRIGGERS),
        category("status", "State of the run", RUN_STATUSES),
        Column("is_test", "boolean", "Whether it was a test run", source="test"),
        STARTED,
        ENDED,
        DURATION_MS,
        *TOKEN_COLUMNS,
        Column("total_tokens", "Int64", "All tokens", "tokens"),
        COST_USD,
        Column("error_message", "str", "Why it failed", source="error_message"),
        Column("error_detail", "json", "More on why it failed", source="error_detail"),
        Column("input", "json", "Input of the run", source="input"),
        Column("output", "json", "Output of the run", source="output"),
        EXTRA,
    ),
)

RUN_EVENTS: Final = Schema(
    "agentos.run_events/1",
    "run_events",
    "One row per event of a run.",
    (
        RUN_ID,
        Column("order", "Int64", "Position in the run, from 1", source="sequence_number"),
        Column("event_id", "str", "Id of the event", source="id"),
        category("type", "Type of the event, or name of the span"),
        Column(
            "level",
            "category",
            "Severity",
            source="level",
            categories=LEVELS,
            is_ordered=True,
        ),
        Column("occurred_at", "datetime", "When it happened", "UTC", source="occurred_at"),
        TOOL,
        MODEL,
        *TOKEN_COLUMNS,
        ERROR,
        Column("span_id", "str", "Id of the span", source="span_id"),
        Column("parent_span_id", "str", "Id of the span around it", source="parent_span_id"),
        category("kind", "Kind of span", SPAN_KINDS),
        STARTED,
        ENDED,
        DURATION_MS,
        PAYLOAD,
    ),
)

SPANS: Final = Schema(
    "agentos.spans/1",
    "spans",
    "One row per span, parents before children, siblings in order of their start.",
    (
        RUN_ID,
        Column("span_id", "str", "Id of the span", source="span_id"),
        Column("parent_span_id", "str", "Id of the span around it", source="parent_span_id"),
        Column("name", "category", "Name of the span", source="type"),
        category("kind", "Kind of span", SPAN_KINDS),
        Column(
            "level",
            "category",
            "Severity",
            source="level",
            categories=LEVELS,
            is_ordered=True,
        ),
        Column("depth", "Int16", "Steps from the root, from 0"),
        Column(
            "path",
            "str",
            "Names from the root, joined with `/`; `…` for the middle of more than 100",
        ),
        Column("is_root", "boolean", "Whether it names no parent"),
        Column("is_orphan", "boolean", "Whether its parent was never reported"),
        STARTED,
        ENDED,
        Column("offset_ms", "Int64", "From the run's first span to this start", "ms"),
        DURATION_MS,
        Column("self_ms", "Int64", "Duration not covered by children", "ms"),
        MODEL,
        TOOL,
        *TOKEN_COLUMNS,
        Column("is_error", "boolean", "Whether the span failed"),
        ERROR,
        PAYLOAD,
    ),
)

TASKS: Final = Schema(
    "agentos.tasks/1",
    "tasks",
    "One row per task of a run.",
    (
        RUN_ID,
        Column("task_id", "str", "Id of the task", source="id"),
        Column("name", "str", "Name of the task", source="name"),
        category("status", "State of the task", TASK_STATUSES),
        Column("input", "json", "Input of the task", source="input"),
        Column("output", "json", "Output of the task", source="output"),
        Column("error_message", "str", "Why it failed", source="error_message"),
        STARTED,
        ENDED,
        EXTRA,
    ),
)
