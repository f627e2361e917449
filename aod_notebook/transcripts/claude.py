"""Claude's stream-json lines (CONTRACT A.13.2)."""

from typing import Annotated, Any

import msgspec

from aod_notebook.transcripts._json import (
    as_bool,
    as_dict,
    as_float,
    as_int,
    as_list,
    as_str,
    dumps,
    loads,
)
from aod_notebook.transcripts.content import text_of
from aod_notebook.transcripts.lines import Lines
from aod_notebook.transcripts.model import Entry, ModelUsage, Result, Usage

_SPEAKERS = ("assistant", "user")
_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_NOTHING = msgspec.Raw()


class _Block(msgspec.Struct, gc=False):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = _NOTHING
    tool_use_id: str | None = None
    content: Any = None
    is_error: bool | None = None


class _Usage(msgspec.Struct, gc=False):
    input_tokens: _Int64 | None = None
    output_tokens: _Int64 | None = None
    cache_read_input_tokens: _Int64 | None = None
    cache_creation_input_tokens: _Int64 | None = None


class _Message(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    content: list[_Block] = []
    stop_reason: str | None = None
    usage: _Usage | None = None


class _Line(msgspec.Struct, gc=False):
    type: str
    subtype: str | None = None
    uuid: str | None = None
    parent_tool_use_id: str | None = None
    message: _Message | None = None


_line_decoder = msgspec.json.Decoder(_Line)


class ClaudeLines(Lines):
    """Reads Claude's lines; remembers the session's model between them."""

    def __init__(self) -> None:
        self._model: str | None = None

    def read(self, raw: str) -> list[Entry] | None:
        """Read one line; None if it is not a JSON object."""
        try:
            line = _line_decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return super().read(raw)
        if line.message is None or line.type not in _SPEAKERS:
            return [self._plain(line.type, as_dict(loads(raw)), raw)]
        return _blocks(line, line.message, raw)

    def read_object(self, kind: str, value: dict[str, Any], raw: str) -> list[Entry]:
        """Read a line whose fields are not of their usual types."""
        if kind in _SPEAKERS and isinstance(value.get("message"), dict):
            line = _line_decoder.decode(dumps(_tidy(value)))
            return _blocks(line, line.message or _Message(), raw)
        return [self._plain(kind, value, raw)]

    def _plain(self, line_type: str, value: dict[str, Any], raw: str) -> Entry:
        entry = Entry(
            line_type,
            as_str(value.get("subtype")),
            uuid=as_str(value.get("uuid")),
            parent_tool_use_id=as_str(value.get("parent_tool_use_id")),
            raw=raw,
        )
        if line_type == "result":
            entry.result = _result(value, self._model)
            entry.is_error = entry.result.is_error
        elif line_type == "system":
            entry.model = as_str(value.get("model"))
            entry.text = as_str(value.get("description"))
            entry.tool_use_id = as_str(value.get("tool_use_id"))
            if entry.subtype == "init":
                self._model = entry.model or self._model
        return entry


def _blocks(line: _Line, message: _Message, raw: str) -> list[Entry]:
    """One entry per content block; a message without blocks is still one entry."""
    counts = message.usage
    usage = None
    if counts is not None:
        usage = Usage(
            counts.input_tokens,
            counts.output_tokens,
            counts.cache_read_input_tokens,
            counts.cache_creation_input_tokens,
        )
    if not message.content:
        return [_entry(line, message, _Block(), index=None, usage=usage, raw=raw)]
    return [
        _entry(line, message, block, index=index, usage=usage, raw=raw)
        for index, block in enumerate(message.content)
    ]


def _entry(
    line: _Line,
    message: _Message,
    block: _Block,
    *,
    index: int | None,
    usage: Usage | None,
    raw: str,
) -> Entry:
    kind: str | None = block.type
    subtype, text, tool_use_id = line.subtype, block.text, None
    input_json = is_error = None
    if kind == "tool_use":
        tool_use_id, input_json = block.id, bytes(block.input).decode() or None
    elif kind == "tool_result":
        tool_use_id, text = block.tool_use_id, text_of(block.content)
        is_error = bool(block.is_error)
    elif kind == "thinking":
        text = block.thinking
    elif kind != "text":
        subtype = line.subtype or block.type or None
        kind = None
    return Entry(
        line.type,
        subtype,
        kind,
        index,
        text,
        block.name if kind == "tool_use" else None,
        tool_use_id,
        input_json,
        message.id,
        line.uuid,
        line.parent_tool_use_id,
        message.model,
        is_error,
        message.stop_reason,
        usage,
        None,
        raw,
    )


def _result(value: dict[str, Any], model: str | None) -> Result:
    usage = _usage(value["usage"]) if isinstance(value.get("usage"), dict) else None
    cost = as_float(value.get("total_cost_usd"))
    denials = value.get("permission_denials")
    return Result(
        subtype=as_str(value.get("subtype")),
        is_error=as_bool(value.get("is_error")),
        num_turns=as_int(value.get("num_turns")),
        duration_ms=as_int(value.get("duration_ms")),
        duration_api_ms=as_int(value.get("duration_api_ms")),
        cost_usd=cost,
        usage=usage,
        stop_reason=as_str(value.get("stop_reason")),
        terminal_reason=as_str(value.get("terminal_reason")),
        api_error_status=as_int(value.get("api_error_status")),
        input_includes_cache=False,
        text=as_str(value.get("result")),
        errors=tuple(e for e in as_list(value.get("errors")) if isinstance(e, str)),
        permission_denials=tuple(d for d in as_list(denials) if isinstance(d, dict)),
        denial_count=len(denials) if isinstance(denials, list) else None,
        model_usage=_model_usage(value.get("modelUsage"), usage, cost, model),
    )


def _usage(counts: dict[str, Any]) -> Usage:
    return Usage(
        as_int(counts.get("input_tokens")),
        as_int(counts.get("output_tokens")),
        as_int(counts.get("cache_read_input_tokens")),
        as_int(counts.get("cache_creation_input_tokens")),
    )


def _model_usage(
    models: Any, usage: Usage | None, cost: float | None, model: str | None
) -> tuple[ModelUsage, ...]:
    """The models the result names, or the session's one model with the result's totals."""
    if not isinstance(models, dict) or not models:
        return () if usage is None else (ModelUsage(model, usage, cost),)
    rows = []
    for name, counts in models.items():
        told = as_dict(counts)
        rows.append(
            ModelUsage(
                name,
                Usage(
                    as_int(told.get("inputTokens")),
                    as_int(told.get("outputTokens")),
                    as_int(told.get("cacheReadInputTokens")),
                    as_int(told.get("cacheCreationInputTokens")),
                ),
                as_float(told.get("costUSD")),
                as_int(told.get("webSearchRequests")),
                as_int(told.get("contextWindow")),
            )
        )
    return tuple(rows)


def _tidy(value: dict[str, Any]) -> dict[str, Any]:
    """The same line with every field of the type that `_Line` expects, or without it."""
    message = value["message"]
    content = message.get("content")
    blocks = [content] if isinstance(content, str) else as_list(content)
    usage = message.get("usage")
    tidy_message: dict[str, Any] = {
        "content": [_tidy_block(block) for block in blocks if isinstance(block, dict | str)],
        "usage": {k: as_int(v) for k, v in usage.items()} if isinstance(usage, dict) else None,
    }
    for key in ("id", "model", "stop_reason"):
        tidy_message[key] = as_str(message.get(key))
    tidy = {key: as_str(value.get(key)) for key in ("subtype", "uuid", "parent_tool_use_id")}
    return {**tidy, "type": value["type"], "message": tidy_message}


def _tidy_block(block: dict[str, Any] | str) -> dict[str, Any]:
    if isinstance(block, str):
        return {"type": "text", "text": block}
    tidy: dict[str, Any] = {
        key: as_str(block.get(key)) for key in ("text", "thinking", "id", "name", "tool_use_id")
    }
    tidy["type"] = as_str(block.get("type")) or ""
    tidy["is_error"] = as_bool(block.get("is_error"))
    tidy["content"] = block.get("content")
    if "input" in block:
        tidy["input"] = block["input"]
    return tidy
