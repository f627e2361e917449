"""The one source of every frame's columns: name, dtype, unit, meaning, source, OTel name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from aod_notebook.contract import (
    EVENT_TYPES,
    LOCAL_RUNTIMES,
    PROVIDERS,
    RUN_STATUSES,
    RUNTIMES,
    SESSION_STATUSES,
    TASK_STATUSES,
    TURN_STATUSES,
)
from aod_notebook.frames.checks import FrameError, names, nearest

Dtype = Literal[
    "str", "json", "Int64", "Int32", "Int16", "Float64", "boolean", "category", "datetime"
]
"""`json` is a str that holds JSON text; `datetime` is `datetime64[us, UTC]`."""

_PANDAS: Final[Mapping[str, str]] = {"json": "str", "datetime": "datetime64[us, UTC]"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a frame.

    `categories` are the known values of a category column, in their fixed order; values
    not among them are appended in order of appearance. `otel` is the attribute's name in
    OpenTelemetry's GenAI conventions, where there is one.
    """

    name: str
    dtype: Dtype
    meaning: str
    unit: str = ""
    source: str = ""
    categories: tuple[str, ...] = ()
    is_ordered: bool = False
    otel: str | None = None

    @property
    def pandas_dtype(self) -> str:
        """Name of the dtype in pandas."""
        return _PANDAS.get(self.dtype, self.dtype)


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of one frame; `id` is what `df.attrs["schema"]` says."""

    id: str
    name: str
    meaning: str
    columns: tuple[Column, ...]

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> Column:
        return self.select([name])[0]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, in order."""
        return tuple(column.name for column in self.columns)

    def select(
        self, columns: Iterable[str] | None = None, exclude: Iterable[str] = ()
    ) -> tuple[Column, ...]:
        """Pick columns, in the schema's order: those in `columns` (default: all) not in `exclude`.

        Raises:
            FrameError: a name is not a column of this frame.

        Example:
            >>> [c.name for c in SCHEMAS["turns"].select(["turn", "session_id"])]
            ['session_id', 'turn']
        """
        wanted = set(self.names if columns is None else names("columns", columns))
        unwanted = set(names("exclude", exclude))
        for name in sorted(wanted | unwanted):
            if name not in self.names:
                hint = nearest(name, self.names)
                raise FrameError(f"The {self.name} frame has no column {name!r}{hint}")
        return tuple(c for c in self.columns if c.name in wanted and c.name not in unwanted)


STAGES = (
    "create_sprite",
    "install_runtime",
    "network_policy",
    "env_file",
    "git_credentials",
    "provision_setup",
    "runtime_config",
    "skills",
    "runtime_start",
)
LINE_TYPES = ("system", "assistant", "user", "result", "error", "text")
BLOCKS = ("text", "thinking", "tool_use", "tool_result")
SPAN_KINDS = ("agent", "step", "llm", "tool", "retrieval")
LEVELS = ("debug", "info", "warn", "error")
TRIGGERS = ("manual", "scheduled", "webhook", "sdk", "agent")

_SESSION_ID = Column(
    "session_id", "str", "Id of the session", source="session.id", otel="gen_ai.conversation.id"
)
_AGENT_ID = Column("agent_id", "str", "Id of the agent", source="agent_id", otel="gen_ai.agent.id")
_TURN = Column("turn", "Int32", "Number of the turn in its session, from 1", source="turn")
_MODEL = Column("model", "category", "Model that did it", otel="gen_ai.request.model")
_TOOL = Column("tool", "category", "Name of the tool", otel="gen_ai.tool.name")
_TOOL_USE_ID = Column(
    "tool_use_id", "str", "Id that joins a call and its result", otel="gen_ai.tool.call.id"
)
_PARENT = Column(
    "parent_tool_use_id", "str", "The call that started the subagent whose words these are"
)
_RUN_ID = Column("run_id", "str", "Id of the run", source="run_id")
_STARTED = Column("started_at", "datetime", "When it started", "UTC", source="started_at")
_ENDED = Column("ended_at", "datetime", "When it ended", "UTC", source="ended_at")
_DURATION_MS = Column("duration_ms", "Int64", "How long it took", "ms", source="duration_ms")
_TOKENS = (
    Column(
        "input_tokens",
        "Int64",
        "Tokens read by the model, in the runtime's own words",
        "tokens",
        otel="gen_ai.usage.input_tokens",
    ),
    Column(
        "output_tokens",
        "Int64",
        "Tokens written by the model",
        "tokens",
        otel="gen_ai.usage.output_tokens",
    ),
    Column(
        "cache_read_tokens",
        "Int64",
        "Tokens read from the prompt cache",
        "tokens",
        otel="gen_ai.usage.cache_read.input_tokens",
    ),
    Column(
        "cache_creation_tokens",
        "Int64",
        "Tokens written to the prompt cache",
        "tokens",
        otel="gen_ai.usage.cache_creation.input_tokens",
    ),
)
_MORE_TOKENS = (
    Column(
        "cache_creation_1h_tokens",
        "Int64",
        "Those of cache_creation_tokens that stay for an hour",
        "tokens",
    ),
    Column(
        "reasoning_tokens",
        "Int64",
        "Tokens written while thinking",
        "tokens",
        otel="gen_ai.usage.reasoning.output_tokens",
    ),
)
_INCLUDES = (
    Column("input_includes_cache", "boolean", "Whether input_tokens include cached ones"),
    Column(
        "output_includes_reasoning", "boolean", "Whether output_tokens include reasoning_tokens"
    ),
)
_COST = Column("cost_usd", "Float64", "Cost that the runtime reports", "USD")
_COSTS = (
    _COST,
    Column("computed_cost_usd", "Float64", "What the tokens come to by a table of prices", "USD"),
    Column(
        "cost_source",
        "category",
        "Where a cost is known from; `reported` if both are",
        categories=("reported", "computed"),
    ),
)
_ERROR = Column("error", "str", "Error text", otel="error.type")
_EXTRA = Column("extra", "json", "Fields of the wire that have no column of their own")
_PAYLOAD = Column("payload", "json", "The whole payload as sent", source="payload")


IMPORTED_COLUMNS: Final = (
    Column("title", "str", "Title, or the first words of the first prompt"),
    Column("cwd", "str", "Folder in which the agent worked"),
    Column("git_branch", "str", "Branch that was checked out there"),
    Column("cli_version", "str", "Version of the agent's CLI"),
    Column("model", "category", "Model that answered first", otel="gen_ai.request.model"),
    Column("parent_session_id", "str", "Session that started this one as a subagent"),
    Column("forked_from_id", "str", "Session that this one was forked from"),
    Column("source", "str", "Log file that holds the session"),
)
"""What the sessions of imported logs have in addition."""


def _cat(name: str, meaning: str, categories: tuple[str, ...] = (), source: str = "") -> Column:
    return Column(name, "category", meaning, source=source or name, categories=categories)


def _schema(service: str, name: str, meaning: str, *columns: Column) -> tuple[str, Schema]:
    return name, Schema(f"{service}.{name}/1", name, meaning, columns)


SCHEMAS: Final[Mapping[str, Schema]] = dict(
    [
        _schema(
            "aod",
            "sessions",
            "One row per session.",
            _SESSION_ID,
            _AGENT_ID,
            Column("environment_id", "str", "Effective environment", source="environment_id"),
            _cat("runtime", "Runtime, where the service tells one", RUNTIMES),
            Column(
                "provider",
                "category",
                "Provider, where the service tells one",
                source="provider",
                categories=(*PROVIDERS, "google", *LOCAL_RUNTIMES),
                otel="gen_ai.provider.name",
            ),
            _cat("status", "State of the session", SESSION_STATUSES),
            Column("exit_code", "Int32", "Exit code of the last turn", source="exit_code"),
            Column("turn_count", "Int32", "Turns so far", source="turn_count"),
            Column("current_turn", "Int32", "Highest turn number", source="current_turn"),
            Column("resource_count", "Int32", "Attached resources", source="resources"),
            Column("resources", "json", "Attached resources", source="resources"),
            Column("created_at", "datetime", "When it was created", "UTC", source="created_at"),
            Column("updated_at", "datetime", "When it last changed", "UTC", source="updated_at"),
            Column("duration_s", "Float64", "From creation to last change", "s"),
            _EXTRA,
        ),
        _schema(
            "aod",
            "turns",
            "One row per turn of a session.",
            _SESSION_ID,
            _TURN,
            _cat("status", "State of the turn", TURN_STATUSES),
            Column("exit_code", "Int32", "Exit code of the agent", source="exit_code"),
            Column("prompt", "str", "What was asked", source="prompt"),
            Column("created_at", "datetime", "When it was asked", "UTC", source="created_at"),
            _STARTED,
            _ENDED,
            Column("queue_s", "Float64", "From asking to the agent's start", "s"),
            Column("duration_s", "Float64", "From the agent's start to its end", "s"),
        ),
        _schema(
            "aod",
            "events",
            "One row per event of a session's stream.",
            _SESSION_ID,
            Column("order", "Int64", "Position in the session, from 1"),
            Column("event_id", "Int64", "Id in the service's log", source="id"),
            _cat("type", "Kind of event", EVENT_TYPES),
            _TURN,
            _cat("stream", "Where an output came from", ("stdout", "stderr")),
            Column("data", "str", "A raw slice of the agent's output", source="data"),
            _cat("stage", "Stage of provisioning", STAGES),
            _cat("state", "State of the stage", ("started", "done", "failed")),
            _DURATION_MS,
            Column("exit_code", "Int32", "Exit code", source="code"),
            Column("message", "str", "What the service says", source="message"),
            Column(
                "created_at",
                "datetime",
                "When it came about; embedded service only",
                "UTC",
                source="created_at",
            ),
            Column("received_at", "datetime", "When it arrived; live sessions only", "UTC"),
            Column("raw", "json", "The whole event; unknown types only"),
            Column(
                "recorded_at",
                "datetime",
                "When it was recorded; replays only",
                "UTC",
                source="recorded_at",
            ),
        ),
        _schema(
            "aod",
            "messages",
            "One row per content block of the agent's transcript.",
            _SESSION_ID,
            _TURN,
            Column("order", "Int64", "Position in the session's transcript, from 1"),
            Column("event_id", "Int64", "Event that completed the line"),
            _cat("line_type", "Who speaks; `text` for a line that is not JSON", LINE_TYPES),
            _cat("subtype", "The line's own subtype"),
            Column("message_id", "str", "Id of the message the block belongs to"),
            Column("uuid", "str", "Id of the line", source="uuid"),
            _PARENT,
            _MODEL,
            Column("block_index", "Int32", "Position of the block in its line, from 0"),
            _cat("block", "Kind of content block", BLOCKS),
            Column("text", "str", "Text, thinking, a tool's output, an error"),
            _TOOL_USE_ID,
            _TOOL,
            Column("is_error", "boolean", "Whether a result or line reports an error"),
            _cat("stop_reason", "Why the model stopped"),
            *_TOKENS,
            *_MORE_TOKENS,
            Column(
                "created_at", "datetime", "When it came about, as far as a time is known", "UTC"
            ),
            Column("raw", "json", "The line as it came, on its first row"),
        ),
        _schema(
            "aod",
            "tool_calls",
            "One row per tool call.",
            _SESSION_ID,
            _TURN,
            _TOOL_USE_ID,
            Column("message_id", "str", "Message that made the call"),
            _PARENT,
            Column("order", "Int64", "Row of the call in messages"),
            Column("result_order", "Int64", "Row of the result in messages"),
            _TOOL,
            Column("input", "json", "Arguments of the call"),
            Column("summary", "str", "What the call is about, on one line"),
            Column("output", "str", "What the tool gave back"),
            Column("output_chars", "Int64", "Length of the output", "characters"),
            Column("is_error", "boolean", "Whether the call failed"),
            Column("has_result", "boolean", "Whether a result came"),
            Column("called_at", "datetime", "When it was called", "UTC"),
            Column("returned_at", "datetime", "When its result came", "UTC"),
            Column("duration_s", "Float64", "From call to result, at least 0", "s"),
        ),
        _schema(
            "aod",
            "results",
            "One row per turn that said how it ended: the sums of its model_usage rows.",
            _SESSION_ID,
            _TURN,
            _cat("subtype", "How the turn ended", ("success", "error")),
            Column("is_error", "boolean", "Whether it ended in an error"),
            Column("num_turns", "Int32", "Rounds between model and tools"),
            Column("duration_ms", "Int64", "Time the agent took", "ms"),
            Column("duration_api_ms", "Int64", "Time spent waiting for the model", "ms"),
            *_COSTS,
            *_TOKENS,
            *_MORE_TOKENS,
            Column("ttft_ms", "Int64", "Time to the first token", "ms"),
            _cat("stop_reason", "Why the model stopped"),
            _cat("terminal_reason", "Why the agent stopped"),
            Column("api_error_status", "Int32", "HTTP status of the model's error"),
            Column("permission_denials", "Int32", "Calls that were not allowed"),
            *_INCLUDES,
            Column("result", "str", "The final words"),
        ),
        _schema(
            "aod",
            "model_usage",
            "One row per model used in a turn; the model is the agent's where the runtime names "
            "none, and NA where that is unknown.",
            _SESSION_ID,
            _TURN,
            _MODEL,
            *_TOKENS,
            *_MORE_TOKENS,
            *_COSTS,
            Column("web_search_requests", "Int64", "Web searches"),
            Column("context_window", "Int64", "Size of the model's context window", "tokens"),
        ),
        _schema(
            "agentos",
            "runs",
            "One row per run.",
            _RUN_ID,
            _AGENT_ID,
            Column("parent_run_id", "str", "Run that started this one", source="parent_run_id"),
            Column("external_run_id", "str", "The reporter's own id", source="external_run_id"),
            _SESSION_ID,
            _cat("trigger_type", "What started the run", TRIGGERS),
            _cat("status", "State of the run", RUN_STATUSES),
            Column("is_test", "boolean", "Whether it was a test run", source="test"),
            _STARTED,
            _ENDED,
            _DURATION_MS,
            *_TOKENS,
            Column("total_tokens", "Int64", "All tokens", "tokens"),
            _COST,
            Column("error_message", "str", "Why it failed", source="error_message"),
            Column("error_detail", "json", "More on why it failed", source="error_detail"),
            Column("input", "json", "Input of the run", source="input"),
            Column("output", "json", "Output of the run", source="output"),
            _EXTRA,
        ),
        _schema(
            "agentos",
            "run_events",
            "One row per event of a run.",
            _RUN_ID,
            Column("order", "Int64", "Position in the run, from 1", source="sequence_number"),
            Column("event_id", "str", "Id of the event", source="id"),
            _cat("type", "Type of the event, or name of the span"),
            Column(
                "level",
                "category",
                "Severity",
                source="level",
                categories=LEVELS,
                is_ordered=True,
            ),
            Column("occurred_at", "datetime", "When it happened", "UTC", source="occurred_at"),
            _TOOL,
            _MODEL,
            *_TOKENS,
            _ERROR,
            Column("span_id", "str", "Id of the span", source="span_id"),
            Column("parent_span_id", "str", "Id of the span around it", source="parent_span_id"),
            _cat("kind", "Kind of span", SPAN_KINDS),
            _STARTED,
            _ENDED,
            _DURATION_MS,
            _PAYLOAD,
        ),
        _schema(
            "agentos",
            "spans",
            "One row per span, parents before children, siblings in order of their start.",
            _RUN_ID,
            Column("span_id", "str", "Id of the span", source="span_id"),
            Column("parent_span_id", "str", "Id of the span around it", source="parent_span_id"),
            Column("name", "category", "Name of the span", source="type"),
            _cat("kind", "Kind of span", SPAN_KINDS),
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
            _STARTED,
            _ENDED,
            Column("offset_ms", "Int64", "From the run's first span to this start", "ms"),
            _DURATION_MS,
            Column("self_ms", "Int64", "Duration not covered by children", "ms"),
            _MODEL,
            _TOOL,
            *_TOKENS,
            Column("is_error", "boolean", "Whether the span failed"),
            _ERROR,
            _PAYLOAD,
        ),
        _schema(
            "agentos",
            "tasks",
            "One row per task of a run.",
            _RUN_ID,
            Column("task_id", "str", "Id of the task", source="id"),
            Column("name", "str", "Name of the task", source="name"),
            _cat("status", "State of the task", TASK_STATUSES),
            Column("input", "json", "Input of the task", source="input"),
            Column("output", "json", "Output of the task", source="output"),
            Column("error_message", "str", "Why it failed", source="error_message"),
            _STARTED,
            _ENDED,
            _EXTRA,
        ),
    ]
)
"""Every frame's schema, by name."""

TOKENS: Final = tuple(column.name for column in (*_TOKENS, *_MORE_TOKENS))
"""The names of all columns of tokens."""

TURN_RESULT_COLUMNS: Final = (
    *_TOKENS,
    *_MORE_TOKENS,
    _COST,
    *_INCLUDES,
    Column("tool_call_count", "Int32", "Tool calls of the turn"),
)
"""What `turns_df(..., results=True)` adds from the transcript."""

DETAIL_COLUMNS: Final = (
    Column("agent", "str", "Name of the agent"),
    Column("prompt", "str", "What was asked first"),
    Column("model", "category", "Model that answered first, else the agent's"),
    _COST,
    *_TOKENS,
    *_MORE_TOKENS,
    *_INCLUDES,
    Column("tool_call_count", "Int32", "Tool calls of the session"),
    Column("failed_tool_call_count", "Int32", "Those of them that failed"),
)
"""What `sessions_df(..., details=True)` adds from agents, turns and transcripts."""

otel_names: Final[Mapping[str, str]] = {
    column.name: column.otel
    for schema in SCHEMAS.values()
    for column in schema.columns
    if column.otel is not None
}
"""Column name → attribute name in OpenTelemetry's GenAI conventions."""

INSIGHTS: Final = _schema(
    "aod",
    "insights",
    "One row per finding about a session.",
    _SESSION_ID,
    _TURN,
    _cat("kind", "Kind of finding"),
    Column(
        "severity",
        "category",
        "How much it matters",
        categories=("info", "warn", "bad"),
        is_ordered=True,
    ),
    Column("finding", "str", "The finding in one sentence"),
    Column("times", "Int64", "How often it happened"),
    Column("orders", "json", "Rows of messages that show it"),
    Column("tokens", "Int64", "Tokens that it took", "tokens"),
    Column("cost_usd", "Float64", "What these tokens cost by the table of prices", "USD"),
    Column("lost_s", "Float64", "Time that it took", "s"),
)[1]
