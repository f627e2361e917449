"""Codex's `--json` lines (CONTRACT A.13.3)."""

from typing import Any

from aod_notebook.transcripts._json import as_dict, as_int, as_str, dumps
from aod_notebook.transcripts.content import text_of
from aod_notebook.transcripts.lines import Lines
from aod_notebook.transcripts.model import Entry, ModelUsage, Result, Usage

_INPUTS = {"command_execution": "command", "file_change": "changes", "web_search": "query"}


class CodexLines(Lines):
    """Reads Codex's lines; remembers which items of the turn it has already shown as calls."""

    def __init__(self) -> None:
        self._called: set[str] = set()
        self._last_text: str | None = None

    def read_object(self, kind: str, value: dict[str, Any], raw: str) -> list[Entry]:
        """Read a decoded line of type `kind`."""
        if kind.startswith("item."):
            return self._item(kind, as_dict(value.get("item")), raw)
        if kind in ("turn.completed", "turn.failed"):
            return [self._result(value, failed=kind == "turn.failed", raw=raw)]
        if kind == "error":
            text = as_str(value.get("message"))
            return [Entry("error", text=text, is_error=True, raw=raw)]
        if kind in ("thread.started", "turn.started"):
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
            text = as_str(item.get("message"))
            return [Entry("error", kind, text=text, message_id=item_id, is_error=True, raw=raw)]
        if kind is None or kind == "todo_list":
            return [Entry("system", kind or line_type, message_id=item_id, raw=raw)]
        return self._call(line_type, kind, item, raw)

    def _call(self, line_type: str, kind: str, item: dict[str, Any], raw: str) -> list[Entry]:
        """A call at its first sight, its result at its completion."""
        item_id = as_str(item.get("id"))
        entries = []
        if item_id is None or item_id not in self._called:
            if item_id is not None:
                self._called.add(item_id)
            entries.append(
                Entry(
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
            )
        if line_type == "item.completed":
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
        told = value.get("usage")
        usage = None
        if isinstance(told, dict):
            usage = Usage(
                as_int(told.get("input_tokens")),
                as_int(told.get("output_tokens")),
                as_int(told.get("cached_input_tokens")),
            )
        message = as_str(as_dict(value.get("error")).get("message"))
        result = Result(
            subtype="error" if failed else "success",
            is_error=failed,
            usage=usage,
            input_includes_cache=True,
            text=None if failed else self._last_text,
            errors=(message,) if message else (),
            model_usage=() if usage is None else (ModelUsage(None, usage),),
        )
        return Entry("result", result.subtype, is_error=failed, result=result, raw=raw)


def _tool(kind: str, item: dict[str, Any]) -> str:
    if kind != "mcp_tool_call":
        return kind
    return f"mcp__{as_str(item.get('server')) or ''}__{as_str(item.get('tool')) or ''}"


def _input(kind: str, item: dict[str, Any]) -> Any:
    if kind in _INPUTS:
        key = _INPUTS[kind]
        return {key: item.get(key)}
    return item.get("arguments")


def _output(kind: str, item: dict[str, Any]) -> str | None:
    if kind == "command_execution":
        return as_str(item.get("aggregated_output"))
    error = item.get("error")
    if error is not None:
        return as_str(as_dict(error).get("message")) or text_of(error)
    result = item.get("result")
    return text_of(result.get("content", result) if isinstance(result, dict) else result)


def _failed(item: dict[str, Any]) -> bool:
    if item.get("status") in ("failed", "declined") or item.get("error") is not None:
        return True
    return item.get("exit_code") not in (None, 0)
