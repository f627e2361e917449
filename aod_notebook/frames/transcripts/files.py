"""The files frame: which files the tool calls of sessions touched."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import pandas as pd

from aod_notebook.frames.exchange import Library, library
from aod_notebook.frames.native import LINES_PER_BATCH, Table
from aod_notebook.frames.report import Framed, Report, deliver, finish
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.frames.sources import Gathered, with_report
from aod_notebook.frames.transcripts.pieces import Piece
from aod_notebook.frames.transcripts.tool_calls import PairedCall, calls_of
from aod_notebook.transcripts.files import Touch, touched

_SCHEMA = SCHEMAS["files"]


def files_df(
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
    """Return the files that tool calls touched: one row per file of a call.

    A call without a path in its arguments, such as a shell command, has no row. Lines are those that
    the arguments show: those of a file that is written over are not known to be removed, and of a
    failed call (`is_error`) none was changed. Arguments, errors and warnings are those of `events_df`.

    Example:
        >>> files = files_df(b"")
        >>> files.groupby("path")["session_id"].nunique().to_dict()
        {}
    """
    library(to)
    gathered = Gathered(source, client=client, since=since, jobs=jobs, progress=progress)
    framed = files_of(gathered.pieces(), columns, exclude)
    return deliver(with_report(framed, gathered.report), to)


def files_of(
    pieces: Iterable[Piece],
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
) -> Framed:
    """Make the files frame of transcripts."""
    table = Table(_SCHEMA.select(columns, exclude))
    found: Iterator[tuple[PairedCall, Touch]] = (
        (call, touch) for call in calls_of(pieces) for touch in touched(call.tool, call.input)
    )
    while batch := list(islice(found, LINES_PER_BATCH)):
        table.add(len(batch), _values(batch))
    return finish(table, _SCHEMA, Report())


def _values(found: list[tuple[PairedCall, Touch]]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "session_id": [call.session_id for call, _ in found],
        "turn": [call.turn for call, _ in found],
        "order": [call.order for call, _ in found],
        "tool_use_id": [call.tool_use_id for call, _ in found],
        "is_error": [call.is_error for call, _ in found],
    }
    for name in ("path", "operation", "added_lines", "removed_lines"):
        values[name] = [getattr(touch, name) for _, touch in found]
    return values
