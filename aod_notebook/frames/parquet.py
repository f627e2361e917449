"""One frame in one Parquet file, exactly as written."""

import os
from typing import IO, Any

import pandas as pd
import pyarrow as pa

from aod_notebook.core.text import one_line
from aod_notebook.frames.checks import FrameError, shown
from aod_notebook.frames.exchange import pandas_frame
from aod_notebook.frames.native import conform, is_whole
from aod_notebook.frames.schema import SCHEMAS

_BY_ID = {schema.id: schema for schema in SCHEMAS.values()}
_FAULTS = (OSError, pa.ArrowException, TypeError, ValueError)
"""What goes wrong with a file, or with what pandas is asked to do with it."""


def to_parquet(frame: pd.DataFrame, path: str | os.PathLike[str] | IO[bytes]) -> None:
    """Write a frame with its dtypes and attrs, compressed with zstd.

    Any Parquet reader opens the file; plain `pandas.read_parquet` gives everything back
    but the categories of columns without a value, which `read_parquet` here restores.

    Raises:
        FrameError: it is not a frame, or could not be written there.

    Example:
        >>> import io
        >>> from aod_notebook import frames
        >>> kept = io.BytesIO()
        >>> frames.to_parquet(frames.decode_events(b""), kept)
        >>> frames.read_parquet(kept).attrs["schema"]
        'aod.events/1'
    """
    frame = pandas_frame(frame, (), by="to_parquet", of="a function of frames")
    try:
        frame.to_parquet(path, compression="zstd", engine="pyarrow")
    except _FAULTS as error:
        raise _failed("written to", path, error) from error


def read_parquet(path: str | os.PathLike[str] | IO[bytes], **options: Any) -> pd.DataFrame:
    """Read a frame back, with all known categories in their order.

    Args:
        path: the file.
        **options: what `pandas.read_parquet` takes, such as `columns` and `filters`.

    Raises:
        FrameError: there is no such file, or no such frame could be read from it.
    """
    try:
        read = pd.read_parquet(path, engine="pyarrow", **options)
    except _FAULTS as error:
        raise _failed("read from", path, error) from error
    return restored(read)


def restored(frame: pd.DataFrame) -> pd.DataFrame:
    """Restore the dtypes of the schema in a frame that was stored elsewhere."""
    schema = _BY_ID.get(frame.attrs.get("schema", ""))
    if schema is None:
        return frame
    for column in schema.columns:
        if column.name in frame and not is_whole(frame[column.name].dtype, column):
            frame[column.name] = conform(frame[column.name], column)
    return frame


def _failed(how: str, path: Any, error: Exception) -> FrameError:
    where = os.fspath(path) if isinstance(path, os.PathLike) else path
    return FrameError(f"No frame could be {how} {shown(where)}: {one_line(str(error))}")
