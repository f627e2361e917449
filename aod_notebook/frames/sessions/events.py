"""The events frame of sessions, from any source."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from aod_notebook.frames.exchange import Library, library
from aod_notebook.frames.native import concat
from aod_notebook.frames.report import Framed, Report, deliver
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.frames.sources import Gathered, with_report

_SCHEMA = SCHEMAS["events"]


def events_df(
    source: Any = None,
    *,
    client: Any = None,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    since: int | None = None,
    jobs: int = 8,
    progress: bool = False,
    to: Library = "pandas",
) -> pd.DataFrame:
    r"""Return the events of sessions: one row per event of their streams.

    Args:
        source: a session id, a session, a followed session, several of these, a frame with
            a `session_id` column, a client; or what holds events itself: an events frame,
            `StreamEvent` objects, the bytes of SSE bodies, a `Store`, a folder of logs.
            None means all sessions.
        client: the client to ask; by default the current connection's.
        columns: only these columns.
        exclude: all columns but these.
        since: only events after this id.
        jobs: how many sessions are asked for at the same time.
        progress: show on stderr how far it is.
        to: "pandas", "polars" or "arrow".

    Returns:
        The events frame. A session that could not be read has no rows;
        `df.attrs["problems"]` names it.

    Raises:
        AodError: not one of the sessions could be read.
        AodNotebookError: there is no client and no current connection.

    Warns:
        FrameWarning: something is missing; `df.attrs` says what.

    Example:
        >>> body = b'data: {"type": "output", "stream": "stdout", "data": "hi"}\n\n'
        >>> list(events_df(body)["data"])
        ['hi']
    """
    library(to)
    gathered = Gathered(source, client=client, since=since, jobs=jobs, progress=progress)
    stored = gathered.stored("events", columns, exclude)
    if stored is not None:
        return deliver(stored, to)
    wanted = _SCHEMA.select(columns, exclude)
    frame = concat(list(gathered.frames()), wanted)
    frame.attrs = Report().attrs(_SCHEMA)
    return deliver(with_report(Framed(frame, Report()), gathered.report), to)
