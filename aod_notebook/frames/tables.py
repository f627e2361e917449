"""The frames of sessions' transcripts, from any source: `events_df` and its kin."""

from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from aod_notebook.frames._deliver import Framed, Report, table_function
from aod_notebook.frames._native import concat
from aod_notebook.frames.messages import messages_of
from aod_notebook.frames.results import model_usage_of, results_of
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.frames.sources import Gathered, with_report
from aod_notebook.frames.tool_calls import tool_calls_of

_SOURCE = """
    Args:
        source: a session id, a session, a followed session, several of these, a frame with
            a `session_id` column, a client; or what holds events itself: an events frame,
            `StreamEvent`s, the bytes of SSE bodies. None means all sessions.
        client: the client to ask; by default the current connection's.
        columns: only these columns.
        exclude: all columns but these.
        since: only events after this id.
        jobs: how many sessions are asked for at the same time.
        progress: say on stderr how far it is.
        strict: False returns `(frame, problems)` and warns of nothing.

    Raises:
        AodError: not one of the sessions could be read.
        AodNotebookError: there is no client and no current connection.

    Warns:
        FrameWarning: something is missing; `df.attrs` says what.
"""
_Derive = Callable[[Iterable[pd.DataFrame], Iterable[str] | None, Iterable[str]], Framed]


def _events_of(
    frames: Iterable[pd.DataFrame],
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
) -> Framed:
    schema = SCHEMAS["events"]
    wanted = schema.select(columns, exclude)
    parts = list(frames)
    names = [column.name for column in wanted]
    frame = parts[0][names].copy() if len(parts) == 1 else concat(parts, wanted)
    frame.attrs = Report().attrs(schema)
    return Framed(frame, Report())


def _table(
    derive: _Derive, source: Any, columns: Iterable[str] | None, exclude: Iterable[str], **how: Any
) -> Framed:
    gathered = Gathered(source, **how)
    framed = derive(gathered.frames(), columns, exclude)
    return with_report(framed, gathered.report)


@table_function
def events_df(
    source: Any = None,
    *,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    **how: Any,
) -> Framed:
    """One row per event of the sessions' streams (CONTRACT A.12)."""
    return _table(_events_of, source, columns, exclude, **how)


@table_function
def messages_df(
    source: Any = None,
    *,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    **how: Any,
) -> Framed:
    """One row per content block of the sessions' transcripts (CONTRACT A.13)."""
    return _table(messages_of, source, columns, exclude, **how)


@table_function
def tool_calls_df(
    source: Any = None,
    *,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    **how: Any,
) -> Framed:
    """One row per tool call, joined with its result (CONTRACT A.13)."""
    return _table(tool_calls_of, source, columns, exclude, **how)


@table_function
def results_df(
    source: Any = None,
    *,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    **how: Any,
) -> Framed:
    """One row per turn that said how it ended, with its tokens and cost (CONTRACT A.13)."""
    return _table(results_of, source, columns, exclude, **how)


@table_function
def model_usage_df(
    source: Any = None,
    *,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    **how: Any,
) -> Framed:
    """One row per model used in a turn (CONTRACT A.13)."""
    return _table(model_usage_of, source, columns, exclude, **how)


for _function in (events_df, messages_df, tool_calls_df, results_df, model_usage_df):
    _function.__doc__ = f"{_function.__doc__}\n{_SOURCE}"
