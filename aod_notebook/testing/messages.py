"""Anthropic's Messages API."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aod_notebook.testing.reply import event, halves
from aod_notebook.testing.script import (
    Counts,
    Failure,
    Request,
    Text,
    Thinking,
    ToolCall,
    WebSearch,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aod_notebook.testing.reply import Reply, Sent
    from aod_notebook.testing.script import Block

_SEARCH_TOOLS = ("WebSearch", "websearch")
_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def read(body: Mapping[str, Any], headers: Mapping[str, str], _path: str) -> Request:
    """Read a request."""
    tools = body.get("tools") or []
    server_tools = [
        str(tool["type"]) for tool in tools if "input_schema" not in tool and "type" in tool
    ]
    searches = any(kind.startswith("web_search") for kind in server_tools)
    return Request(
        api="messages",
        model=str(body.get("model")),
        prompts=tuple(_prompts(body.get("messages") or [])),
        tools=frozenset(
            str(tool["name"]) for tool in tools if str(tool.get("type")) not in server_tools
        ),
        searches=searches,
        stream=bool(body.get("stream")),
        body=body,
        headers=headers,
    )


def _prompts(messages: list[Any]) -> Iterator[str]:
    for message in messages:
        if message.get("role") != "user":
            continue
        content = message.get("content")
        if isinstance(content, str):
            yield content
            continue
        text = "\n".join(part["text"] for part in content if part.get("type") == "text")
        if text:
            yield text


def error(failure: Failure) -> dict[str, Any]:
    """Return the body of an error."""
    kind = _ERRORS.get(failure.status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": failure.message}}


def whole(reply: Reply) -> dict[str, Any]:
    """Return the answer as one message."""
    content = [
        part for block_id, block in reply.content() for part in _parts(block_id, block, reply)
    ]
    return {**_message(reply, content), "stop_reason": _stop(reply), "usage": _usage(reply)}


def stream(reply: Reply) -> Iterator[Sent | Block]:
    """Yield the answer's events; other blocks are passed to the server."""
    # `output_tokens` of the first event is a placeholder, as in the real API.
    begun = {**_usage(reply), "output_tokens": 1}
    begun.pop("output_tokens_details")
    message = {**_message(reply, []), "stop_reason": None, "usage": begun}
    known = _known_at_start(reply.counts)
    yield _event("message_start", counts=known, message=message)
    index = 0
    for position, block in enumerate(reply.blocks):
        parts = list(_parts(reply.block_id(position), block, reply))
        if not parts:
            yield block
        for part in parts:
            yield _event("content_block_start", index=index, content_block=_empty(part))
            for delta in _deltas(part):
                yield _event("content_block_delta", index=index, delta=delta)
            yield _event("content_block_stop", index=index)
            index += 1
    ended = {"stop_reason": _stop(reply), "stop_sequence": None}
    yield _event("message_delta", counts=reply.counts, delta=ended, usage=_usage(reply))
    yield event({"type": "message_stop"}, "message_stop", last=True)


def stream_error(failure: Failure) -> Sent:
    """Return an error in the middle of a stream."""
    return event(error(failure), "error")


def _event(kind: str, *, counts: Counts | None = None, **fields: Any) -> Sent:
    return event({"type": kind, **fields}, kind, counts)


def _known_at_start(counts: Counts) -> Counts:
    return replace(counts, output_tokens=1, reasoning_tokens=0)


def _message(reply: Reply, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": f"msg_{reply.number:06d}",
        "type": "message",
        "role": "assistant",
        "model": reply.request.model,
        "content": content,
        "stop_sequence": None,
    }


def _stop(reply: Reply) -> str:
    searches = any(isinstance(b, WebSearch) for b in reply.blocks) and not reply.request.searches
    return "tool_use" if reply.calls_tools or searches else "end_turn"


def _usage(reply: Reply) -> dict[str, Any]:
    counts = reply.counts
    in_an_hour = counts.cache_creation_1h_tokens
    usage: dict[str, Any] = {
        "input_tokens": counts.input_tokens,
        "output_tokens": counts.output_tokens,
        "cache_read_input_tokens": counts.cache_read_tokens,
        "cache_creation_input_tokens": counts.cache_creation_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": counts.cache_creation_tokens - in_an_hour,
            "ephemeral_1h_input_tokens": in_an_hour,
        },
        "output_tokens_details": {"thinking_tokens": counts.reasoning_tokens},
        "service_tier": "standard",
    }
    if reply.request.searches:
        searches = sum(isinstance(block, WebSearch) for block in reply.blocks)
        usage["server_tool_use"] = {"web_search_requests": searches}
    return usage


def _parts(block_id: str, block: Block, reply: Reply) -> Iterator[dict[str, Any]]:
    """Yield the content blocks that a block of the script is on this wire."""
    match block:
        case Text(text):
            yield {"type": "text", "text": text}
        case Thinking(text):
            yield {"type": "thinking", "thinking": text, "signature": "c2NyaXB0"}
        case ToolCall(name, given):
            yield {
                "type": "tool_use",
                "id": f"toolu_{block_id}",
                "name": name,
                "input": dict(given),
            }
        case WebSearch(query) if reply.request.searches:
            used = f"srvtoolu_{block_id}"
            given = {"query": query}
            yield {"type": "server_tool_use", "id": used, "name": "web_search", "input": given}
            yield {"type": "web_search_tool_result", "tool_use_id": used, "content": [_FOUND]}
        case WebSearch(query):
            name = next((n for n in _SEARCH_TOOLS if n in reply.request.tools), _SEARCH_TOOLS[0])
            given = {"query": query}
            yield {"type": "tool_use", "id": f"toolu_{block_id}", "name": name, "input": given}


_FOUND = {
    "type": "web_search_result",
    "title": "A scripted page",
    "url": "https://example.org/scripted",
    "encrypted_content": "c2NyaXB0",
    "page_age": None,
}


def _empty(part: dict[str, Any]) -> dict[str, Any]:
    """Return a content block as its stream begins."""
    match part["type"]:
        case "text":
            return {**part, "text": ""}
        case "thinking":
            return {**part, "thinking": "", "signature": ""}
        case "tool_use" | "server_tool_use":
            return {**part, "input": {}}
    return part


def _deltas(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    match part["type"]:
        case "text":
            for text in halves(part["text"]):
                yield {"type": "text_delta", "text": text}
        case "thinking":
            yield {"type": "thinking_delta", "thinking": part["thinking"]}
            yield {"type": "signature_delta", "signature": part["signature"]}
        case "tool_use" | "server_tool_use":
            yield {"type": "input_json_delta", "partial_json": json.dumps(part["input"])}
