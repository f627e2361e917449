"""Which runtime wrote a line: recognised by the line itself."""

from typing import Any

_CODEX_PREFIXES = ("thread.", "turn.", "item.")
_CLAUDE_TYPES = frozenset({"system", "assistant", "user", "stream_event", "rate_limit_event"})


def runtime_of(value: Any) -> str | None:
    """Name the runtime of a decoded line: claude, codex, gemini, opencode; None if unclear.

    Example:
        >>> runtime_of({"type": "thread.started", "thread_id": "th1"})
        'codex'
    """
    if not isinstance(value, dict):
        return None
    kind = value.get("type")
    if not isinstance(kind, str):
        return None
    if kind.startswith(_CODEX_PREFIXES):
        return "codex"
    if "sessionID" in value or (isinstance(value.get("part"), dict) and "timestamp" in value):
        return "opencode"
    if kind in _CLAUDE_TYPES:
        return "claude"
    if kind == "result":
        return "gemini" if "status" in value else "claude"
    if kind == "error":
        return "gemini" if "severity" in value else None
    gemini_mark = {"init": "model", "message": "role", "tool_use": "tool_name"}.get(kind, "tool_id")
    return "gemini" if gemini_mark in value else None
