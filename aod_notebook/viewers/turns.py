"""What the head of a turn says once the turn has ended."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import structs

from aod_notebook.core.text import counted, one_line
from aod_notebook.core.words import dollars, tokens
from aod_notebook.transcripts.model import Spent
from aod_notebook.viewers.row import Extra
from aod_notebook.viewers.tools import seconds

if TYPE_CHECKING:
    from aod_notebook.viewers.protocols import Event
    from aod_notebook.viewers.row import Row
    from aod_notebook.viewers.tools import ToolRows

LAST_WORDS = 80
STARTED = ("stage", "runtime_start", "started")
MOST_TOOLS = 6
_MARKS = re.compile(r"[`*#]+")
"""Of Markdown, which a line shows as it is written."""


@dataclass
class Turn:
    """A turn under way.

    Attributes:
        number: the number of the row that heads it.
        head: that row.
        began: when it began, in microseconds since 1970; None if that is unknown.
        spent: what the turns before it used and cost.
        states: how many rows replaced others before it.
        prompt: what was asked, on one line; empty if that is unknown.
        words: the agent's last words.
    """

    number: int
    head: Row
    began: int | None = None
    spent: Spent = field(default_factory=Spent)
    states: int = 0
    prompt: str = ""
    words: str = ""

    def row(self, rows: int, tools: ToolRows, spent: Spent, ended: int | None) -> Row:
        """Return the head with what happened: rows, calls, tokens, cost, time, last words."""
        facts = [counted(rows, "row")]
        calls = tools.counts.most_common(MOST_TOOLS)
        facts.append(", ".join(f"{name} {count}{_failed(tools, name)}" for name, count in calls))
        facts.append(_tokens(spent, self.spent))
        cost = None if spent.cost_usd is None else spent.cost_usd - (self.spent.cost_usd or 0.0)
        facts.append(dollars(cost))
        if self.began is not None and ended is not None and ended > self.began:
            facts.append(seconds((ended - self.began) / 1e6))
        words = one_line(_MARKS.sub("", self.words), LAST_WORDS)
        extra = Extra(note=" · ".join(filter(None, facts)), last=f"“{words}”" if words else "")
        return structs.replace(self.head, extra=extra, replaces=self.number)


def _tokens(now: Spent, before: Spent) -> str:
    """Return the tokens of a turn, or nothing where its runtime reports none."""
    if now.usage is None or (now.tokens_in, now.tokens_out) == (
        before.tokens_in,
        before.tokens_out,
    ):
        return ""
    read = (now.tokens_in or 0) - (before.tokens_in or 0)
    written = (now.tokens_out or 0) - (before.tokens_out or 0)
    return f"{tokens(read)} tokens in, {tokens(written)} out"


def turn_begun(event: Event, before: int) -> int | None:
    """Return the number of the turn that begins with an event; None if none does.

    A turn begins as its runtime is started, which names no turn; `turn_start` comes with the
    first output only, so never for a turn without.
    """
    extra = event.extra
    if event.type == "turn_start":
        named = extra.get("turn")
        return named if isinstance(named, int) else before + 1
    is_start = (event.type, extra.get("stage"), extra.get("state")) == STARTED
    return before + 1 if is_start else None


def _failed(tools: ToolRows, name: str) -> str:
    return f" ({tools.failed[name]} failed)" if tools.failed[name] else ""
