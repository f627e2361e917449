"""Why a turn failed, in the words of the agent's own command line, and what to do about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aod_notebook.core.text import one_line
from aod_notebook.transcripts.noise import is_noise

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from aod_notebook.aod import StreamEvent

__all__ = ["advice", "error_line", "failed_result"]

_LONGEST = 500

_LOGIN = re.compile(
    r"not logged in|/login|\b401\b|unauthori[sz]ed|authentication_error|auth(?:entication)? method"
    r"|invalid (?:x-)?api[- ]key|api[ _-]key (?:is )?(?:not valid|invalid|missing|expired)"
    r"|api_key_invalid|missing (?:bearer|environment variable)|(?:oauth )?token (?:has )?expired"
    r"|must specify the \w+_api_key|refresh token|log ?out and (?:log|sign) in",
    re.IGNORECASE,
)
_OPENCODE_UNTOLD = "Unexpected server error. Check server logs for details."
_WHERE = {
    "claude": "Log in with `claude` in a terminal (/login), or set ANTHROPIC_API_KEY.",
    "codex": "Log in with `codex login` in a terminal, or set OPENAI_API_KEY.",
    "gemini": "Log in with `gemini` in a terminal, or set GEMINI_API_KEY.",
    "opencode": "Log in with `opencode auth login` in a terminal, or set the key of the model's "
    "provider (ANTHROPIC_API_KEY, OPENAI_API_KEY, …).",
}


def failed_result(results: pd.DataFrame, turn: int | None) -> str | None:
    """Return what the agent said of a turn that it calls failed; None if it calls it good.

    Empty if it said nothing.

    Args:
        results: a results frame of one session.
        turn: the number of the turn; None for the last one.
    """
    rows = results if turn is None else results[results["turn"].eq(turn).fillna(False)]
    if not len(rows):
        return None
    if not rows["is_error"].fillna(False).iloc[-1]:  # NA too: it did not say that it failed
        return None
    text = rows["result"].iloc[-1]
    return one_line(text, _LONGEST) if isinstance(text, str) else ""


def error_line(events: Iterable[StreamEvent]) -> str:
    """Return the last line on stderr in the last turn that is not noise, or the failed stage's."""
    chunks: list[str] = []
    for event in events:
        extra = event.extra
        if event.type == "turn_start":
            chunks.clear()
        elif event.type == "stage" and extra.get("state") == "failed":
            chunks.append(f"{extra.get('message') or ''}\n")
        elif event.type == "output" and extra.get("stream") == "stderr":
            chunks.append(str(extra.get("data") or ""))
    lines = [line for line in "".join(chunks).strip().splitlines() if not is_noise(line)]
    return one_line(lines[-1], _LONGEST) if lines else ""


def advice(runtime: str | None, reason: str) -> str:
    """Return where to log in if that is what the reason is about, else nothing.

    Example:
        >>> advice("codex", "unexpected status 401 Unauthorized")
        'Log in with `codex login` in a terminal, or set OPENAI_API_KEY.'
        >>> advice("codex", "the disk is full")
        ''
    """
    where = _WHERE.get(runtime or "", "")
    if where and _LOGIN.search(reason):
        return where
    if runtime == "opencode" and _OPENCODE_UNTOLD in reason:
        return f"A wrong model or a missing login ends so. {where} `opencode models` lists models."
    return ""
