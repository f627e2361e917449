"""One session of a store or of logs, opened: its tables and its events."""

from pathlib import Path
from typing import Any

import pandas as pd

from aod_notebook.core.settings import home
from aod_notebook.frames.checks import FrameError
from aod_notebook.frames.logs.rows import (
    LogPath,
    events_of_logs,
    found_logs,
    is_path,
    pieces_of_logs,
    read_sessions,
    sessions_at,
    sessions_of_logs,
    turns_of_logs,
)
from aod_notebook.frames.report import Report
from aod_notebook.frames.store import Store, is_store, scan
from aod_notebook.frames.store.session import OpenedLog, chosen, opened
from aod_notebook.frames.transcripts.messages import messages_of
from aod_notebook.frames.transcripts.results import model_usage_of, results_of
from aod_notebook.frames.transcripts.tool_calls import tool_calls_of
from aod_notebook.logs import LogSession, count_once, one_each

_DERIVED = {
    "messages": messages_of,
    "tool_calls": tool_calls_of,
    "results": results_of,
    "model_usage": model_usage_of,
}


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
        found = chosen(session_id, store.session_ids)
        if found is not None:
            return store.open(found)
        if where is not None:
            raise FrameError(f"There is no session `{session_id}` in {str(store.path)!r}.")
    logs = _logs(where)
    by_id = {log.session_id: log for log in logs}
    found = chosen(session_id, list(by_id))
    if found is None:
        raise FrameError(
            f"There is no session `{session_id}` in the logs. List frames.sessions_df(PATH)."
        )
    return _of_log(by_id[found])


def _store(where: Store | LogPath | None) -> Store | None:
    if isinstance(where, Store):
        return where
    folder = home() / "imported" if where is None else Path(where).expanduser()
    return scan(folder) if is_store(folder) else None


def _logs(where: Any) -> list[LogSession]:
    if where is not None and is_path(where):
        return sessions_at(where, Report())
    sessions = one_each(read_sessions(found_logs(where), Report()))
    count_once(sessions)
    return sessions


def _of_log(log: LogSession) -> OpenedLog:
    def frame(name: str) -> pd.DataFrame:
        if name == "turns":
            return turns_of_logs([log])
        if name == "events":
            return events_of_logs([log])
        made: pd.DataFrame = _DERIVED[name](pieces_of_logs([log])).frame
        return made

    return opened(sessions_of_logs([log]).iloc[0], frame)
