"""Rows of frames, checked and grouped before they become spans."""

from collections.abc import Iterable, Sequence
from typing import Any

from aod_notebook.frames.checks import FrameError
from aod_notebook.frames.exchange import pandas_frame
from aod_notebook.frames.native import completed
from aod_notebook.frames.otlp.spans import Row
from aod_notebook.frames.rows import records
from aod_notebook.frames.schema import SCHEMAS


def rows_of(frame: Any, name: str, needed: Sequence[str], by: str) -> list[Row]:
    """Return the rows of a frame, with all columns of its schema.

    Raises:
        FrameError: it is not a frame of that kind, or a row has no key.
    """
    given = pandas_frame(frame, needed, by=by, of=f"frames.{name}_df()")
    key = needed[0]
    unnamed = int(given[key].isna().sum())
    if unnamed:
        raise FrameError(
            f"{by} needs a {key} in every row of the {name} frame, and {unnamed} have none: "
            f"leave them out with frame.dropna(subset={key!r})"
        )
    rows: list[Row] = [*records(completed(given, SCHEMAS[name].columns))]
    return rows


def grouped(rows: Iterable[Row], *keys: str) -> dict[Any, list[Row]]:
    """Return the rows by their values in one column, or in several."""
    found: dict[Any, list[Row]] = {}
    for row in rows:
        key = row[keys[0]] if len(keys) == 1 else tuple(row[name] for name in keys)
        found.setdefault(key, []).append(row)
    return found
