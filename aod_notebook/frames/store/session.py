"""One stored session, opened: its tables and its events."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from aod_notebook.aod import StreamEvent
from aod_notebook.core import current
from aod_notebook.frames.checks import FrameError

_SHORTEST_ID = 4
"""Shorter beginnings of an id are more often a mistake than an id."""


@dataclass(frozen=True)
class OpenedLog:
    """A session that a log holds; `open_log` opens it.

    Attributes:
        id: the CLI's own id of the session.
        runtime: claude, codex, gemini or opencode.
        title: its title, else the first words of its first prompt.
        status: completed or failed.
    """

    id: str
    runtime: str | None
    title: str | None
    status: str
    _frame: Callable[[str], pd.DataFrame] = field(repr=False)

    @property
    def turns(self) -> pd.DataFrame:
        """The turns."""
        return self._frame("turns")

    @property
    def events(self) -> pd.DataFrame:
        """The lines that the CLI would have printed."""
        return self._frame("events")

    @property
    def messages(self) -> pd.DataFrame:
        """The messages, a row per content block."""
        return self._frame("messages")

    @property
    def tool_calls(self) -> pd.DataFrame:
        """The tool calls."""
        return self._frame("tool_calls")

    @property
    def results(self) -> pd.DataFrame:
        """What each turn used and cost."""
        return self._frame("results")

    @property
    def model_usage(self) -> pd.DataFrame:
        """What each turn used of each model."""
        return self._frame("model_usage")

    def received(self) -> list[StreamEvent]:
        """Return the events as a service would have sent them: what viewers take."""
        made: list[StreamEvent] = []
        last = None
        whole = self.events
        events = whole[whole["type"].eq("output")]  # a service's own events belong to no turn
        columns = (events[name] for name in ("turn", "stream", "data", "created_at"))
        for turn, stream, data, at in zip(*columns, strict=True):
            time = {} if pd.isna(at) else {"created_at": at.isoformat()}
            if turn != last:
                last = turn
                made.append(StreamEvent("turn_start", None, {"turn": int(turn), **time}))
            extra = {"stream": str(stream), "data": data, "turn": int(turn), **time}
            made.append(StreamEvent("output", len(made), extra))
        end = {"message": "failed"} if self.status == "failed" else {"code": 0}
        made.append(StreamEvent("error" if self.status == "failed" else "exit", None, end))
        return made

    def viewer(self, at: Any = None) -> Any:
        """Return a viewer of the transcript.

        Args:
            at: the row at which it opens: a row of `tool_calls` or `messages`, a finding of
                `frames.insights_df`, or an `order`; None for the last row.

        Raises:
            AodNotebookError: `at` names no row of this session.
        """
        return current.view("viewer")(self, at)

    def trace(self) -> Any:
        """Return a trace: turns, messages, tool calls and subagents on a time axis."""
        return current.view("trace")(self)


def chosen(wanted: str, ids: list[str]) -> str | None:
    """Return the id that is meant by an id or its beginning; None if there is none.

    Raises:
        FrameError: it is too short, or several begin so.
    """
    if wanted in ids:
        return wanted
    if len(wanted) < _SHORTEST_ID:
        raise FrameError(
            f"`{wanted}` is too short for an id. Use at least {_SHORTEST_ID} characters."
        )
    found = [one for one in ids if one.startswith(wanted)]
    if len(found) > 1:
        raise FrameError(f"`{wanted}` begins {len(found)} ids: {', '.join(sorted(found)[:5])}.")
    return found[0] if found else None


def opened(row: Any, frame: Callable[[str], pd.DataFrame]) -> OpenedLog:
    """Open a session: its row of `sessions`, and what reads its frames."""
    known = {name: None if pd.isna(row.get(name)) else str(row[name]) for name in _ROW}
    return OpenedLog(
        str(row["session_id"]),
        known["runtime"],
        known["title"],
        known["status"] or "completed",
        frame,
    )


_ROW = ("runtime", "title", "status")
