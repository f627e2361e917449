"""What may be given for a frame: a table, or sessions, a store, logs that have such a frame."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pandas as pd

from aod_notebook.frames.exchange import is_frame
from aod_notebook.frames.logs.rows import is_path
from aod_notebook.frames.protocols import FollowedSession
from aod_notebook.frames.sessions.events import events_df
from aod_notebook.frames.sessions.sessions import sessions_df
from aod_notebook.frames.sessions.turns import turns_df
from aod_notebook.frames.store import Store, scan
from aod_notebook.frames.store.layout import is_store
from aod_notebook.frames.transcripts.results import model_usage_df, results_df
from aod_notebook.frames.transcripts.tool_calls import tool_calls_df

_MAKERS: Final[Mapping[str, Callable[..., pd.DataFrame]]] = {
    "sessions": sessions_df,
    "turns": turns_df,
    "events": events_df,
    "tool_calls": tool_calls_df,
    "results": results_df,
    "model_usage": model_usage_df,
}


def names_sessions(given: object) -> bool:
    """Check whether something names sessions: ids, sessions, a client, a store, a path of logs."""
    if is_frame(given):
        return False
    if isinstance(given, list | tuple):
        return bool(given) and all(map(names_sessions, given))
    is_service = hasattr(given, "sessions") and hasattr(given, "agents")
    is_session = isinstance(given, FollowedSession) or (
        hasattr(given, "id") and hasattr(given, "status")
    )
    return isinstance(given, str | UUID | Store | Path) or is_service or is_session


def frame_of(given: Any, name: str, *, client: Any = None, **options: Any) -> Any:
    """Return a table as it is given; of what names sessions, their frame of this name.

    Raises:
        AodNotebookError: not one of the sessions could be read.
    """
    if not names_sessions(given):
        return given
    return _MAKERS[name](opened(given), client=client, **options)


def opened(source: Any) -> Any:
    """Return the store in a folder; any other source as it is."""
    is_folder = is_path(source) and is_store(Path(source).expanduser())
    return scan(Path(source).expanduser()) if is_folder else source
