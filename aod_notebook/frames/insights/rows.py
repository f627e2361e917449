"""From frames of many sessions to the rows of each."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import pandas as pd

from aod_notebook.frames.insights.session import CallRow, MessageRow, SessionRows
from aod_notebook.frames.schema import TOKENS
from aod_notebook.transcripts import Usage


def sessions_of_frames(
    messages: pd.DataFrame, calls: pd.DataFrame, results: pd.DataFrame
) -> Iterator[SessionRows]:
    """Yield the rows of one session after the other, from frames of many."""
    found: dict[Any, SessionRows] = {}
    for name, frame in (("rows", messages), ("calls", calls), ("results", results)):
        make = _MADE[name]
        for record in _records(frame):
            key = record["session_id"]
            session = found.get(key) or found.setdefault(key, SessionRows(key))
            getattr(session, name).append(make(record))
    yield from found.values()


def _records(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    columns = {name: _plain(frame[name]) for name in frame.columns}
    names = list(columns)
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(names, values, strict=True))


def _plain(series: Any) -> list[Any]:
    """Return a column as Python values, None for what is missing, times in seconds."""
    missing = series.isna().to_numpy()
    if str(series.dtype).startswith("datetime"):
        numbers = series.astype("int64").to_numpy() / 1e6
        return [None if gone else float(n) for n, gone in zip(numbers, missing, strict=True)]
    values = series.astype(object).to_numpy()
    return [None if gone else value for value, gone in zip(values, missing, strict=True)]


def _row(row: dict[str, Any]) -> MessageRow:
    return MessageRow(
        row["turn"],
        int(row["order"]),
        row["line_type"] or "",
        row["subtype"],
        row["block"],
        row["text"] or "",
        row["model"],
        row["parent_tool_use_id"],
        row["created_at"],
        row["message_id"],
        Usage(**{name: row[name] for name in TOKENS}),
    )


def _call(row: dict[str, Any]) -> CallRow:
    return CallRow(
        row["turn"],
        int(row["order"]),
        row["result_order"],
        row["tool"] or "",
        row["input"] or "",
        row["output"] or "",
        bool(row["is_error"]),
        bool(row["has_result"]),
        row["called_at"],
        row["returned_at"],
        row["parent_tool_use_id"],
        row["tool_use_id"],
        row["message_id"],
    )


_MADE: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "rows": _row,
    "calls": _call,
    "results": dict,
}
