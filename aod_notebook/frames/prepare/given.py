"""Input tables of the analysis, with the columns and dtypes that it needs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from aod_notebook.frames.checks import FrameError, nearest, once, shown
from aod_notebook.frames.exchange import Library, converted, pandas_frame
from aod_notebook.frames.given import frame_of
from aod_notebook.frames.native import conform, is_whole
from aod_notebook.frames.schema import SCHEMAS, Column

_REPORTED: Final = ("complete", "truncated_by", "dropped", "problems")
_TEXT_KEYS: Final = ("session_id", "agent_id")
_COLUMNS: Final[Mapping[str, Column]] = {
    column.name: column
    for schema in SCHEMAS.values()
    for column in schema.columns
    if column.dtype not in ("str", "json", "category") or column.name in _TEXT_KEYS
}
"""Columns of numbers, flags and times, and the keys of joins, which keep their dtypes."""


def taken(
    frame: Any, wanted: Sequence[str], *, by: str, name: str = "", of: str = "", client: Any = None
) -> pd.DataFrame:
    """Return a table of any library as a frame; the required columns have their dtypes.

    Args:
        frame: the table, or what names the sessions that it is read of.
        wanted: names of columns of the schemas.
        by: the function that needs them.
        name: the frame.
        of: what returns such frames, if that is not the function of this name.
        client: the client to ask for sessions.

    Raises:
        FrameError: it is not a table, lacks a column, or a column holds something else.
    """
    given = frame_of(frame, name, client=client) if name else frame
    return _restored(pandas_frame(given, wanted, by=by, of=of or f"frames.{name}_df()"), wanted)


def taken_any(frame: Any, named: Iterable[str], *, by: str, client: Any = None) -> pd.DataFrame:
    """Return a table of any library as a frame that has the columns which the caller named.

    Of what names sessions it is their sessions frame, with details.

    Raises:
        FrameError: it is not a table, or lacks a column.
    """
    table = frame_of(frame, "sessions", client=client, details=True)
    given = pandas_frame(table, (), by=by, of="a function of frames")
    for name in named:
        if name not in given:
            hint = nearest(name, map(str, given)) or f": there are {', '.join(map(str, given))}"
            raise FrameError(f"{by}: the frame given has no column {shown(name)}{hint}")
    return given


def numbers(frame: pd.DataFrame, name: str, *, by: str, or_flags: bool = False) -> Any:
    """Return a column as numbers; flags are 0 and 1 where they are allowed.

    Raises:
        FrameError: the column holds something else.
    """
    values = _restored(frame, [name])[name]
    dtype = values.dtype
    is_flag = pd.api.types.is_bool_dtype(dtype)
    may_be = (
        isinstance(dtype, np.dtype) and dtype.kind == "O"
    ) or values.isna().all()  # what pandas has no dtype for
    if pd.api.types.is_numeric_dtype(dtype) and (or_flags or not is_flag):
        return values.astype("Float64")
    if may_be and not is_flag:
        try:
            return values.astype("Float64")
        except (TypeError, ValueError):
            pass
    noun = "numbers or booleans" if or_flags else "numbers"
    raise FrameError(f"{by} needs {noun} in the column {name}, which holds {dtype}")


def one_row_each(frame: pd.DataFrame, keys: Sequence[str], *, by: str, of: str) -> pd.DataFrame:
    """Check that a frame has one row per key.

    Raises:
        FrameError: it has several.
    """
    if frame.duplicated(list(keys)).any():
        raise FrameError(
            f"{by} needs one row per {' and '.join(keys)}, and the frame given has several: "
            f"pass what {of} returned"
        )
    return frame


def answer(frame: pd.DataFrame, to: Library, of: pd.DataFrame) -> pd.DataFrame:
    """Return the result table with a fresh index, in the requested form.

    What is missing in the frame that it is made `of` is reported in its attrs.
    """
    fresh = frame.reset_index(drop=True)
    is_whole = not of.attrs.get("problems")
    fresh.attrs = {} if is_whole else {k: v for k, v in of.attrs.items() if k in _REPORTED}
    return converted(fresh, to)


def _restored(frame: pd.DataFrame, wanted: Iterable[str]) -> pd.DataFrame:
    """Return a frame with the dtypes that a file or another library lost.

    Raises:
        FrameError: a column holds what its dtype cannot hold.
    """
    once(frame.columns)
    made = {}
    for name in wanted:
        column = _COLUMNS.get(name)
        if column is not None and name in frame and not is_whole(frame[name].dtype, column):
            made[name] = conform(frame[name], column)
    return frame.assign(**made) if made else frame
