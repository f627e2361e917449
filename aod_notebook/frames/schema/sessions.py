"""The columns of the frames of sessions."""

from typing import Final

from aod_notebook.contract import (
    EVENT_TYPES,
    LOCAL_RUNTIMES,
    PROVIDERS,
    RUNTIMES,
    SESSION_STATUSES,
    TURN_STATUSES,
)
from aod_notebook.frames.schema.columns import (
    AGENT_ID,
    COST_COLUMNS,
    COST_USD,
    DURATION_MS,
    ENDED,
    EXTRA,
    INCLUDES_COLUMNS,
    MODEL,
    MORE_TOKEN_COLUMNS,
    PARENT,
    SESSION_ID,
    STARTED,
    TOKEN_COLUMNS,
    TOOL,
    TOOL_USE_ID,
    TURN,
    Column,
    Schema,
    category,
)

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

PROVIDER = Column(
    "provider",
    "category",
    "Provider, where the service names one",
    source="provider",
    categories=(*PROVIDERS, "google", *LOCAL_RUNTIMES),
    otel="gen_ai.provider.name",
)
SESSIONS: Final = Schema(
    "aod.sessions/1",
    "sessions",
    "One row per session.",
    (
        SESSION_ID,
        AGENT_ID,
        Column("environment_id", "str", "Effective environment", source="environment_id"),
        category("runtime", "Runtime, where the service names one", RUNTIMES),
        PROVIDER,
        category("status", "State of the session", SESSION_STATUSES),
        Column("exit_code", "Int32", "Exit code of the last turn", source="exit_code"),
        Column("turn_count", "Int32", "Turns so far", source="turn_count"),
        Column("current_turn", "Int32", "Highest turn number", source="current_turn"),
        Column("resource_count", "Int32", "Attached resources", source="resources"),
        Column("resources", "json", "Attached resources", source="resources"),
        Column("created_at", "datetime", "When it was created", "UTC", source="created_at"),
        Column("updated_at", "datetime", "When it last changed", "UTC", source="updated_at"),
        Column("duration_s", "Float64", "From creation to last change", "s"),
        EXTRA,
    ),
)

AGENTS: Final = Schema(
    "aod.agents/1",
    "agents",
    "One row per agent.",
    (
        AGENT_ID,
        Column("name", "str", "Name of the agent", source="name"),
        MODEL,
        category("runtime", "Runtime, where the service names one", RUNTIMES),
        PROVIDER,
        Column("version", "Int32", "Version, from 1", source="version"),
        Column("environment_id", "str", "Environment of its sessions", source="environment_id"),
        Column("description", "str", "What it is for", source="description"),
        Column("system", "str", "System prompt", source="system"),
        Column("skill_count", "Int32", "Skills that it has", source="skills"),
        Column("skills", "json", "Skills that it has", source="skills"),
        Column("mcp_server_count", "Int32", "MCP servers that it uses", source="mcp_servers"),
        Column("mcp_servers", "json", "Names of these", source="mcp_servers"),
        Column("metadata", "json", "What its owner noted of it", source="metadata"),
        Column("created_at", "datetime", "When it was created", "UTC", source="created_at"),
        Column("updated_at", "datetime", "When it last changed", "UTC", source="updated_at"),
        Column("archived_at", "datetime", "When it was archived", "UTC", source="archived_at"),
        EXTRA,
    ),
)

TURNS: Final = Schema(
    "aod.turns/1",
    "turns",
    "One row per turn of a session.",
    (
        SESSION_ID,
        TURN,
        category("status", "State of the turn", TURN_STATUSES),
        Column("exit_code", "Int32", "Exit code of the agent", source="exit_code"),
        Column("prompt", "str", "What was asked", source="prompt"),
        Column("created_at", "datetime", "When it was asked", "UTC", source="created_at"),
        STARTED,
        ENDED,
        Column("queue_s", "Float64", "From asking to the agent's start", "s"),
        Column("duration_s", "Float64", "From the agent's start to its end", "s"),
    ),
)

EVENTS: Final = Schema(
    "aod.events/1",
    "events",
    "One row per event of a session's stream.",
    (
        SESSION_ID,
        Column("order", "Int64", "Position in the session, from 1"),
        Column("event_id", "Int64", "Id in the service's log", source="id"),
        category("type", "Kind of event", EVENT_TYPES),
        TURN,
        category("stream", "Where an output came from", ("stdout", "stderr")),
        Column("data", "str", "A raw slice of the agent's output", source="data"),
        category("stage", "Stage of provisioning", STAGES),
        category("state", "State of the stage", ("started", "done", "failed")),
        DURATION_MS,
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
)

MESSAGES: Final = Schema(
    "aod.messages/1",
    "messages",
    "One row per content block of the agent's transcript.",
    (
        SESSION_ID,
        TURN,
        Column("order", "Int64", "Position in the session's transcript, from 1"),
        Column("event_id", "Int64", "Event that completed the line"),
        category("line_type", "Who speaks; `text` for a line that is not JSON", LINE_TYPES),
        category("subtype", "The line's own subtype"),
        Column("message_id", "str", "Id of the message the block belongs to"),
        Column("uuid", "str", "Id of the line", source="uuid"),
        PARENT,
        MODEL,
        Column("block_index", "Int32", "Position of the block in its line, from 0"),
        category("block", "Kind of content block", BLOCKS),
        Column("text", "str", "Text, thinking, a tool's output, an error"),
        TOOL_USE_ID,
        TOOL,
        Column("is_error", "boolean", "Whether a result or line reports an error"),
        category("stop_reason", "Why the model stopped"),
        *TOKEN_COLUMNS,
        *MORE_TOKEN_COLUMNS,
        Column("created_at", "datetime", "When it came about, as far as a time is known", "UTC"),
        Column("raw", "json", "The line as it came, on its first row"),
    ),
)

TOOL_CALLS: Final = Schema(
    "aod.tool_calls/1",
    "tool_calls",
    "One row per tool call.",
    (
        SESSION_ID,
        TURN,
        TOOL_USE_ID,
        Column("message_id", "str", "Message that made the call"),
        PARENT,
        Column("order", "Int64", "Row of the call in messages"),
        Column("result_order", "Int64", "Row of the result in messages"),
        TOOL,
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
)

FILES: Final = Schema(
    "aod.files/1",
    "files",
    "One row per file that a tool call touched, as its arguments show.",
    (
        SESSION_ID,
        TURN,
        Column("order", "Int64", "Row of the call in messages"),
        TOOL_USE_ID,
        Column("path", "str", "Path as the call names it"),
        category("operation", "What the call did", ("read", "write", "edit", "delete")),
        Column(
            "added_lines", "Int32", "Lines that it adds, where its arguments show them", "lines"
        ),
        Column("removed_lines", "Int32", "Lines that it removes, where they show", "lines"),
        Column("is_error", "boolean", "Whether the call failed; missing without a result"),
    ),
)

HITS: Final = Schema(
    "aod.hits/1",
    "hits",
    "One row per place where a text was found in a transcript.",
    (
        SESSION_ID,
        TURN,
        Column("order", "Int64", "Row of messages that holds it"),
        category("line_type", "Who speaks", LINE_TYPES),
        category("block", "Kind of content block", BLOCKS),
        TOOL,
        Column("match", "str", "What was found"),
        Column("context", "str", "The words around it, on one line"),
    ),
)

RESULTS: Final = Schema(
    "aod.results/1",
    "results",
    "One row per turn that reported how it ended: the sums of its model_usage rows.",
    (
        SESSION_ID,
        TURN,
        category("subtype", "How the turn ended", ("success", "error")),
        Column("is_error", "boolean", "Whether it ended in an error"),
        Column("num_turns", "Int32", "Rounds between model and tools"),
        Column("duration_ms", "Int64", "Time the agent took", "ms"),
        Column("duration_api_ms", "Int64", "Time spent waiting for the model", "ms"),
        *COST_COLUMNS,
        *TOKEN_COLUMNS,
        *MORE_TOKEN_COLUMNS,
        Column("ttft_ms", "Int64", "Time to the first token", "ms"),
        category("stop_reason", "Why the model stopped"),
        category("terminal_reason", "Why the agent stopped"),
        Column("api_error_status", "Int32", "HTTP status of the model's error"),
        Column("permission_denials", "Int32", "Calls that were not allowed"),
        *INCLUDES_COLUMNS,
        Column("result", "str", "The final words"),
    ),
)

MODEL_USAGE: Final = Schema(
    "aod.model_usage/1",
    "model_usage",
    "One row per model used in a turn; the model is the agent's where the runtime names "
    "none, and NA where that is unknown.",
    (
        SESSION_ID,
        TURN,
        MODEL,
        *TOKEN_COLUMNS,
        *MORE_TOKEN_COLUMNS,
        *COST_COLUMNS,
        Column("web_search_requests", "Int64", "Web searches"),
        Column("context_window", "Int64", "Size of the model's context window", "tokens"),
    ),
)

TURN_RESULT_COLUMNS: Final = (
    *TOKEN_COLUMNS,
    *MORE_TOKEN_COLUMNS,
    COST_USD,
    *INCLUDES_COLUMNS,
    Column("tool_call_count", "Int32", "Tool calls of the turn"),
)
"""What `turns_df(..., results=True)` adds from the transcript."""

DETAIL_COLUMNS: Final = (
    Column("agent", "str", "Name of the agent"),
    Column("prompt", "str", "What was asked first"),
    Column("model", "category", "Model that answered first, else the agent's"),
    COST_USD,
    *TOKEN_COLUMNS,
    *MORE_TOKEN_COLUMNS,
    *INCLUDES_COLUMNS,
    Column("tool_call_count", "Int32", "Tool calls of the session"),
    Column("failed_tool_call_count", "Int32", "Those of them that failed"),
)
"""What `sessions_df(..., details=True)` adds from agents, turns and transcripts."""

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

USAGE: Final = Schema(
    "aod.usage/1",
    "usage",
    "One row per billed request of imported logs.",
    (
        SESSION_ID,
        category("runtime", "CLI that made the request", RUNTIMES),
        Column("request_id", "str", "Id of the answer, the same wherever a log repeats it"),
        Column("created_at", "datetime", "When the answer was written", "UTC"),
        MODEL,
        *TOKEN_COLUMNS,
        *MORE_TOKEN_COLUMNS,
        Column("web_search_requests", "Int64", "Searches that the provider ran for it"),
        *COST_COLUMNS,
        *INCLUDES_COLUMNS,
        Column("cwd", "str", "Folder in which the agent worked"),
        Column("git_branch", "str", "Branch that was checked out there"),
    ),
)

INSIGHTS: Final = Schema(
    "aod.insights/1",
    "insights",
    "One row per finding about a session.",
    (
        SESSION_ID,
        TURN,
        category("kind", "Kind of finding"),
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
    ),
)
