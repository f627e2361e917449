"""OpenAI's Responses API."""

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

_ERRORS = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}


def read(body: Mapping[str, Any], headers: Mapping[str, str], _path: str) -> Request:
    """Read a request."""
    given = body.get("input") or []
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    tools = body.get("tools") or []
    return Request(
        api="responses",
        model=str(body.get("model")),
        prompts=tuple(_prompts(items)),
        tools=frozenset(name for name, _ in _offered(tools)),
        searches=any(tool.get("type") == "web_search" for tool in tools),
        stream=bool(body.get("stream")),
        body=body,
        headers=headers,
    )


def _prompts(items: list[Any]) -> Iterator[str]:
    for item in items:
        if item.get("role") != "user":
            continue
        content = item.get("content")
        text = (
            content if isinstance(content, str) else "\n".join(c.get("text", "") for c in content)
        )
        if text:
            yield text


def _offered(tools: list[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each tool's full name, and what a call of it says beside the arguments.

    The tools of an MCP server are a namespace, `mcp__<server>` with their short names in it.
    """
    for tool in tools:
        if tool.get("type") == "namespace":
            space = tool["name"]
            for inner in tool["tools"]:
                joint = "" if space.endswith("__") else "__"
                call = {"name": inner["name"], "namespace": space, "kind": inner.get("type")}
                yield f"{space}{joint}{inner['name']}", call
                yield inner["name"], call
        elif "name" in tool:
            yield tool["name"], {"name": tool["name"], "kind": tool.get("type")}


def error(failure: Failure) -> dict[str, Any]:
    """Return the body of an error."""
    code = _ERRORS.get(failure.status)
    kind = "server_error" if failure.status >= 500 else "invalid_request_error"  # noqa: PLR2004 - HTTP
    return {"error": {"type": kind, "code": code, "message": failure.message, "param": None}}


def whole(reply: Reply) -> dict[str, Any]:
    """Return the answer as one response."""
    output = [_item(block_id, block, reply) for block_id, block in reply.content()]
    return {**_response(reply, "completed", output), "usage": _usage(reply.counts)}


def stream(reply: Reply) -> Iterator[Sent | Block]:
    """Yield the answer's events; other blocks are passed to the server."""
    yield _event("response.created", response=_response(reply, "in_progress", []))
    index = 0
    for position, block in enumerate(reply.blocks):
        if not isinstance(block, Text | Thinking | ToolCall | WebSearch):
            yield block
            continue
        item = _item(reply.block_id(position), block, reply)
        yield _event("response.output_item.added", output_index=index, item=_started(item))
        yield from _deltas({"output_index": index, "item_id": item["id"]}, item)
        yield _event("response.output_item.done", output_index=index, item=item)
        index += 1
    done = {"type": "response.completed", "response": whole(reply)}
    # This API has one price for what is written to the cache.
    counts = replace(reply.counts, cache_creation_1h_tokens=0)
    yield event(done, "response.completed", counts, last=True)


def stream_error(failure: Failure) -> Sent:
    """Return an error in the middle of a stream."""
    failed = {"code": "server_error", "message": failure.message}
    return _event("response.failed", response={"status": "failed", "error": failed, "output": []})


def _event(kind: str, **fields: Any) -> Sent:
    return event({"type": kind, **fields}, kind)


def _response(reply: Reply, status: str, output: list[Any]) -> dict[str, Any]:
    return {
        "id": f"resp_{reply.number:06d}",
        "object": "response",
        "created_at": 0,
        "model": reply.request.model,
        "status": status,
        "output": output,
    }


def _usage(counts: Counts) -> dict[str, Any]:
    read, written = counts.cache_read_tokens, counts.cache_creation_tokens
    everything = counts.input_tokens + read + written
    return {
        "input_tokens": everything,
        "input_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
        "output_tokens": counts.output_tokens,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning_tokens},
        "total_tokens": everything + counts.output_tokens,
    }


def _item(block_id: str, block: Block, reply: Reply) -> dict[str, Any]:
    """Return the output item that a block of the script is on this wire."""
    match block:
        case Text(text):
            part = {"type": "output_text", "text": text, "annotations": []}
            item = {"type": "message", "id": f"msg_{block_id}", "role": "assistant"}
            return {**item, "status": "completed", "content": [part]}
        case Thinking(text):
            summary = [{"type": "summary_text", "text": text}]
            return {"type": "reasoning", "id": f"rs_{block_id}", "summary": summary}
        case WebSearch(query):
            action = {"type": "search", "query": query}
            item = {"type": "web_search_call", "id": f"ws_{block_id}"}
            return {**item, "status": "completed", "action": action}
        case ToolCall(name, given):
            return _call(
                block_id, name, given, dict(_offered(reply.request.body.get("tools") or []))
            )
    raise TypeError(f"{block!r} is not content")


def _call(
    block_id: str, name: str, given: Mapping[str, Any], offered: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    call = dict(offered.get(name, {"name": name, "kind": "function"}))
    ids = {"call_id": f"call_{block_id}", "status": "completed"}
    if call.pop("kind") == "custom":
        # A custom tool takes a text: the value of `input`.
        text = given.get("input", "")
        return {"type": "custom_tool_call", "id": f"ctc_{block_id}", **ids, **call, "input": text}
    arguments = json.dumps(dict(given))
    return {"type": "function_call", "id": f"fc_{block_id}", **ids, **call, "arguments": arguments}


def _started(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item as its stream begins."""
    match item["type"]:
        case "message":
            return {**item, "status": "in_progress", "content": []}
        case "function_call":
            return {**item, "status": "in_progress", "arguments": ""}
        case "custom_tool_call":
            return {**item, "status": "in_progress", "input": ""}
        case "web_search_call":
            return {**item, "status": "in_progress", "action": {"type": "search", "query": ""}}
    return {**item, "summary": []}


def _deltas(where: dict[str, Any], item: dict[str, Any]) -> Iterator[Sent]:
    match item["type"]:
        case "message":
            part, place = item["content"][0], {**where, "content_index": 0}
            yield _event("response.content_part.added", **place, part={**part, "text": ""})
            for text in halves(part["text"]):
                yield _event("response.output_text.delta", **place, delta=text)
            yield _event("response.output_text.done", **place, text=part["text"])
            yield _event("response.content_part.done", **place, part=part)
        case "reasoning":
            part, place = item["summary"][0], {**where, "summary_index": 0}
            name = "response.reasoning_summary"
            yield _event(f"{name}_part.added", **place, part={**part, "text": ""})
            yield _event(f"{name}_text.delta", **place, delta=part["text"])
            yield _event(f"{name}_text.done", **place, text=part["text"])
            yield _event(f"{name}_part.done", **place, part=part)
        case "function_call":
            name = "response.function_call_arguments"
            yield _event(f"{name}.delta", **where, delta=item["arguments"])
            yield _event(f"{name}.done", **where, arguments=item["arguments"])
