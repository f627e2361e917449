"""The lines of Claude Code's session files: their fields, decoded, and the words of a person."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from aod_notebook.core.clock import time_of
from aod_notebook.transcripts._json import as_dict, as_int, as_list, as_str, loads

_NOT_PROMPTS = ("<local-command-stdout>", "<local-command-stderr>", "<bash-")
INTERRUPTED = "[Request interrupted by user"
_ABSENT = msgspec.Raw()
_Time = Annotated[datetime, msgspec.Meta(tz=True)]
_Count = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None


class _Written(msgspec.Struct, gc=False):
    ephemeral_1h_input_tokens: _Count = None


class _Details(msgspec.Struct, gc=False):
    thinking_tokens: _Count = None


class _Searches(msgspec.Struct, gc=False):
    web_search_requests: _Count = None


class LineUsage(msgspec.Struct, gc=False):
    """What a message used."""

    input_tokens: _Count = None
    output_tokens: _Count = None
    cache_read_input_tokens: _Count = None
    cache_creation_input_tokens: _Count = None
    cache_creation: _Written | None = None
    output_tokens_details: _Details | None = None
    server_tool_use: _Searches | None = None


class Message(msgspec.Struct, gc=False):
    """A message of a line; its content is decoded where it is needed."""

    id: str | None = None
    model: str | None = None
    content: msgspec.Raw = _ABSENT
    usage: LineUsage | None = None


class TextBlock(msgspec.Struct, gc=False):
    """The text of one content block, if it is text."""

    type: str = ""
    text: str = ""


class Line(msgspec.Struct, rename="camel", gc=False):
    """The fields of a line that matter here."""

    type: str
    uuid: str | None = None
    timestamp: _Time | None = None
    request_session_id: str | None = None
    request_id: str | None = None
    agent_id: str | None = None
    cwd: str | None = None
    git_branch: str | None = None
    version: str | None = None
    is_sidechain: bool = False
    is_meta: bool = False
    is_compact_summary: bool = False
    is_api_error_message: bool = False
    permission_decision: Any = None
    message: Message | None = None


class _CountedMessage(Message, rename={"content": "-"}, gc=False):
    """A message without its content, which would keep all the bytes of its line."""


class _CountedLine(Line, rename="camel", gc=False):
    message: _CountedMessage | None = None


_decode = msgspec.json.Decoder(Line).decode
_decode_counted = msgspec.json.Decoder(_CountedLine).decode
_decode_content = msgspec.json.Decoder(str | list[TextBlock]).decode


def parse(raw: bytes, *, usage_only: bool = False) -> Line | None:
    """Read a line, field by field where it is odd; None if it is not an object with a type.

    With `usage_only` its message has no content.
    """
    try:
        return _decode_counted(raw) if usage_only else _decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    value = loads(raw)
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        return None
    try:
        return msgspec.convert(_tidy(value), Line)
    except (msgspec.ValidationError, RecursionError):
        return None


def _tidy(value: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a line that have the expected types."""
    texts = ("type", "uuid", "requestSessionId", "requestId", "agentId")
    tidy: dict[str, Any] = {
        name: value.get(name)
        for name in (*texts, "cwd", "gitBranch", "version")
        if isinstance(value.get(name), str)
    }
    tidy["timestamp"] = time_of(value.get("timestamp"))
    flags = ("isSidechain", "isMeta", "isCompactSummary", "isApiErrorMessage")
    tidy |= {name: value.get(name) is True for name in flags}
    message = value.get("message")
    if isinstance(message, dict):
        tidy["message"] = {
            "id": as_str(message.get("id")),
            "model": as_str(message.get("model")),
            "content": msgspec.Raw(msgspec.json.encode(message.get("content"))),
            "usage": _tidy_usage(message.get("usage")),
        }
    return tidy


def _tidy_usage(value: Any) -> dict[str, Any] | None:
    """Return counts that are numbers, without those that are not."""
    if not isinstance(value, dict):
        return None
    parts = {name: as_dict(one) for name, one in value.items() if isinstance(one, dict)}
    tidy: dict[str, Any] = {name: as_int(one) for name, one in value.items() if name not in parts}
    for name, part in parts.items():
        tidy[name] = {key: as_int(count) for key, count in part.items()}
    return {name: one for name, one in tidy.items() if one is not None}


def prompt_of(line: Line) -> str | None:
    """Return the words of the person, or of whoever started a subagent; None if it has none."""
    if line.type != "user" or line.is_meta or line.is_compact_summary or line.message is None:
        return None
    content = _content(line.message.content)
    if isinstance(content, list):
        if any(part.type == "tool_result" for part in content):
            return None
        content = "\n".join(part.text for part in content)
    if not content.strip():
        return None
    if content.startswith((*_NOT_PROMPTS, INTERRUPTED)):
        return None
    return _command(content)


def _content(raw: msgspec.Raw) -> str | list[TextBlock]:
    """Return the text of a message, or its parts without what is not text."""
    try:
        content: str | list[TextBlock] = _decode_content(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        value = loads(bytes(raw))
    else:
        return content
    if isinstance(value, str):
        return value
    parts = map(as_dict, as_list(value))
    return [TextBlock(as_str(p.get("type")) or "", as_str(p.get("text")) or "") for p in parts]


def _command(text: str) -> str:
    """Return a slash command as the person typed it."""
    if not text.lstrip().startswith("<command-"):
        return text
    name = _between(text, "<command-name>", "</command-name>")
    return f"{name} {_between(text, '<command-args>', '</command-args>')}".strip() or text


def _between(text: str, start: str, end: str) -> str:
    _, found, rest = text.partition(start)
    return rest.partition(end)[0].strip() if found else ""
