"""The one shape that every runtime's output lines are read into: entries, usage, results."""

from typing import Any

import msgspec

from aod_notebook.transcripts._json import as_time, loads

LINE_TYPES = frozenset(
    {
        "assistant",
        "user",
        "system",
        "result",
        "error",
        "text",
        "stream_event",
        "rate_limit_event",
        "tool_progress",
    }
)
"""The line types that the reader knows; a line of any other is new to it."""
NOTES = frozenset({"api_retry", "compact_boundary", "model_refusal_no_fallback", "note"})


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Token counts by the runtime's own definitions; None if not reported.

    Claude's and opencode's `input_tokens` leave cached tokens out, Codex's and Gemini's
    include them (`Result.input_includes_cache`). `output_tokens` of Claude and Codex include
    `reasoning_tokens`, those of Gemini and opencode do not (`Result.output_includes_reasoning`).
    `cache_creation_1h_tokens` are a part of `cache_creation_tokens`.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_creation_tokens: int | None = None
    cache_creation_1h_tokens: int | None = None
    reasoning_tokens: int | None = None

    def __add__(self, other: "Usage") -> "Usage":
        """Add field by field; a sum of unknown counts stays unknown."""
        return Usage(
            add(self.input_tokens, other.input_tokens),
            add(self.output_tokens, other.output_tokens),
            add(self.cache_read_tokens, other.cache_read_tokens),
            add(self.cache_creation_tokens, other.cache_creation_tokens),
            add(self.cache_creation_1h_tokens, other.cache_creation_1h_tokens),
            add(self.reasoning_tokens, other.reasoning_tokens),
        )


class ModelUsage(msgspec.Struct, frozen=True):
    """What one model used in one turn; `model` is None where the runtime does not name it."""

    model: str | None
    usage: Usage
    cost_usd: float | None = None
    web_search_requests: int | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens and cost (US dollars), altogether and per model."""

    cost_usd: float | None = None
    usage: Usage | None = None
    model_usage: tuple[ModelUsage, ...] = ()
    input_includes_cache: bool | None = None
    output_includes_reasoning: bool | None = None

    @property
    def tokens_in(self) -> int | None:
        """Tokens that the models read, cached and newly cached ones included."""
        usage = self.usage or Usage()
        if self.input_includes_cache:
            return usage.input_tokens
        return add(add(usage.input_tokens, usage.cache_read_tokens), usage.cache_creation_tokens)

    @property
    def tokens_out(self) -> int | None:
        """Tokens that the models wrote, those of their reasoning included."""
        usage = self.usage or Usage()
        if self.output_includes_reasoning is False:
            return add(usage.output_tokens, usage.reasoning_tokens)
        return usage.output_tokens


class Result(Spent, frozen=True, kw_only=True):
    """How a turn ended and what it used; missing if the CLI died before it reported that.

    `subtype` is Claude's own (`success`, `error_max_turns`, …); the other runtimes give
    `success` or `error`. Times are milliseconds; `denial_count` is the number of
    `permission_denials`, None where the runtime does not report them. Tokens and cost are
    those of the turn alone, subagents included where the runtime reports them.
    """

    subtype: str | None = None
    is_error: bool | None = None
    num_turns: int | None = None
    duration_ms: int | None = None
    duration_api_ms: int | None = None
    ttft_ms: int | None = None
    stop_reason: str | None = None
    terminal_reason: str | None = None
    api_error_status: int | None = None
    text: str | None = None
    errors: tuple[str, ...] = ()
    permission_denials: tuple[dict[str, Any], ...] = ()
    denial_count: int | None = None


class Entry(msgspec.Struct, gc=False):
    """One content block, or one line that has none.

    Attributes:
        line_type: `assistant` (the agent's own words and calls), `user` (tool results and
            echoed prompts), `system`, `result`, `error`; `text` for a line that is not JSON
            object; any other word is the line's own type.
        subtype: the line's own subtype, or its own type where `line_type` replaced it.
        block: `text` (also of a line that is not JSON), `thinking`, `tool_use`,
            `tool_result`, or None.
        block_index: position of the block in its JSON line, from 0; else None.
        text: text, thinking, a tool's output, an error's message.
        input_json: the arguments of a `tool_use` as JSON text; `input` decodes them.
        usage: the usage of the whole message `message_id`. Lines of one message repeat it,
            the last one counts.
        result: on a result line: the account of its turn so far. A turn may have several
            such lines; the last one counts.
        raw: the unchanged line (on each of its blocks).
        line: number of the line in what its `Reader` was fed, from 1.
        timestamp: when the line, or its call or result, came about, as the line reports it:
            ISO 8601 or milliseconds; `created_at` decodes it.
    """

    line_type: str
    subtype: str | None = None
    block: str | None = None
    block_index: int | None = None
    text: str | None = None
    tool: str | None = None
    tool_use_id: str | None = None
    input_json: str | None = None
    message_id: str | None = None
    uuid: str | None = None
    parent_tool_use_id: str | None = None
    model: str | None = None
    is_error: bool | None = None
    stop_reason: str | None = None
    usage: Usage | None = None
    result: Result | None = None
    raw: str = ""
    line: int = 0
    timestamp: Any = None

    @property
    def created_at(self) -> int | None:
        """Microseconds since 1970; None where the line has no time."""
        return None if self.timestamp is None else as_time(self.timestamp)

    @property
    def input(self) -> dict[str, Any] | None:
        """The decoded arguments of a `tool_use`; None if there are none or they are not an object."""
        return arguments(self.input_json)

    @property
    def is_note(self) -> bool:
        """Whether the text is worth showing while it happens but not a failure: a retry."""
        is_event = self.line_type == "rate_limit_event"
        return bool(self.text) and (is_event or (self.subtype in NOTES and not self.is_error))

    @property
    def fields(self) -> dict[str, Any]:
        """The decoded line; empty if it is not a JSON object."""
        value = loads(self.raw)
        return value if isinstance(value, dict) else {}


def arguments(input_json: str | None) -> dict[str, Any] | None:
    """Decode the arguments of a call; None if there are none or they are not an object."""
    value = None if input_json is None else loads(input_json)
    return value if isinstance(value, dict) else None


def add(left: int | None, right: int | None) -> int | None:
    """Add two counts; None is unknown and leaves the other as it is."""
    if left is None:
        return right
    return left if right is None else left + right
