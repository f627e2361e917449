"""Findings about wasted work."""

import re
from collections.abc import Iterator
from typing import Final

from aod_notebook.frames.insights.session import (
    Call,
    Finding,
    Limits,
    Row,
    SessionRows,
    of_calls,
)

_SUBAGENTS: Final = frozenset({"Task", "Agent", "task"})
_WORD: Final = re.compile(r"\w{5,}")
"""Shorter words of an answer occur everywhere, so they say nothing of its use."""
_TRAILERS: Final = ("agentId: ", "</task_result>")
"""What the CLIs write below a subagent's answer."""


def work_after_edits(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find turns with many calls after the last edit."""
    for calls in session.by_turn():
        edits = [at for at, call in enumerate(calls) if call.edits and not call.is_error]
        after = calls[edits[-1] + 1 :] if edits else []
        if len(after) >= limits.calls_after_edit:
            text = f"{len(after)} calls followed the last edit"
            yield of_calls("work_after_edit", "info", text, after)


def unused_subagents(session: SessionRows, _: Limits) -> Iterator[Finding]:
    """Find subagents with answers that nothing afterwards used."""
    for call in session.calls:
        if call.tool not in _SUBAGENTS or not call.has_result or call.is_error:
            continue
        words = _words(_answer(call)) - _words(call.input)
        later = _later_words(session, call)
        if words and later is not None and not words & later:
            text = "Nothing of the subagent's answer shows up in what followed"
            found = of_calls("unused_subagent", "warn", text, [call])
            own = (row.message_id for row in session.rows if row.parent == call.tool_use_id)
            messages = list(dict.fromkeys(key for key in own if key and call.tool_use_id))
            orders = [*found.orders, *([call.result_order] if call.result_order else [])]
            yield found._replace(messages=messages, orders=orders)


def _answer(call: Call) -> str:
    """Return a subagent's own words."""
    text = call.output.rpartition("<task_result>")[2]
    for trailer in _TRAILERS:
        text = text.partition(trailer)[0]
    return text


def _words(text: str) -> set[str]:
    """Return the words of a text; of a path its parts, as it may be written in several ways."""
    return set(_WORD.findall(text.lower()))


def _later_words(session: SessionRows, call: Call) -> set[str] | None:
    """Return the words that the same speaker wrote later in the turn; None if there are none."""
    end = call.result_order or call.order
    spoken: list[tuple[Row | Call, str]] = [
        (row, row.text)
        for row in session.rows
        if row.line_type == "assistant" and row.block == "text"
    ]
    asked: list[tuple[Row | Call, str]] = [(other, other.input) for other in session.calls]
    texts = [
        text
        for one, text in (*spoken, *asked)
        if one.order > end and one.turn == call.turn and one.parent == call.parent
    ]
    return set().union(*map(_words, texts)) if texts else None
