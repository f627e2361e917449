"""Rows as plain lines: for terminals, logs, and the text beside a notebook's HTML."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aod_notebook.core.text import clip, counted
from aod_notebook.core.words import dollars, tokens
from aod_notebook.viewers.row import FOLDED, INLINE, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aod_notebook.viewers.row import Row, Summary

SIGNS = {
    Kind.STAGES: "·",
    Kind.STAGE: "·",
    Kind.TURN: "──",
    Kind.SYSTEM: "·",
    Kind.TEXT: "",
    Kind.THINKING: "…",
    Kind.TOOL: "▸",
    Kind.TOOL_RESULT: "",
    Kind.OUTPUT: "",
    Kind.STDERR: "stderr:",
    Kind.RESULT: "✓",
    Kind.END: "──",
    Kind.MODEL: "◇",
    Kind.STEP: "▪",
    Kind.EVENT: "·",
    Kind.QUESTION: "?",
    Kind.PROMPT: ">",
}
LONG_ROW_LINES = 8
"""Rows of the kinds in `FOLDED` are cut to this many lines; words and output are not."""
LINE_CHARS = 400


def plain_lines(row: Row) -> Iterator[str]:
    """Yield a row as lines of text, indented by its depth; what is cut says how much it was.

    Example:
        >>> from aod_notebook.viewers.row import Kind, Row
        >>> list(plain_lines(Row(Kind.TOOL, "Bash", "ls -l", depth=1)))
        ['  ▸ Bash  ls -l']
    """
    if row.replaces is not None:  # what was printed stays
        return
    sign = "✗" if row.is_error and row.kind is not Kind.STDERR else SIGNS[row.kind]
    indent = "  " * row.depth
    lines = row.text.split("\n") if row.text else []
    if row.kind in FOLDED and len(lines) > LONG_ROW_LINES:
        cut = len(lines) - LONG_ROW_LINES + 1
        lines = [*lines[: LONG_ROW_LINES - 1], f"[{cut} more lines]"]
    if row.title and row.kind in INLINE and len(lines) <= 1:
        lines = [f"{row.title}  {' '.join(lines)}".rstrip()]
    elif row.title:
        lines = [row.title, *(f"  {line}" for line in lines)]
    if row.kind not in (Kind.TEXT, Kind.OUTPUT, Kind.PROMPT):
        lines = [clip(line, LINE_CHARS) for line in lines]
    for number, line in enumerate(lines):
        lead = f"{sign} " if sign and (number == 0 or row.kind is Kind.STDERR) else ""
        hang = "" if lead or not sign else " " * (len(sign) + 1)
        yield f"{indent}{lead}{hang}{line}".rstrip()


def plain_text(rows: Iterable[Row], after: Row | None = None) -> Iterator[str]:
    """Yield rows as lines of text, with an empty line between two paragraphs.

    Args:
        rows: the rows.
        after: the row that stands before them, if one does.

    Example:
        >>> from aod_notebook.viewers.row import Kind, Row
        >>> list(plain_text([Row(Kind.TEXT, text="One."), Row(Kind.TEXT, text="Two.")]))
        ['One.', '', 'Two.']
    """
    for row in rows:
        if row.replaces is not None:
            continue
        if after is not None and after.kind is row.kind is Kind.TEXT:
            yield ""
        yield from plain_lines(row)
        after = row


def status_line(title: str, summary: Summary) -> str:
    """Return one line with what is known of the whole.

    Example:
        >>> from aod_notebook.viewers.row import Summary
        >>> status_line("shell · 1", Summary(status="failed", exit_code=3, turns=1))
        'shell · 1 · failed · exit code 3 · 1 turn'
    """
    return " · ".join(filter(None, [title, status_word(summary.status), about(summary)]))


def status_word(status: str) -> str:
    """Return a status as people write it."""
    return status.replace("_", " ")


def about(summary: Summary) -> str:
    """Return what is known beside the status: exit code, turns, tool calls, tokens, cost.

    Example:
        >>> from aod_notebook.viewers.row import Summary
        >>> about(Summary(model="m-1", tool_calls=1, tokens_in=213_868, tokens_out=2_569))
        'm-1 · 1 tool call · 214k tokens in, 2.6k out'
    """
    parts = [summary.model]
    if summary.exit_code not in (None, 0):
        parts.append(f"exit code {summary.exit_code}")
    if summary.turns:
        parts.append(_turns(summary.turns, summary.turn))
    if summary.tool_calls:
        failed = f" ({summary.failed_calls} failed)" if summary.failed_calls else ""
        parts.append(counted(summary.tool_calls, "tool call") + failed)
    if summary.tokens_in is not None:
        cached = f" ({tokens(summary.tokens_cached)} cached)" if summary.tokens_cached else ""
        parts.append(
            f"{tokens(summary.tokens_in)} tokens in{cached}, {tokens(summary.tokens_out or 0)} out"
        )
    if summary.cost_usd is not None and math.isfinite(summary.cost_usd):
        parts.append(dollars(summary.cost_usd))
    return " · ".join(filter(None, parts))


def _turns(count: int, last: int) -> str:
    """Explain how many turns there were, or which, if not all are shown."""
    if last <= count:
        return counted(count, "turn")
    return f"turn {last}" if count == 1 else f"turns {last - count + 1} to {last}"
