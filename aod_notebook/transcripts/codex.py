"""Codex's `--json` lines."""

from typing import Any

import msgspec

from aod_notebook.transcripts._json import as_dict, as_int, as_str, dumps
from aod_notebook.transcripts.account import Account, Reported
from aod_notebook.transcripts.content import text_of
from aod_notebook.transcripts.lines import Lines
from aod_notebook.transcripts.model import Entry, ModelUsage, Result, Usage

_INPUTS = {"command_execution": "command", "file_change": "changes"}
_METADATA = "Model metadata"
_RECONNECTING = "Reconnecting"


class CodexLines(Lines):
    """Reads Codex's lines; remembers the thread, and the turn's items that are calls."""

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._called: dict[str, Entry] = {}
        self._last_text: str | None = None
        self._thread = ""

    def read_object(self, kind: str, value: dict[str, Any], raw: str) -> list[Entry]:
        """Read a decoded line of type `kind`."""
        if kind.startswith("item."):
            return self._item(kind, as_dict(value.get("item")), raw)
        if kind in ("turn.completed", "turn.failed"):
            self._called.clear()  # item ids begin again with the next turn
            return [self._result(value, failed=kind == "turn.failed", raw=raw)]
        if kind == "error":
            return [_problem(as_str(value.get("message")), None, None, raw)]
        if kind in ("thread.started", "turn.started"):
            self._thread = as_str(value.get("thread_id")) or self._thread
            return [Entry("system", kind, raw=raw)]
        return [Entry(kind, raw=raw)]

    def end(self) -> list[Entry]:
        """Forget the turn: item ids begin again with the next one."""
        self._called.clear()
        self._last_text = None
        return []

    def _item(self, line_type: str, item: dict[str, Any], raw: str) -> list[Entry]:
        kind, item_id = as_str(item.get("type")), as_str(item.get("id"))
        completed = line_type == "item.completed"
        if kind in ("agent_message", "reasoning"):
            if not completed:
                return [Entry("system", line_type, message_id=item_id, raw=raw)]
            text = as_str(item.get("text"))
            if kind == "agent_message":
                self._last_text = text
            block = "text" if kind == "agent_message" else "thinking"
            return [Entry("assistant", kind, block, 0, text, message_id=item_id, raw=raw)]
        if kind == "error":
            return [_problem(as_str(item.get("message")), kind, item_id, raw)]
        if kind is None or kind == "todo_list":
            return [Entry("system", kind or line_type, message_id=item_id, raw=raw)]
        return self._call(line_type, kind, item, raw)

    def _call(self, line_type: str, kind: str, item: dict[str, Any], raw: str) -> list[Entry]:
        """A call at its first sight that has an input, its result at its completion."""
        item_id, is_over = as_str(item.get("id")), line_type == "item.completed"
        known = self._called.get(item_id) if item_id is not None else None
        entries = []
        if known is not None:
            # the call was given out with what was known of its input then; a command was whole
            if kind != "command_execution":
                given = dumps(_input(kind, item))
                known.input_json = max(known.input_json or "", given, key=len)
        elif is_over or kind != "web_search" or _query(item):
            call = Entry(
                "assistant",
                kind,
                "tool_use",
                0,
                tool=_tool(kind, item),
                tool_use_id=item_id,
                input_json=dumps(_input(kind, item)),
                message_id=item_id,
                raw=raw,
            )
            entries.append(call)
            if item_id is not None:
                self._called[item_id] = call
        if is_over:
            entries.append(
                Entry(
                    "user",
                    kind,
                    "tool_result",
                    len(entries),
                    _output(kind, item),
                    tool_use_id=item_id,
                    is_error=_failed(item),
                    raw=raw,
                )
            )
        return entries or [Entry("system", line_type, message_id=item_id, raw=raw)]

    def _result(self, value: dict[str, Any], *, failed: bool, raw: str) -> Entry:
        usage = _total(value.get("usage"))
        message = as_str(as_dict(value.get("error")).get("message"))
        result = Result(
            subtype="error" if failed else "success",
            is_error=failed,
            usage=usage,
            input_includes_cache=True,
            output_includes_reasoning=True,
            text=None if failed else self._last_text,
            errors=(message,) if message else (),
            model_usage=() if usage is None else (ModelUsage(None, usage),),
        )
        counted = Reported(result=result, counter=self._thread, is_running=True)
        return Entry(
            "result", result.subtype, is_error=failed, result=self.account.add(counted), raw=raw
        )


def usage_of(counts: dict[str, Any]) -> Usage:
    """Return the tokens that Codex counts."""
    return Usage(
        as_int(counts.get("input_tokens")),
        as_int(counts.get("output_tokens")),
        as_int(counts.get("cached_input_tokens")),
        as_int(counts.get("cache_write_input_tokens")),
        reasoning_tokens=as_int(counts.get("reasoning_output_tokens")),
    )


def _total(counts: Any) -> Usage | None:
    """Return the thread's total; None if not reported, which Codex writes as all zeros."""
    usage = usage_of(as_dict(counts))
    return usage if any(msgspec.structs.astuple(usage)) else None


def _problem(text: str | None, kind: str | None, item_id: str | None, raw: str) -> Entry:
    """An error; a note, if Codex continues."""
    if text is not None and text.startswith((_RECONNECTING, _METADATA)):
        return Entry("system", "note", text=text, message_id=item_id, raw=raw)
    return Entry("error", kind, text=text, message_id=item_id, is_error=True, raw=raw)


def _tool(kind: str, item: dict[str, Any]) -> str:
    if kind == "collab_tool_call":
        return as_str(item.get("tool")) or kind
    if kind != "mcp_tool_call":
        return kind
    return f"mcp__{as_str(item.get('server')) or ''}__{as_str(item.get('tool')) or ''}"


def _input(kind: str, item: dict[str, Any]) -> Any:
    if kind in _INPUTS:
        key = _INPUTS[kind]
        return {key: item.get(key)}
    if kind == "web_search":
        url = as_str(as_dict(item.get("action")).get("url"))
        return {"query": _query(item), "url": url} if url else {"query": _query(item)}
    if kind == "collab_tool_call":
        return {key: item.get(key) for key in ("prompt", "receiver_thread_ids")}
    return item.get("arguments")


def _query(item: dict[str, Any]) -> str:
    return as_str(item.get("query")) or as_str(as_dict(item.get("action")).get("query")) or ""


def _output(kind: str, item: dict[str, Any]) -> str | None:
    if kind == "command_execution":
        return as_str(item.get("aggregated_output"))
    error = item.get("error")
    if error is not None:
        return as_str(as_dict(error).get("message")) or text_of(error)
    if kind == "collab_tool_call":
        return _answers(as_dict(item.get("agents_states")))
    result = item.get("result")
    if not isinstance(result, dict):
        return text_of(result)
    content, structured = result.get("content", result), result.get("structured_content")
    return text_of(structured if structured is not None and not content else content)


def _answers(agents: dict[str, Any]) -> str:
    """The answers of the subagents; the status of one without an answer."""
    states = [as_dict(state) for state in agents.values()]
    return "\n".join(
        as_str(state.get("message")) or as_str(state.get("status")) or "?" for state in states
    )


def _failed(item: dict[str, Any]) -> bool:
    if item.get("status") in ("failed", "declined") or item.get("error") is not None:
        return True
    return item.get("exit_code") not in (None, 0)
