"""Agents' output lines (Claude, Codex, Gemini, opencode) read into one model."""

from aod_notebook.transcripts.account import Account
from aod_notebook.transcripts.claude_wire import Message, Spoken, ToolResult, ToolUse
from aod_notebook.transcripts.model import (
    LINE_TYPES,
    Entry,
    ModelUsage,
    Result,
    Spent,
    Usage,
    arguments,
)
from aod_notebook.transcripts.reader import RUNTIMES, Reader
from aod_notebook.transcripts.summary import KINDS, one_line, summary

__all__ = [
    "KINDS",
    "LINE_TYPES",
    "RUNTIMES",
    "Account",
    "Entry",
    "Message",
    "ModelUsage",
    "Reader",
    "Result",
    "Spent",
    "Spoken",
    "ToolResult",
    "ToolUse",
    "Usage",
    "arguments",
    "one_line",
    "summary",
]
