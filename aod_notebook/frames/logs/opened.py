"""One session of a store or of logs, opened: its tables and its events."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.dataset as ds

from aod_notebook.aod import StreamEvent
from aod_notebook.core import current
from aod_notebook.core.settings import home
from aod_notebook.frames.checks import FrameError
from aod_notebook.frames.logs.rows import (
    LogPath,
    events_of_logs,
    found_logs,
    is_path,
    read_sessions,
    sessions_at,
    sessions_of_logs,
    turns_of_logs,
)
from aod_notebook.frames.report import Report
from aod_notebook.frames.store import Store, scan
from aod_notebook.frames.transcripts.messages import messages_of
from aod_notebook.frames.transcripts.pieces import pieces
from aod_notebook.frames.transcripts.results import model_usage_of, results_of
from aod_notebook.frames.transcripts.tool_calls import tool_calls_of
from aod_notebook.logs import LogSession, count_once, one_each

_SHORTEST_ID = 4
"""Shorter beginnings of an id are more often a mistake than an id."""
_DERIVED = {
    "messages": messages_of,
    "tool_calls": tool_calls_of,
    "results": results_of,
    "model_usage": model_usage_of,
}


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
        events = self.events
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


def open_log(session_id: str, where: Store | LogPath | None = None) -> OpenedLog:
    """Open one session of the logs on this machine.

    Args:
        session_id: its id, or the beginning of it (4 characters or more).
        where: a store or its folder, or the path of logs; None for the store that `import_logs`
            fills by default, then for the logs where the CLIs write by default.

    Raises:
        FrameError: the session does not exist, or several begin so.

    Example:
        >>> frames.open_log("4b6b04ae", "~/.claude").tool_calls  # doctest: +SKIP
    """
    store = _store(where)
    if store is not None:
        found = _chosen(session_id, store.session_ids)
        if found is not None:
            return _of_store(store, found)
        if where is not None:
            raise FrameError(f"There is no session `{session_id}` in {str(store.path)!r}.")
    logs = _logs(where)
    by_id = {log.session_id: log for log in logs}
    found = _chosen(session_id, list(by_id))
    if found is None:
        raise FrameError(
            f"There is no session `{session_id}` in the logs. List frames.sessions_df(PATH)."
        )
    return _of_log(by_id[found])


def _store(where: Store | LogPath | None) -> Store | None:
    if isinstance(where, Store):
        return where
    folder = home() / "imported" if where is None else Path(where).expanduser()
    return scan(folder) if (folder / "_sessions").is_dir() else None


def _logs(where: Any) -> list[LogSession]:
    if where is not None and is_path(where):
        return sessions_at(where, Report())
    sessions = one_each(read_sessions(found_logs(where), Report()))
    count_once(sessions)
    return sessions


def _chosen(wanted: str, ids: list[str]) -> str | None:
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


def _of_store(store: Store, session_id: str) -> OpenedLog:
    def frame(name: str) -> pd.DataFrame:
        return store.frame(name, filter=ds.field("session_id") == session_id)

    return _opened(frame("sessions").iloc[0], frame)


def _of_log(log: LogSession) -> OpenedLog:
    def frame(name: str) -> pd.DataFrame:
        if name == "turns":
            return turns_of_logs([log])
        events = events_of_logs([log])
        if name == "events":
            return events
        read = list(pieces([events], partial(_model_of, log)))
        made: pd.DataFrame = _DERIVED[name](read).frame
        return made

    return _opened(sessions_of_logs([log]).iloc[0], frame)


def _model_of(log: LogSession, _: str | None) -> str | None:
    return log.model


def _opened(row: Any, frame: Callable[[str], pd.DataFrame]) -> OpenedLog:
    known = {name: None if pd.isna(row.get(name)) else str(row[name]) for name in _ROW}
    return OpenedLog(
        str(row["session_id"]),
        known["runtime"],
        known["title"],
        known["status"] or "completed",
        frame,
    )


_ROW = ("runtime", "title", "status")
