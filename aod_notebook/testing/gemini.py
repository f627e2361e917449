"""Google's generateContent and streamGenerateContent."""

from __future__ import annotations

import re
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

_MODEL = re.compile(r"models/([^:/]+):")
_ERRORS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
}


def read(body: Mapping[str, Any], headers: Mapping[str, str], path: str) -> Request:
    """Read a request."""
    tools = body.get("tools") or []
    declared = (one for tool in tools for one in tool.get("functionDeclarations") or [])
    found = _MODEL.search(path)
    return Request(
        api="gemini",
        model=found[1] if found else "",
        prompts=tuple(_prompts(body.get("contents") or [])),
        tools=frozenset(str(one["name"]) for one in declared),
        searches=any("googleSearch" in tool for tool in tools),
        stream=":stream" in path,
        body=body,
        headers=headers,
    )


def _prompts(contents: list[Any]) -> Iterator[str]:
    for content in contents:
        text = "\n".join(part["text"] for part in content.get("parts") or [] if "text" in part)
        if text and content.get("role") == "user":
            yield text


def error(failure: Failure) -> dict[str, Any]:
    """Return the body of an error."""
    name = _ERRORS.get(failure.status, "UNAVAILABLE")
    return {"error": {"code": failure.status, "message": failure.message, "status": name}}


def whole(reply: Reply) -> dict[str, Any]:
    """Return the answer in one piece."""
    parts = [part for block_id, block in reply.content() for part in _parts(block_id, block)]
    return _chunk(reply, parts, last=True)


def stream(reply: Reply) -> Iterator[Sent | Block]:
    """Yield the answer's events; other blocks are passed to the server."""
    for position, block in enumerate(reply.blocks):
        parts = list(_parts(reply.block_id(position), block))
        if not parts:
            yield block
        for part in parts:
            yield event(_chunk(reply, [part], last=False))
    yield event(_chunk(reply, [], last=True), counts=_on_this_wire(reply.counts), last=True)


def stream_error(failure: Failure) -> Sent:
    """Return an error in the middle of a stream."""
    return event(error(failure))


def _on_this_wire(counts: Counts) -> Counts:
    """Return the counts without what this API does not report: tokens written to a cache."""
    return replace(counts, cache_creation_tokens=0, cache_creation_1h_tokens=0)


def _chunk(reply: Reply, parts: list[dict[str, Any]], *, last: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": parts}}
    chunk: dict[str, Any] = {"candidates": [candidate], "modelVersion": reply.request.model}
    chunk["responseId"] = f"response-{reply.number:06d}"
    if last:
        candidate["finishReason"] = "STOP"
        chunk["usageMetadata"] = _usage(reply.counts)
    return chunk


def _usage(counts: Counts) -> dict[str, int]:
    everything = counts.input_tokens + counts.cache_read_tokens
    return {
        "promptTokenCount": everything,
        "cachedContentTokenCount": counts.cache_read_tokens,
        # Thoughts stand beside the candidates here, and are billed as output anyway.
        "candidatesTokenCount": counts.output_tokens - counts.reasoning_tokens,
        "thoughtsTokenCount": counts.reasoning_tokens,
        "totalTokenCount": everything + counts.output_tokens,
    }


def _parts(block_id: str, block: Block) -> Iterator[dict[str, Any]]:
    """Yield the parts that a block of the script is on this wire."""
    match block:
        case Text(text):
            for half in halves(text):
                yield {"text": half}
        case Thinking(text):
            yield {"text": text, "thought": True}
        case ToolCall(name, given):
            yield {"functionCall": {"id": f"call_{block_id}", "name": name, "args": dict(given)}}
        case WebSearch(query):
            call = {"name": "google_web_search", "args": {"query": query}}
            yield {"functionCall": {"id": f"call_{block_id}", **call}}
