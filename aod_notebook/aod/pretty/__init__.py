"""Printers that make an agent's JSON lines readable, one per runtime."""

from aod_notebook.aod.pretty._formatter import Formatter, OutputEvent
from aod_notebook.aod.pretty.claude import ClaudeFormatter
from aod_notebook.aod.pretty.codex import CodexFormatter
from aod_notebook.aod.pretty.gemini import GeminiFormatter
from aod_notebook.aod.pretty.opencode import OpencodeFormatter

__all__ = [
    "ClaudeFormatter",
    "CodexFormatter",
    "Formatter",
    "GeminiFormatter",
    "OpencodeFormatter",
    "OutputEvent",
    "formatter_for",
]

_FORMATTERS: dict[str, type[Formatter]] = {
    "claude": ClaudeFormatter,
    "anthropic": ClaudeFormatter,
    "codex": CodexFormatter,
    "openai": CodexFormatter,
    "gemini": GeminiFormatter,
    "google": GeminiFormatter,
    "opencode": OpencodeFormatter,
}


def formatter_for(name: str | None = None, *, tool_results: bool = False) -> Formatter:
    """Pick the printer for a session's runtime or provider.

    Any other name, and None, give a `Formatter` that recognises the runtime from the lines
    and prints what it does not know as it is.

    Example:
        >>> type(formatter_for("anthropic")).__name__
        'ClaudeFormatter'
    """
    return _FORMATTERS.get(name or "", Formatter)(tool_results=tool_results)
