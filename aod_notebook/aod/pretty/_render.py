"""How one line of a transcript looks."""

from collections.abc import Iterator, Sequence
from typing import Any

from aod_notebook.transcripts import KINDS, Entry, Result, one_line, summary

_SIGNS = {
    "command": "🔧",
    "read": "📖",
    "write": "📝",
    "edit": "✏️ ",
    "changes": "✏️ ",
    "notebook": "📓",
    "grep": "🔍",
    "glob": "🔎",
    "web": "🌐",
    "search": "🌐",
    "task": "🤖",
    "todo": "📋",
    "todo item": "📋",
    "plan": "📐",
}
_OTHER_TOOL = "🛠️ "
_LINE_CHARS = 200


class Renderer:
    """Shows entries; remembers which errors of the turn it has shown already."""

    def __init__(self, *, tool_results: bool) -> None:
        self._tool_results = tool_results
        self._shown_errors: set[str] = set()

    def render(self, entries: Sequence[Entry], runtime: str | None) -> str | None:
        """Show the entries of one line; None if there is nothing to show."""
        first = entries[0]
        if first.line_type == "text":
            return first.text
        pieces = [piece for entry in entries for piece in self._pieces(entry, runtime)]
        indent = "  " if first.parent_tool_use_id else ""
        lines = [indent + line for line in "\n".join(pieces).splitlines()]
        return "\n".join(lines) if pieces else None

    def _pieces(self, entry: Entry, runtime: str | None) -> Iterator[str]:
        match entry.line_type:
            case _ if entry.is_note:
                yield f"⏳ {one_line(entry.text, _LINE_CHARS)}"
            case "system":
                yield from _system(entry)
            case "assistant" if entry.is_error:
                yield self._error(entry.text or "unknown error")
            case "assistant":
                yield from _own_words(entry)
            case "user" if entry.block == "tool_result" and self._tool_results:
                sign = "❌" if entry.is_error else "↩️ "
                yield f"{sign} {one_line(entry.text, _LINE_CHARS)}".rstrip()
            case "error" if entry.is_error:
                yield self._error(entry.text or "unknown error")
            case "error":
                yield f"⚠️  Warning · {(entry.text or '').strip()}"
            case "result" if entry.result is not None:
                yield from self._result(entry.result, runtime)

    def _error(self, message: str) -> str:
        self._shown_errors.add(message)
        return f"⚠️  Error · {message.strip()}"

    def _result(self, result: Result, runtime: str | None) -> Iterator[str]:
        is_good = result.subtype == "success" and not result.is_error
        yield f"{'✨' if is_good else '⚠️ '} {_done(result, is_claude=runtime == 'claude')}"
        if not is_good:
            reasons = result.errors or (result.text or result.subtype or "",)
            for reason in reasons:
                if reason and reason not in self._shown_errors:
                    yield self._error(reason)
        for denial in result.permission_denials:
            yield _denial(denial)
        self._shown_errors.clear()


def _system(entry: Entry) -> Iterator[str]:
    if entry.subtype == "init":
        yield f"⚙️  Session init · {_init(entry)}"
    elif entry.subtype == "thread.started":
        yield "⚙️  Session init"
    elif entry.subtype == "task_started":
        yield f"🚀 Task spawned · {entry.text or '(no description)'}"


def _init(entry: Entry) -> str:
    fields = entry.fields
    parts = [f"model={entry.model or '?'}"]
    tools, servers = fields.get("tools"), fields.get("mcp_servers")
    if isinstance(tools, list) or "subtype" in fields:
        parts.append(f"tools={len(tools) if isinstance(tools, list) else 0}")
    if isinstance(servers, list) and servers:
        names = [s.get("name") if isinstance(s, dict) else s for s in servers]
        parts.append(f"mcp=[{', '.join(str(name or '?') for name in names)}]")
    return ", ".join(parts)


def _own_words(entry: Entry) -> Iterator[str]:
    match entry.block:
        case "thinking":
            if thought := one_line(entry.text, _LINE_CHARS):
                yield f"💭 {thought}"
        case "text":
            if text := (entry.text or "").strip():
                yield f"✉️  {text}"
        case "tool_use":
            detail = summary(entry.tool, entry.input)
            sign = _SIGNS.get(KINDS.get(entry.tool or "", ""), _OTHER_TOOL)
            yield f"{sign} {entry.tool or '?'}" + (f" · {detail}" if detail else "")


def _done(result: Result, *, is_claude: bool) -> str:
    parts = []
    if result.duration_ms is not None or is_claude:
        parts.append(f"agent {(result.duration_ms or 0) / 1000:.1f}s")
    if result.num_turns:
        parts.append(f"{result.num_turns} turns")
    if result.cost_usd is not None:
        parts.append(f"tokens ${result.cost_usd:.4f}")
    elif result.usage is not None and not is_claude:
        counts = ((result.tokens_in, "in"), (result.tokens_out, "out"))
        known = [f"{count} {way}" for count, way in counts if count is not None]
        parts += [f"tokens {', '.join(known)}"] if known else []
    return f"Done · {', '.join(parts)}" if parts else "Done"


def _denial(denial: dict[str, Any]) -> str:
    tool, arguments = denial.get("tool_name"), denial.get("tool_input")
    detail = summary(tool if isinstance(tool, str) else None, arguments)
    return f"🚫 Permission denied · {tool or '?'}" + (f" · {detail}" if detail else "")
