"""The one shape that every runtime's output lines are read into: entries, usage, results."""

from typing import Any

import msgspec

from aod_notebook.transcripts._json import loads


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Token counts in the runtime's own words; None is what the runtime did not tell.

    Claude's and opencode's `input_tokens` leave cached tokens out, Codex's and Gemini's
    include them (`Result.input_includes_cache`).
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_creation_tokens: int | None = None

    def __add__(self, other: "Usage") -> "Usage":
        """Add field by field; a sum of unknown counts stays unknown."""
        return Usage(
            _add(self.input_tokens, other.input_tokens),
            _add(self.output_tokens, other.output_tokens),
            _add(self.cache_read_tokens, other.cache_read_tokens),
            _add(self.cache_creation_tokens, other.cache_creation_tokens),
        )


class ModelUsage(msgspec.Struct, frozen=True):
    """What one model used in one turn; `model` is None where the runtime does not name it."""

    model: str | None
    usage: Usage
    cost_usd: float | None = None
    web_search_requests: int | None = None
    context_window: int | None = None


class Result(msgspec.Struct, frozen=True):
    """How a turn ended: at most one per turn, none if the CLI died before saying so.

    `subtype` is Claude's own (`success`, `error_max_turns`, …); the other runtimes give
    `success` or `error`. Times are milliseconds, `cost_usd` is US dollars; `denial_count` is
    the number of `permission_denials`, None where the runtime does not tell.
    """

    subtype: str | None = None
    is_error: bool | None = None
    num_turns: int | None = None
    duration_ms: int | None = None
    duration_api_ms: int | None = None
    cost_usd: float | None = None
    usage: Usage | None = None
    stop_reason: str | None = None
    terminal_reason: str | None = None
    api_error_status: int | None = None
    input_includes_cache: bool | None = None
    text: str | None = None
    errors: tuple[str, ...] = ()
    permission_denials: tuple[dict[str, Any], ...] = ()
    denial_count: int | None = None
    model_usage: tuple[ModelUsage, ...] = ()


class Entry(msgspec.Struct):
    """One content block, or one line that has none.

    Attributes:
        line_type: `assistant` (the agent's own words and calls), `user` (tool results and
            echoed prompts), `system`, `result`, `error`; `text` for a line that is no JSON
            object; any other word is the line's own type.
        subtype: the line's own subtype, or its own type where `line_type` replaced it.
        block: `text` (also of a line that is no JSON), `thinking`, `tool_use`,
            `tool_result`, or None.
        block_index: position of the block in its JSON line, from 0; else None.
        text: text, thinking, a tool's output, an error's message.
        input_json: the arguments of a `tool_use` as JSON text; `input` decodes them.
        usage: the usage of the whole message `message_id`. Lines of one message repeat it,
            the last one counts.
        result: set on the final result line of a turn only.
        raw: the line as it came (on each of its blocks).
        line: number of the line in what its `Reader` was fed, from 1.
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

    @property
    def input(self) -> dict[str, Any] | None:
        """The decoded arguments of a `tool_use`; None if there are none or they are no object."""
        value = None if self.input_json is None else loads(self.input_json)
        return value if isinstance(value, dict) else None

    @property
    def fields(self) -> dict[str, Any]:
        """The decoded line; empty if it is no JSON object."""
        value = loads(self.raw)
        return value if isinstance(value, dict) else {}


def _add(left: int | None, right: int | None) -> int | None:
    if left is None:
        return right
    return left if right is None else left + right
