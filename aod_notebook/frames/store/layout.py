"""What a store looks like: its frames, their columns, its folders."""

import os
import zlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from aod_notebook.frames.checks import FrameError, shown
from aod_notebook.frames.native import arrow_type, native
from aod_notebook.frames.schema import IMPORTED_COLUMNS, SCHEMAS, Column, Schema

STORED: Final = (
    "sessions",
    "turns",
    "events",
    "messages",
    "tool_calls",
    "results",
    "model_usage",
)
"""Frames that a store holds."""
KEY: Final = "session_id"
MANIFEST: Final = "manifest.parquet"
"""The file that names what is stored; what it does not name does not exist."""
MARKS: Final = "_sessions"
"""The folder in which stores of the first layout name their sessions."""
FRESH: Final = "_fresh"
"""The folder in which files are written before they are put in their place."""
LOCK: Final = "_lock"
IMPORTED: Final = "_imported"
"""The folder in which a store keeps what it knows of imported log files."""
IMPORTED_NAMES: Final = tuple(column.name for column in IMPORTED_COLUMNS)


def folder_of(name: str, path: object) -> Path:
    """Return the directory that a parameter names; `~` is the user's own.

    Raises:
        FrameError: it names none.
    """
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise FrameError(f"{name} must be the path of a directory, not {shown(path)}")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # there is no such user
        raise FrameError(f"{name} names no directory: {shown(path)}") from error


def is_store(folder: Path) -> bool:
    """Check whether a directory holds a store, of this or of the first layout."""
    return (folder / MANIFEST).is_file() or (folder / MARKS).is_dir()


def stored_schema(name: str, columns: Iterable[str]) -> Schema:
    """Return the schema of a frame that is stored with these columns."""
    schema = SCHEMAS[name]
    if name != "sessions" or not set(IMPORTED_NAMES) <= set(columns):
        return schema
    return replace(schema, columns=(*schema.columns, *IMPORTED_COLUMNS))


def schema_in(folder: Path, name: str) -> Schema:
    """Return the schema of a frame in a store; imported logs add columns to the sessions.

    Raises:
        FrameError: a store holds no frame of this name.
    """
    if name not in STORED:
        raise FrameError(f"A store has no frame {shown(name)}: there are {', '.join(STORED)}")
    is_imported = name == "sessions" and (folder / IMPORTED).is_dir()
    return stored_schema(name, IMPORTED_NAMES if is_imported else ())


def arrow_schema(schema: Schema) -> pa.Schema:
    """Return the columns of a frame as they are stored; a category is plain text there."""
    return pa.schema([(column.name, arrow_type(column)) for column in schema.columns])


def version_in(folder: Path) -> str:
    """Return what names the columns of all frames in a store; another one has others."""
    layouts = [str(arrow_schema(schema_in(folder, name))) for name in STORED]
    return f"2.{zlib.crc32(chr(10).join(layouts).encode()):08x}"


def conformed(table: pa.Table, layout: pa.Schema) -> pa.Table:
    """Return a table with the columns of a layout: what it lacks is null."""
    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.chunked_array([pa.nulls(table.num_rows, field.type)])
        for field in layout
    ]
    return pa.Table.from_arrays(columns, schema=layout)


def arrow_table(frame: pd.DataFrame, schema: Schema) -> pa.Table:
    """Return a frame as it is stored."""
    layout = arrow_schema(schema)
    arrays = [pa.Array.from_pandas(frame[field.name], type=field.type) for field in layout]
    return pa.Table.from_arrays(arrays, schema=layout)


def pandas_table(table: pa.Table, columns: Iterable[Column]) -> pd.DataFrame:
    """Return a stored table as a frame; each column is let go as soon as it is converted."""
    data: dict[str, Any] = {}
    for column in columns:
        at = table.column_names.index(column.name)
        data[column.name] = native(table.column(at), column)
        table = table.remove_column(at)
    return pd.DataFrame(data, index=pd.RangeIndex(len(table)) if not data else None, copy=False)
