"""Frames of any library, checked before questions are asked of them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

import narwhals.stable.v2 as nw
import pandas as pd

from aod_notebook.frames.checks import FrameError, nearest, need, once, shown
from aod_notebook.frames.native import conform, is_whole
from aod_notebook.frames.schema import SCHEMAS


class _Kind(NamedTuple):
    noun: str
    fits: Callable[[Any], bool]
    dtype: Any


NUMBERS: Final = _Kind("numbers", lambda dtype: dtype.is_numeric(), nw.Float64)
FLAGS: Final = _Kind("booleans", lambda dtype: dtype == nw.Boolean, nw.Int64)
MEASURES: Final = _Kind(
    "numbers or booleans", lambda dtype: dtype.is_numeric() or dtype == nw.Boolean, nw.Float64
)
_TIMES: Final = _Kind("times", lambda dtype: dtype == nw.Datetime, nw.Datetime("us", "UTC"))
_BY_DTYPE: Final[Mapping[str, _Kind]] = {
    **dict.fromkeys(("Int64", "Int32", "Int16", "Float64"), NUMBERS),
    "boolean": FLAGS,
    "datetime": _TIMES,
}
_KINDS: Final = {
    column.name: _BY_DTYPE[column.dtype]
    for schema in SCHEMAS.values()
    for column in schema.columns
    if column.dtype in _BY_DTYPE
}
_COLUMNS: Final = {
    column.name: column
    for schema in SCHEMAS.values()
    for column in schema.columns
    if column.name in (*_KINDS, "session_id", "agent_id")
}


def taken(frame: Any, wanted: Iterable[str], *, by: str, of: str) -> Any:
    """Take a frame of any library that has the columns a function needs.

    Args:
        frame: the frame.
        wanted: names of columns, which hold what the schemas say.
        by: the function.
        of: what gives such frames.

    Raises:
        FrameError: it is no frame, lacks a column, or a column holds something else.
    """
    wanted = list(wanted)
    if isinstance(frame, pd.DataFrame):
        frame = _restored(frame, wanted)
    any_frame = _narwhals(frame, by, of)
    need(frame, any_frame.collect_schema().names(), wanted, by=by, of=of)
    return holding(any_frame, {n: _KINDS[n] for n in wanted if n in _KINDS}, by=by)


def taken_any(frame: Any, named: Iterable[str], *, by: str) -> Any:
    """Take a frame of any library that has the columns which the caller named.

    Raises:
        FrameError: it is no frame, or lacks a column.
    """
    any_frame = _narwhals(frame, by, "a function of frames")
    known = any_frame.collect_schema().names()
    for name in named:
        if name not in known:
            hint = nearest(name, known) or f": there are {', '.join(map(str, known))}"
            raise FrameError(f"{by}: the frame given has no column {shown(name)}{hint}")
    return any_frame


def holding(frame: Any, kinds: Mapping[str, _Kind], *, by: str) -> Any:
    """Make sure of what columns hold; Python objects become values, if they are of the kind.

    Raises:
        FrameError: a column holds something else.
    """
    found = frame.collect_schema()
    odd = [name for name, kind in kinds.items() if not _fits(frame, found[name], kind)]
    return frame.with_columns(*(_cast(frame, n, kinds[n], by) for n in odd)) if odd else frame


def one_row_each(frame: Any, keys: Iterable[str], *, by: str, of: str) -> Any:
    """Make sure that a frame at hand has one row per key; a lazy one is taken as it is.

    Raises:
        FrameError: it has several.
    """
    if isinstance(frame, nw.DataFrame) and frame.select(*keys).is_duplicated().any():
        raise FrameError(
            f"{by} needs one row per {' and '.join(keys)}, and the frame given has several: "
            f"pass what {of} gave"
        )
    return frame


def _of_text(texts: Any, kind: _Kind) -> Any:
    """Return the times or flags that a CSV file of another library holds as text.

    Raises:
        ValueError: a text is neither.
    """
    if kind is _TIMES:
        return texts.str.replace(" ", "T", literal=True).str.to_datetime().cast(kind.dtype)
    low = texts.str.to_lowercase()
    if not (low.is_in(["true", "false"]) | low.is_null()).all():
        raise ValueError("a text is not a flag")
    return (low == "true").cast(kind.dtype).alias(texts.name)


def _restored(frame: pd.DataFrame, wanted: Iterable[str]) -> pd.DataFrame:
    """Return a frame with the dtypes that a CSV or JSON file lost; what does not fit stays."""
    once(frame.columns)
    made = {}
    for name in wanted:
        column = _COLUMNS.get(name)
        if name in frame and column is not None and not is_whole(frame[name].dtype, column):
            try:
                made[name] = conform(frame[name], column)
            except FrameError:  # said with the name of the function that needs it
                continue
    return frame.assign(**made) if made else frame


def _narwhals(frame: Any, by: str, of: str) -> Any:
    if isinstance(frame, pd.DataFrame):
        once(frame.columns)  # those of other libraries cannot have two of a name
    try:
        return nw.from_native(frame)
    except TypeError as error:
        raise FrameError(
            f"{by} takes a frame of pandas, polars or the like, not {shown(frame)}: "
            f"pass what {of} gave"
        ) from error


def _fits(frame: Any, dtype: Any, kind: _Kind) -> bool:
    """Whether a dtype is of the kind; what a lazy frame does not tell is believed."""
    return kind.fits(dtype) or (dtype == nw.Unknown and isinstance(frame, nw.LazyFrame))


def _cast(frame: Any, name: str, kind: _Kind, by: str) -> Any:
    dtype = frame.collect_schema()[name]
    may_be = dtype in (nw.Object, nw.Unknown)  # such as times in America/New_York
    if isinstance(frame, nw.DataFrame) and (may_be or frame[name].is_null().all()):
        try:
            return frame[name].cast(kind.dtype)
        except (TypeError, ValueError):
            pass
    if isinstance(frame, nw.DataFrame) and dtype == nw.String and kind is not NUMBERS:
        try:
            return _of_text(frame[name], kind)
        except (TypeError, ValueError, nw.exceptions.NarwhalsError):
            pass
    raise FrameError(f"{by} needs {kind.noun} in the column {name}, which holds {dtype}")
