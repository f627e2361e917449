"""A directory of stored sessions, read lazily: `DIR/<frame>/session_id=<id>/data.parquet`.

One directory per frame, in the hive layout that pyarrow, dask, polars, duckdb, Ray and Spark
read as it is. Beside them stand `_sessions`, a mark for each session that is stored whole, and
`_fresh`, where files are written before they are put in their place (`_collect.py` does that).
"""

import json
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from aod_notebook.core.text import one_line
from aod_notebook.frames.checks import FrameError, MissingPackageError, shown
from aod_notebook.frames.native import arrow_type, native
from aod_notebook.frames.report import Problem, Report
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
_FILE: Final = "data.parquet"
_DONE: Final = "_sessions"
IMPORTED: Final = "_imported"
"""The folder in which a store keeps what it knows of imported log files."""
IMPORTED_NAMES: Final = tuple(column.name for column in IMPORTED_COLUMNS)
_CHUNK: Final = 1 << 20
_FORMAT: Final = ds.ParquetFileFormat(
    # Without it a damaged page can be read as other values, in silence.
    default_fragment_scan_options=ds.ParquetFragmentScanOptions(page_checksum_verification=True)
)
_PARTITIONS: Final = ds.partitioning(pa.schema([(KEY, pa.string())]), flavor="hive")


class Store:
    """A directory of stored sessions; nothing is read before it is asked for.

    Example:
        >>> store = scan("sessions")  # doctest: +SKIP
        >>> store.frame("tool_calls", columns=["tool", "is_error"])  # doctest: +SKIP
        >>> store.dataset("events").count_rows()  # doctest: +SKIP
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = folder_of("path", path)
        self.problems: list[Problem] = []
        """What could not be read when logs were imported into it just now."""
        self._check()

    def __repr__(self) -> str:
        return f"<Store {str(self.path)!r} of {len(self.session_ids)} sessions>"

    def _repr_html_(self) -> str:
        """Return a card: how many sessions, what they did, cost and hold."""
        from aod_notebook.frames.store_card import store_card

        return store_card(self).html()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Print the card as text where a cell shows it."""
        from aod_notebook.frames.store_card import store_card

        del cycle
        printer.text(store_card(self).text())

    @property
    def session_ids(self) -> list[str]:
        """Ids of the sessions that are stored whole."""
        return sorted(unquote(path.stem) for path in self._marks())

    def dataset(self, name: str) -> ds.Dataset:
        """One frame of all sessions as a lazy `pyarrow.dataset.Dataset`.

        Raises:
            FrameError: the store holds no frame of this name.
        """
        schema = self._schema(name)
        return _dataset(self._files(name), schema)

    def frame(
        self,
        name: str,
        *,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        filter: ds.Expression | None = None,  # noqa: A002 - pyarrow's name for it
    ) -> pd.DataFrame:
        """One frame of all sessions, with the dtypes of its schema, sessions in order of their id.

        Args:
            name: `sessions`, `turns`, `events`, `messages`, `tool_calls`, `results` or
                `model_usage`.
            columns: only these columns.
            exclude: all columns but these.
            filter: a `pyarrow.dataset` expression of the rows to read.

        Returns:
            The frame. It is not `complete` while a session in it was still running when it
            was stored, or was not stored to its end, or its file is missing.

        Raises:
            FrameError: the store holds no frame of this name, or a file in it is damaged.
        """
        schema = self._schema(name)
        files = self._files(name)
        frame = _read(files, schema.select(columns, exclude), schema, filter)
        marks = {path.stem: read_mark(path) for path in self._marks()}
        is_whole = all(mark.get("complete") for mark in marks.values())
        are_all = {path.parent.name.partition("=")[2] for path in files} == set(marks)
        frame.attrs = Report(complete=is_whole and are_all).attrs(schema)
        return frame

    def dask(
        self, name: str, *, columns: Iterable[str] | None = None, exclude: Iterable[str] = ()
    ) -> Any:
        """One frame of all sessions as a `dask.dataframe.DataFrame`, a partition per session.

        Raises:
            FrameError: the store holds no frame of this name.
            MissingPackageError: dask is not installed.

        Example:
            >>> calls = scan("sessions").dask("tool_calls")  # doctest: +SKIP
            >>> calls.groupby("tool").size().compute()  # doctest: +SKIP
        """
        try:
            import dask
            import dask.dataframe as dd
            from dask.dataframe.utils import clear_known_categories
        except ModuleNotFoundError as error:
            raise MissingPackageError(
                "A dask DataFrame needs dask: pip install 'aod-notebook[scale]'"
            ) from error
        schema = self._schema(name)
        names = [column.name for column in schema.select(columns, exclude)]
        parts = [[path] for path in self._files(name)] or [[]]
        meta = clear_known_categories(_part([], names, name))
        with dask.config.set({"dataframe.convert-string": False}):  # the dtypes stay ours
            return dd.from_map(_part, parts, columns=names, name=name, meta=meta)

    def _check(self) -> None:
        if not any((self.path / name).is_dir() for name in (_DONE, *STORED)):
            what = "is no store" if self.path.is_dir() else "is no directory"
            raise FrameError(
                f"{str(self.path)!r} {what}: fill one with frames.collect(ids, into=…)"
            )

    def _schema(self, name: str) -> Schema:
        """Return the columns of a frame; imported logs add some to the sessions."""
        schema = _stored(name)
        imported = name == "sessions" and (self.path / IMPORTED).is_dir()
        return stored_schema(name, IMPORTED_NAMES) if imported else schema

    def _files(self, name: str) -> list[Path]:
        self._check()
        return sorted((self.path / name).glob(f"{KEY}=*/{_FILE}"))

    def _marks(self) -> Iterable[Path]:
        return (self.path / _DONE).glob("*.json")


def scan(path: str | os.PathLike[str]) -> Store:
    """Open a directory that `collect` filled; nothing is read yet.

    Raises:
        FrameError: there is no such directory, or no collection has ever been made into it.

    Example:
        >>> try:
        ...     scan("typo")
        ... except FrameError as error:
        ...     print(error)
        'typo' is no directory: fill one with frames.collect(ids, into=…)
    """
    return Store(path)


def folder_of(name: str, path: object) -> Path:
    """The directory that a parameter names; `~` is the user's own.

    Raises:
        FrameError: it names none.
    """
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise FrameError(f"{name} must be the path of a directory, not {shown(path)}")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # there is no such user
        raise FrameError(f"{name} names no directory: {shown(path)}") from error


def made_store(path: Path) -> Store:
    """Open a store; a new one, of no sessions, where there is nothing yet.

    Raises:
        FrameError: no directory can be made there.
    """
    try:
        (path / _DONE).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FrameError(
            f"No store can be made in {str(path)!r}: {error.strerror}: pass another directory"
        ) from error
    return Store(path)


def place(folder: Path, name: str, session_id: str) -> Path:
    """Where one frame of one session is stored."""
    return folder / name / f"{KEY}={quote(session_id, safe='')}" / _FILE


def mark(folder: Path, session_id: str) -> Path:
    """The file whose presence says that all frames of a session are in their place."""
    return folder / _DONE / f"{quote(session_id, safe='')}.json"


def read_mark(path: Path) -> dict[str, Any]:
    """What a mark tells of its session; empty if it is not there or cannot be read."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def checksum(data: Any) -> int:
    """Return the number by which the bytes of a stored file are known again."""
    return zlib.crc32(data)


def is_intact(folder: Path, session_id: str, sums: Mapping[str, Any] | None) -> bool:
    """Check that the files of a session are as they were written.

    Args:
        folder: the store.
        session_id: the session.
        sums: the checksums of its files by frame; None, in the marks of earlier versions, means
            that no more than the footers can be checked.
    """
    for name in STORED if sums is None else sums:
        path = place(folder, name, session_id)
        try:
            if sums is None:
                pq.read_metadata(path)
            elif _checksum_of(path) != sums[name]:
                return False
        except (OSError, pa.ArrowException):
            return False
    return True


def _checksum_of(path: Path) -> int:
    found = 0
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            found = zlib.crc32(data, found)
    return found


def arrow_schema(schema: Schema) -> pa.Schema:
    """The columns of a frame as they are stored; a category is plain text there."""
    return pa.schema([(column.name, arrow_type(column)) for column in schema.columns])


def stored_schema(name: str, columns: Iterable[str]) -> Schema:
    """Return the schema of a frame that is stored with these columns."""
    schema = SCHEMAS[name]
    if name != "sessions" or not set(IMPORTED_NAMES) <= set(columns):
        return schema
    return replace(schema, columns=(*schema.columns, *IMPORTED_COLUMNS))


def _stored(name: str) -> Schema:
    if name not in STORED:
        raise FrameError(f"A store has no frame {shown(name)}: there are {', '.join(STORED)}")
    return SCHEMAS[name]


def _dataset(files: Sequence[Path], schema: Schema) -> ds.Dataset:
    layout = arrow_schema(schema)
    if not files:
        return ds.dataset(layout.empty_table())
    return ds.dataset(files, schema=layout, format=_FORMAT, partitioning=_PARTITIONS)


def _read(
    files: Sequence[Path],
    columns: Sequence[Column],
    schema: Schema,
    filter: ds.Expression | None = None,  # noqa: A002 - pyarrow's name for it
) -> pd.DataFrame:
    names = [column.name for column in columns]
    if filter is not None and not isinstance(filter, ds.Expression):
        raise FrameError(f"filter must be a pyarrow.dataset expression, not {shown(filter)}")
    try:
        read = _dataset(files, schema).to_table(columns=names, filter=filter)
    except (OSError, pa.ArrowException) as error:
        raise FrameError(_unreadable(files, schema, error)) from error
    data = {column.name: native(read[column.name], column) for column in columns}
    return pd.DataFrame(data, index=pd.RangeIndex(read.num_rows), copy=False)


def _unreadable(files: Sequence[Path], schema: Schema, error: Exception) -> str:
    """Say which of the files is damaged, and what to do about it."""
    for path in files:
        try:
            _dataset([path], schema).to_table()
        except (OSError, pa.ArrowException) as found:
            session_id = unquote(path.parent.name.partition("=")[2])
            is_imported = (path.parents[2] / IMPORTED).is_dir()
            remedy = (
                "delete the store and import the logs again"
                if is_imported
                else f"collect session {session_id} into the store again"
            )
            return f"{str(path)!r} is damaged: {remedy} ({one_line(str(found))})"
    return f"The stored {schema.name} could not be read: {one_line(str(error))}"


def _part(files: Sequence[Path], columns: Sequence[str], name: str) -> pd.DataFrame:
    """A partition of a dask DataFrame, which asks for no more columns than it needs."""
    schema = SCHEMAS[name]
    return _read(files, [schema[column] for column in columns], schema)
