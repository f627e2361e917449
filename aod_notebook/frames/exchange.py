"""Tables of other libraries: read as Arrow streams, returned as polars or Arrow tables."""

import json
from collections.abc import Iterable
from typing import Any, Literal, cast, get_args

import numpy as np
import pandas as pd
import pyarrow as pa

from aod_notebook.frames.checks import FrameError, MissingPackageError, need, once, shown

Library = Literal["pandas", "polars", "arrow"]
"""What a frame can be returned as."""
_STR: Any = pd.StringDtype(storage="pyarrow", na_value=np.nan)
_NULLABLE: dict[Any, Any] = {
    pa.int8(): pd.Int8Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.bool_(): pd.BooleanDtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
    pa.float32(): pd.Float32Dtype(),
    pa.float64(): pd.Float64Dtype(),
    pa.large_string(): _STR,
}


def library(to: str) -> None:
    """Check the name of the requested library.

    Raises:
        FrameError: there is no such form.
    """
    if to not in get_args(Library):
        raise FrameError(f"`to` is {shown(to)}. Use one of {', '.join(get_args(Library))}.")


def converted(frame: pd.DataFrame, to: Library) -> pd.DataFrame:
    """Return a frame unchanged, or as a table of another library; categories become text there.

    The annotation names what is returned by default.

    Raises:
        FrameError: there is no such form.
        MissingPackageError: polars is not installed.

    Example:
        >>> converted(pd.DataFrame({"n": [1]}), "arrow").to_pydict()
        {'n': [1]}
    """
    library(to)
    if to == "pandas":
        return frame
    labels = [name for name in frame if isinstance(frame[name].dtype, pd.CategoricalDtype)]
    table = pa.Table.from_pandas(frame.astype(dict.fromkeys(labels, "str")), preserve_index=False)
    if to == "arrow":
        return cast("pd.DataFrame", table)
    try:
        import polars as pl
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "A polars frame needs polars. Install it with pip install polars."
        ) from error
    return cast("pd.DataFrame", pl.from_arrow(table))


def is_frame(value: object) -> bool:
    """Check whether something is a table, of pandas or another library."""
    return hasattr(type(value), "columns")


def pandas_frame(frame: Any, wanted: Iterable[str], *, by: str, of: str) -> pd.DataFrame:
    """Return a table of any library as a pandas frame with the columns that a function needs.

    Args:
        frame: a pandas frame, or a table that offers itself as an Arrow stream, as those of
            polars, pyarrow and duckdb do.
        wanted: the columns that are needed.
        by: the function that needs them.
        of: what returns such frames.

    Raises:
        FrameError: it is not a table, or lacks a column.
    """
    if not (is_frame(frame) and hasattr(frame, "__arrow_c_stream__")):
        hint = (
            "call its collect() first" if hasattr(frame, "collect") else f"pass what {of} returned"
        )
        raise FrameError(
            f"{by} takes a table of pandas, polars, pyarrow or duckdb, not {shown(frame)}: {hint}"
        )
    given = frame if isinstance(frame, pd.DataFrame) else _of_arrow(pa.table(frame))
    need(given, given.columns, wanted, by=by, of=of)
    return given


def _of_arrow(table: pa.Table) -> pd.DataFrame:
    """Return an Arrow table in nullable dtypes, with the attrs that `converted` left in it."""
    once(table.column_names)
    columns = {name: _plain(table[name]) for name in table.column_names}
    kept = (table.schema.metadata or {}).get(b"pandas")
    made: pd.DataFrame = pa.table(columns).to_pandas(types_mapper=_NULLABLE.get)
    made.attrs = (json.loads(kept).get("attributes") or {}) if kept else {}
    return made


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column without the compact encodings of other libraries."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        # Arrow cannot decode polars' dictionaries of string views by itself
        parts = [
            pa.DictionaryArray.from_arrays(part.indices, part.dictionary.cast(pa.large_string()))
            for part in column.chunks
        ]
        return pa.chunked_array(parts, pa.dictionary(kind.index_type, pa.large_string())).cast(
            pa.large_string()
        )
    is_text = pa.types.is_string(kind) or pa.types.is_string_view(kind)
    if is_text or pa.types.is_null(kind):
        return column.cast(pa.large_string())
    return column.cast(pa.timestamp("us", kind.tz)) if pa.types.is_timestamp(kind) else column
