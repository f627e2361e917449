"""From Python values over Arrow to columns of pandas' own nullable dtypes."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from aod_notebook.core.clock import CALENDAR, micros
from aod_notebook.frames.checks import FrameError, once
from aod_notebook.frames.schema import Column
from aod_notebook.transcripts._json import as_float

ROWS_PER_BATCH = 8192
"""Rows that become one Arrow chunk: enough to be quick, few enough to stay in the cache."""
LINES_PER_BATCH = 512
"""The same for lines of transcripts and what is made of them, which are longer."""

_LOOSE_CHUNKS = 64
"""So many small chunks, of looks at a growing table, are kept before they are joined."""

_POOL = pa.system_memory_pool()
"""Arrow's own allocator keeps most of what growing buffers leave behind."""

_ARROW = {
    "str": pa.large_string(),
    "json": pa.large_string(),
    "category": pa.string(),
    "Int64": pa.int64(),
    "Int32": pa.int32(),
    "Int16": pa.int16(),
    "Float64": pa.float64(),
    "boolean": pa.bool_(),
    "datetime": pa.timestamp("us", tz="UTC"),
}
_FIRST, _LAST = CALENDAR[0], CALENDAR[-1]
_BITS = {"Int64": 63, "Int32": 31, "Int16": 15}
_FLAGS = {"True": True, "False": False, "true": True, "false": False, 1: True, 0: False}
_STR: Any = pd.StringDtype(storage="pyarrow", na_value=np.nan)
_MASKED: dict[str, Any] = {
    "Int64": pd.Int64Dtype(),
    "Int32": pd.Int32Dtype(),
    "Int16": pd.Int16Dtype(),
    "Float64": pd.Float64Dtype(),
    "boolean": pd.BooleanDtype(),
}


def arrow_type(column: Column) -> pa.DataType:
    """Return the column's type in Arrow; a category is plain text there."""
    return _ARROW[column.dtype]


def arrow_array(values: Sequence[Any], column: Column) -> pa.Array:
    """Make an Arrow array; a value that the column cannot hold becomes null."""
    kind = _ARROW[column.dtype]
    try:
        return pa.array(values, kind, memory_pool=_POOL)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        return pa.array(
            [_fitting(value, column.dtype) for value in values], kind, memory_pool=_POOL
        )


def text_array(values: Sequence[Any], column: Column) -> pa.Array:
    """Make an Arrow array of long texts without the room that a growing buffer leaves unused."""
    known = None
    try:
        if None in values:
            known = pa.array([value is not None for value in values])
            values = [value or "" for value in values]
        joined = "".join(values)
    except TypeError:
        return arrow_array(values, column)
    if joined.isascii():
        return _of_buffer(joined.encode(), map(len, values), len(values), column, known)
    encoded = [value.encode(errors="replace") for value in values]
    return _of_buffer(b"".join(encoded), map(len, encoded), len(values), column, known)


def bytes_array(values: Sequence[bytes], column: Column) -> pa.Array:
    """Make an Arrow array of texts given as UTF-8; what is not valid is replaced."""
    joined = b"".join(values)
    if not joined.isascii():
        try:
            joined.decode()
        except UnicodeDecodeError:
            return arrow_array([value.decode(errors="replace") for value in values], column)
    return _of_buffer(joined, map(len, values), len(values), column)


def _of_buffer(
    data: bytes, sizes: Iterable[int], count: int, column: Column, known: pa.Array = None
) -> pa.Array:
    """Make an Arrow array of joined texts; where a flag of `known` is false, the row is null."""
    offsets = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(np.fromiter(sizes, np.int64, count), out=offsets[1:])
    validity = None if known is None else known.buffers()[1]
    buffers = [validity, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(_ARROW[column.dtype], count, buffers)


def time_array(values: Sequence[str | None]) -> Any:
    """Make an Arrow array of ISO times; one of another form is null, and None means only nulls."""
    if values.count(None) == len(values):
        return None
    try:
        return pa.array(values, pa.string()).cast(_ARROW["datetime"])
    except pa.ArrowException:
        return [micros(value) for value in values]


def nulls(count: int, column: Column) -> pa.Array:
    """Make an Arrow array of nothing but nulls; those of short ones are shared."""
    kind = _ARROW[column.dtype]
    return _nulls(kind).slice(0, count) if count <= ROWS_PER_BATCH else pa.nulls(count, kind)


@lru_cache
def _nulls(kind: pa.DataType) -> pa.Array:
    return pa.nulls(ROWS_PER_BATCH, kind)


def missing(count: int, column: Column) -> Any:
    """Make a pandas array of nothing but missing values."""
    return native(pa.chunked_array([nulls(count, column)]), column)


def constant(value: Any, count: int, column: Column) -> pa.Array:
    """Make an Arrow array of one repeated value, or nulls if the column cannot hold it."""
    return pa.repeat(arrow_array([value], column)[0], count)


class Table:
    """Arrow chunks that grow batch by batch and end as a DataFrame.

    Columns that a batch leaves out are null in its rows.
    """

    def __init__(self, columns: Iterable[Column]) -> None:
        self.columns = tuple(columns)
        self.count = 0
        self._names = {column.name for column in self.columns}
        self._chunks: dict[str, list[pa.Array]] = {name: [] for name in self._names}

    def __contains__(self, name: str) -> bool:
        """Check whether the column is wanted at all."""
        return name in self._names

    def add(self, count: int, values: Mapping[str, Sequence[Any] | pa.Array]) -> None:
        """Add `count` rows, given as lists of values or as Arrow arrays."""
        if not count:
            return
        self.count += count
        for column in self.columns:
            given = values.get(column.name)
            if given is None or _is_missing(given):
                chunk = nulls(count, column)
            elif isinstance(given, pa.Array):
                chunk = given
            else:
                chunk = arrow_array(given, column)
            self._chunks[column.name].append(chunk)

    def set(self, name: str, values: pa.Array) -> None:
        """Set a whole column at once, after its rows were added."""
        self._chunks[name] = [values]

    def to_arrow(self) -> pa.Table:
        """Hand the rows over as they are; the table is empty afterwards."""
        data = {}
        for column in self.columns:
            chunks = pa.chunked_array(self._chunks.pop(column.name), _ARROW[column.dtype])
            data[column.name] = _in_calendar(chunks) if column.dtype == "datetime" else chunks
        return pa.table(data)

    def to_pandas(self) -> pd.DataFrame:
        """Hand the rows over; the table is empty afterwards."""
        data = {}
        for column in self.columns:
            chunks = self._chunks.pop(column.name)
            data[column.name] = native(pa.chunked_array(chunks, _ARROW[column.dtype]), column)
        return pd.DataFrame(data, index=pd.RangeIndex(self.count), copy=False)

    def peek(self, start: int = 0) -> pd.DataFrame:
        """Return the rows from number `start` on; the table keeps them and can grow."""
        data = {}
        for column in self.columns:
            chunks = pa.chunked_array(self.chunks_of(column), _ARROW[column.dtype])
            data[column.name] = native(chunks.slice(start), column)
        return pd.DataFrame(data, index=pd.RangeIndex(self.count - start), copy=False)

    def take_from(self, other: "Table") -> None:
        """Add the rows of another table, which keeps them and can grow."""
        self.count += other.count
        for column in self.columns:
            self._chunks[column.name] += other.chunks_of(column)

    def chunks_of(self, column: Column) -> list[pa.Array]:
        """Return the chunks of a column; many small ones are joined first."""
        chunks = self._chunks[column.name]
        if len(chunks) > _LOOSE_CHUNKS + 2 * self.count // ROWS_PER_BATCH:
            chunks = pa.chunked_array([pa.chunked_array(chunks).combine_chunks()]).chunks
            self._chunks[column.name] = chunks
        return chunks


def _is_missing(values: Sequence[Any] | pa.Array) -> bool:
    """Whether a list holds nothing but None; the ends of most others tell at once."""
    if not isinstance(values, list) or values[0] is not None or values[-1] is not None:
        return False
    return values.count(None) == len(values)


def conform(series: Any, column: Column) -> Any:
    """Return a pandas series with the column's dtype, known categories included.

    What CSV and JSON make of the column is taken: flags and times as text, numbers as floats.

    Raises:
        FrameError: it holds what the dtype cannot hold.
    """
    try:
        if column.dtype == "category":
            texts = pa.array(series.astype(object), pa.string(), from_pandas=True)
            return _categorical(pa.chunked_array([texts]), column)
        if column.dtype == "datetime":
            return _times(series).astype(column.pandas_dtype).array
        if column.dtype == "boolean" and series.dtype == object:
            series = series.map(_FLAGS, na_action="ignore").where(series.isin(_FLAGS), series)
        return series.astype(column.pandas_dtype).array
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise FrameError(
            f"The column {column.name} of the frame given has values ({series.dtype}) that are "
            f"not {column.pandas_dtype}: pass a frame that a function of frames returned"
        ) from error


def _times(series: Any) -> Any:
    """Return times as times; a number could count anything, so only missing ones are taken."""
    if pd.api.types.is_numeric_dtype(series.dtype):
        if series.notna().any():
            raise ValueError("a number is not a time")
        return pd.Series(pd.NaT, series.index, dtype="datetime64[us, UTC]")
    # CSV writes whole seconds without a fraction, beside those that have one
    return pd.to_datetime(series, utc=True, format="ISO8601")


def is_whole(dtype: Any, column: Column) -> bool:
    """Check whether a dtype is the column's own, known categories included."""
    if column.dtype != "category" or not isinstance(dtype, pd.CategoricalDtype):
        return str(dtype) == column.pandas_dtype
    known = len(column.categories)
    return tuple(dtype.categories[:known]) == column.categories and dtype.categories.dtype == "str"


def completed(frame: pd.DataFrame, columns: Iterable[Column]) -> pd.DataFrame:
    """Complete a frame with all of these columns and their dtypes: what it lacks is missing.

    Raises:
        FrameError: a column is there twice, or holds what its dtype cannot hold.
    """
    once(frame.columns)
    made = {}
    for column in columns:
        if column.name not in frame:
            made[column.name] = missing(len(frame), column)
        elif not is_whole(frame[column.name].dtype, column):
            made[column.name] = conform(frame[column.name], column)
    return frame.assign(**made) if made else frame


def concat(frames: Sequence[pd.DataFrame], columns: Iterable[Column]) -> pd.DataFrame:
    """Join frames of the same columns below each other; the dtypes stay, attrs do not."""
    if not frames:
        return Table(columns).to_pandas()
    if len(frames) == 1:
        return frames[0][[column.name for column in columns]].reset_index(drop=True)
    data = {}
    for column in columns:
        parts = [frame[column.name] for frame in frames]
        if column.dtype == "category":
            data[column.name] = _joined([part.array for part in parts], column)
        else:
            data[column.name] = pd.concat(parts, ignore_index=True).array
    return pd.DataFrame(data, copy=False)


def _joined(parts: Sequence[Any], column: Column) -> pd.Categorical:
    found = dict.fromkeys(value for part in parts for value in part.categories)
    categories = [*column.categories, *(v for v in found if v not in column.categories)]
    position = {value: index for index, value in enumerate(categories)}
    codes = [
        np.array([*(position[v] for v in part.categories), -1], dtype=np.int32)[part.codes]
        for part in parts
    ]
    return _of_codes(np.concatenate(codes), categories, column)


def native(chunks: pa.ChunkedArray, column: Column) -> Any:
    """Make a pandas array of Arrow data, with the column's dtype."""
    if column.dtype == "category":
        return _categorical(chunks, column)
    if column.dtype == "datetime":
        return _in_calendar(chunks).to_pandas().astype("datetime64[us, UTC]")
    if column.dtype in ("str", "json"):
        return _STR.__from_arrow__(chunks)
    return _MASKED[column.dtype].__from_arrow__(chunks)


def _in_calendar(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Leave out times beyond the years 1 to 9999, which pandas could not even show."""
    span = pc.min_max(times.cast(pa.int64())).as_py()
    if span["min"] is None or (span["min"] >= _FIRST and span["max"] <= _LAST):
        return times
    numbers = times.cast(pa.int64())
    fits = pc.and_(pc.greater_equal(numbers, _FIRST), pc.less_equal(numbers, _LAST))
    return pc.if_else(fits, times, pa.scalar(None, times.type))


def _categorical(chunks: pa.ChunkedArray, column: Column) -> pd.Categorical:
    if chunks.null_count == len(chunks):
        return _of_codes(np.full(len(chunks), -1, np.int8), [*column.categories], column)
    encoded = chunks.dictionary_encode().combine_chunks()
    found = encoded.dictionary.to_pylist()
    known = column.categories
    categories = [*known, *(value for value in found if value not in known)]
    position = {value: index for index, value in enumerate(categories)}
    remap = np.array([*(position[value] for value in found), -1], dtype=np.int32)
    codes = remap[encoded.indices.fill_null(len(found)).to_numpy(zero_copy_only=False)]
    return _of_codes(codes, categories, column)


def _of_codes(codes: Any, categories: list[str], column: Column) -> pd.Categorical:
    dtype = pd.CategoricalDtype(pd.Index(categories, dtype="str"), ordered=column.is_ordered)
    return pd.Categorical.from_codes(codes, dtype=dtype)


def _fitting(value: Any, dtype: str) -> Any:
    if dtype in _BITS:
        is_int = isinstance(value, int) and not isinstance(value, bool)
        return value if is_int and abs(value) < 2 ** _BITS[dtype] else None
    if dtype in ("str", "json", "category"):
        return value.encode(errors="replace").decode() if isinstance(value, str) else None
    if dtype == "boolean":
        return value if isinstance(value, bool) else None
    return as_float(value)
