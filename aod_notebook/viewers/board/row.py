"""A row of the board: the known facts of one session or run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from aod_notebook.contract import ACTIVE_STATUSES
from aod_notebook.core import words
from aod_notebook.core.clock import micros
from aod_notebook.core.text import one_line
from aod_notebook.viewers.row import Kind
from aod_notebook.viewers.rows import RowBuilder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aod_notebook.viewers.protocols import Event, Source
    from aod_notebook.viewers.row import Row

TEXT_CHARS = 200
MOST_FAILING = 8
QUEUED = "queued"
"""The status of a batch's session that was not created yet."""


class BoardRow(msgspec.Struct):
    """One session or run; None and "" are unknown.

    Attributes:
        id: its id; empty as long as it has none.
        status: `queued`, or what its service says.
        prompt: the first line of the first prompt, or what else heads it.
        agent: the agent's name, else its runtime.
        model: the model, without its provider.
        turns: how many turns there were.
        tools: how many tool calls.
        failed: how many of them failed.
        tokens: read and written.
        cost: US dollars.
        duration: seconds from its start to its end; None while it runs.
        created: seconds since 1970.
        last: its last line.
        is_run: whether it is a run of AgentOS.
        failing: the tools that failed, the most often first, with how often.
    """

    id: str = ""
    status: str = ""
    prompt: str = ""
    agent: str = ""
    model: str = ""
    turns: int | None = None
    tools: int | None = None
    failed: int | None = None
    tokens: int | None = None
    cost: float | None = None
    duration: float | None = None
    created: float | None = None
    last: str = ""
    is_run: bool = False
    failing: tuple[tuple[str, int], ...] = ()

    def record(self) -> list[Any]:
        """Return the row as the page reads it (`page/boardrows.js`)."""
        named = (self.id, self.status, self.prompt, self.agent, self.model)
        return [
            *(one_line(text, TEXT_CHARS) for text in named), self.turns, self.tools, self.failed,
            self.tokens, self.cost, self.duration, self.created, one_line(self.last, TEXT_CHARS),
            int(self.is_run), [(one_line(tool, 60), times) for tool, times in self.failing],
        ]  # fmt: skip


def is_active(row: BoardRow) -> bool:
    """Check whether a session or run has work left."""
    return (
        row.status == QUEUED or row.status in ACTIVE_STATUSES or row.status.startswith("awaiting")
    )


class Followed:
    """Keeps the row of a followed session or run up to date from its events.

    Args:
        source: the session or run, such as a `live.LiveSession`.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.is_over = False
        self._builder = RowBuilder(source.runtime, getattr(source, "prompts", {}))
        self._taken = 0
        self._first: float | None = None
        self._latest: float | None = None
        self._last = ""
        self._failing: Counter[str] = Counter()

    def read(self) -> bool:
        """Read new events; return whether there were any, or whether it ended."""
        if self.is_over:
            return False
        ended = self.source.is_final
        new = self.source.received(self._taken)
        self._taken += len(new)
        for event, received in new:
            self._take(event, received)
        if ended:
            self._look(self._builder.finish())
            self.is_over = True
        return ended or bool(new)

    def _take(self, event: Event, received: float) -> None:
        at = micros(event.extra.get("created_at") or event.extra.get("occurred_at"))
        moment = received if at is None else at / 1e6
        self._first = moment if self._first is None else self._first
        self._latest = moment
        self._look(self._builder.feed(event))

    def _look(self, rows: Iterable[Row]) -> None:
        """Record failures, and the last meaningful line."""
        for row in rows:
            if row.kind is Kind.TOOL and row.is_error:
                self._failing[row.title] += 1
            if row.kind in (Kind.STAGES, Kind.PROMPT, Kind.SYSTEM, Kind.END, Kind.TURN):
                continue
            if row.kind is Kind.TOOL:
                self._last = f"{row.title}: {row.text}".removesuffix(": ")
            elif row.kind is Kind.RESULT:
                self._last = self._builder.summary.answer or row.title
            elif row.text.strip():
                self._last = row.text.strip().rpartition("\n")[2]

    def row(self) -> BoardRow:
        """Return what is known now."""
        source, whole = self.source, self._builder.summary
        prompts = getattr(source, "prompts", None) or {}
        prompt = prompts[min(prompts)].strip().partition("\n")[0] if prompts else source.title
        status = source.status if self.is_over else whole.status
        spent = (whole.tokens_in, whole.tokens_out)
        took = None
        if self.is_over and self._first is not None and self._latest is not None:
            took = max(0.0, self._latest - self._first)
        return BoardRow(
            source.id,
            status,
            prompt,
            str(getattr(source, "agent", None) or source.runtime or ""),
            words.model_name(whole.model or getattr(source, "model", None)),
            whole.turns or None,
            whole.tool_calls,
            whole.failed_calls,
            sum(each or 0 for each in spent) if any(each is not None for each in spent) else None,
            whole.cost_usd,
            took,
            self._first,
            self._last,
            hasattr(source, "run_id"),
            tuple(self._failing.most_common(MOST_FAILING)),
        )
