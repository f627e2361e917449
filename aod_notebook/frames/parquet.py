"""One frame in one Parquet file, exactly as it was."""

import os
from typing import IO, Any

import pandas as pd

from aod_notebook.frames._native import conform
from aod_notebook.frames.schema import SCHEMAS, Column

_BY_ID = {schema.id: schema for schema in SCHEMAS.values()}


def to_parquet(frame: pd.DataFrame, path: str | os.PathLike[str] | IO[bytes]) -> None:
    """Write a frame with its dtypes and attrs, compressed with zstd.

    Any Parquet reader opens the file; plain `pandas.read_parquet` gives everything back
    but the categories of columns without a value, which `read_parquet` here restores.

    Example:
        >>> import io
        >>> from aod_notebook import frames
        >>> kept = io.BytesIO()
        >>> frames.to_parquet(frames.decode_events(b""), kept)
        >>> frames.read_parquet(kept).attrs["schema"]
        'aod.events/1'
    """
    frame.to_parquet(path, compression="zstd", engine="pyarrow")


def read_parquet(path: str | os.PathLike[str] | IO[bytes], **options: Any) -> pd.DataFrame:
    """Read a frame back, with all known categories in their order.

    Args:
        path: the file.
        **options: what `pandas.read_parquet` takes, such as `columns` and `filters`.
    """
    return restored(pd.read_parquet(path, engine="pyarrow", **options))


def restored(frame: pd.DataFrame) -> pd.DataFrame:
    """Give a frame that was stored somewhere the dtypes of its schema again."""
    schema = _BY_ID.get(frame.attrs.get("schema", ""))
    if schema is None:
        return frame
    for column in schema.columns:
        if column.name in frame and not _is_whole(frame[column.name].dtype, column):
            frame[column.name] = conform(frame[column.name], column)
    return frame


def _is_whole(dtype: Any, column: Column) -> bool:
    if not isinstance(dtype, pd.CategoricalDtype):
        return str(dtype) == column.pandas_dtype
    known = len(column.categories)
    return tuple(dtype.categories[:known]) == column.categories and dtype.categories.dtype == "str"
