"""A directory of stored sessions, read lazily: `DIR/<frame>/part-<n>.parquet`.

One directory per frame, in files that pyarrow, dask, polars, duckdb, Ray and Spark read as they
are. `DIR/manifest.parquet` names the sessions in them.
"""

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from aod_notebook.core.text import counted, one_line
from aod_notebook.frames.checks import FrameError, MissingPackageError, shown
from aod_notebook.frames.report import Framed, Problem, Report, warn
from aod_notebook.frames.schema import Schema
from aod_notebook.frames.store.commit import older_entry, older_files
from aod_notebook.frames.store.layout import (
    IMPORTED,
    KEY,
    MANIFEST,
    STORED,
    arrow_schema,
    folder_of,
    is_store,
    pandas_table,
    schema_in,
)
from aod_notebook.frames.store.manifest import Manifest
from aod_notebook.frames.store.parts import fault, place
from aod_notebook.frames.store.session import OpenedLog, chosen, opened

if TYPE_CHECKING:
    import dask.dataframe as dd
    import duckdb
    import polars as pl

_FORMAT: Final = ds.ParquetFileFormat(
    # Without it a damaged page can be read as other values, in silence.
    default_fragment_scan_options=ds.ParquetFragmentScanOptions(page_checksum_verification=True)
)
_HIVE: Final = ds.partitioning(pa.schema([(KEY, pa.string())]), flavor="hive")
_OF_SERVICE: Final = frozenset({"sessions", "turns"})
"""Frames made of the service's own rows: reports on the events do not apply to them."""
_PRICED: Final = frozenset({"results", "model_usage"})
_TRIES: Final = 3
"""Files that are gone may have been rewritten since the manifest was read."""


class Store:
    """A directory of stored sessions; nothing is read before it is asked for.

    Example:
        >>> store = scan("sessions")  # doctest: +SKIP
        >>> store.frame("tool_calls", columns=["tool", "is_error"])  # doctest: +SKIP
        >>> store.polars("events").filter(pl.col("type") == "output")  # doctest: +SKIP
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = folder_of("path", path)
        self.problems: list[Problem] = []
        """What could not be read when logs were imported into it just now."""
        self._read: tuple[Any, Manifest] | None = None
        self._check()

    def __repr__(self) -> str:
        return f"<Store {str(self.path)!r} of {counted(len(self.session_ids), 'session')}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Store, (self.path,)

    def _repr_html_(self) -> str:
        """Return a card: how many sessions, what they did, cost and hold."""
        from aod_notebook.frames.store.card import store_card

        return store_card(self).html()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Print the card as text where a cell shows it."""
        from aod_notebook.frames.store.card import store_card

        del cycle
        printer.text(store_card(self).text())

    @property
    def session_ids(self) -> list[str]:
        """Ids of the sessions that are stored whole."""
        return sorted(self.manifest.entries)

    @property
    def manifest(self) -> Manifest:
        """What the store holds, as it is now."""
        self._check()
        try:
            status = (self.path / MANIFEST).stat()
        except FileNotFoundError:  # the first layout
            ids = [one for one, _ in older_files(self.path, "sessions")]
            return Manifest({one: older_entry(self.path, one) for one in ids})
        now = status.st_mtime_ns, status.st_ino, status.st_size
        if self._read is None or self._read[0] != now:
            self._read = now, Manifest.read(self.path)
        return self._read[1]

    def files(self, name: str) -> list[Path]:
        """Return the files of a frame, in the order of their parts; other engines read them too.

        Raises:
            FrameError: the store holds no frame of this name.

        Example:
            >>> pl.scan_parquet(store.files("tool_calls"))  # doctest: +SKIP
        """
        schema_in(self.path, name)
        return self._files(name, self.manifest)

    def dataset(self, name: str) -> ds.Dataset:
        """Return one frame of all sessions as a lazy `pyarrow.dataset.Dataset`.

        Raises:
            FrameError: the store holds no frame of this name.
        """
        return _dataset(self.files(name), schema_in(self.path, name))

    def arrow(
        self,
        name: str,
        *,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        filter: ds.Expression | None = None,  # noqa: A002 - pyarrow's name for it
    ) -> pa.Table:
        """Return one frame of all sessions as an Arrow table, its categories as text.

        Raises:
            FrameError: the store holds no frame of this name.

        Warns:
            FrameWarning: files of the store are missing or damaged.
        """
        table, report = self._table(name, columns, exclude, filter)
        warn(report, f"{name} of {str(self.path)!r}", stacklevel=2)
        return table

    def frame(
        self,
        name: str,
        *,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        filter: ds.Expression | None = None,  # noqa: A002 - pyarrow's name for it
    ) -> pd.DataFrame:
        """Return one frame of all sessions with the dtypes of its schema, in order of their ids.

        Args:
            name: `sessions`, `turns`, `events`, `messages`, `tool_calls`, `results` or
                `model_usage`.
            columns: only these columns.
            exclude: all columns but these.
            filter: a `pyarrow.dataset` expression of the rows to read.

        Returns:
            The frame. It is not `complete` if a session in it was still running when it was
            stored, or if a file is missing or damaged; `df.attrs["problems"]` names that.

        Raises:
            FrameError: the store holds no frame of this name.

        Warns:
            FrameWarning: files of the store are missing or damaged: their rows are missing.
        """
        framed = self.framed(name, columns, exclude, filter)
        warn(framed.report, f"{name} of {str(self.path)!r}", stacklevel=2)
        return framed.frame

    def framed(
        self,
        name: str,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
        filter: ds.Expression | None = None,  # noqa: A002 - pyarrow's name for it
    ) -> Framed:
        """Return what `frame` does, with its report and without a warning."""
        schema = schema_in(self.path, name)
        chosen = schema.select(columns, exclude)
        table, report = self._table(name, [column.name for column in chosen], (), filter)
        rows = table.num_rows
        frame = pandas_table(table, chosen) if chosen else pd.DataFrame(index=range(rows))
        frame.attrs = report.attrs(schema)
        if name in _PRICED:
            parts = self.manifest.parts.values()
            versions = {part.price_version for part in parts if part.price_version}
            frame.attrs["price_version"] = ", ".join(sorted(versions)) or None
        return Framed(frame, report)

    def polars(self, name: str) -> "pl.LazyFrame":
        """Return one frame of all sessions as a polars `LazyFrame`.

        Raises:
            FrameError: the store holds no frame of this name.
            MissingPackageError: polars is not installed.

        Example:
            >>> calls = store.polars("tool_calls")  # doctest: +SKIP
            >>> calls.group_by("tool").len().collect()  # doctest: +SKIP
        """
        try:
            import polars as pl
        except ModuleNotFoundError as error:
            raise MissingPackageError("A polars frame needs polars: pip install polars") from error
        files = self.files(name)
        empty = pl.from_arrow(arrow_schema(schema_in(self.path, name)).empty_table())
        if not files:
            return empty.lazy()  # type: ignore[union-attr]
        return pl.scan_parquet(files, missing_columns="insert", schema=dict(empty.schema))  # type: ignore[union-attr]

    def duckdb(self) -> "duckdb.DuckDBPyConnection":
        """Return a duckdb connection with a view for each frame.

        Raises:
            MissingPackageError: duckdb is not installed.

        Example:
            >>> store.duckdb().sql("select tool, count(*) from tool_calls group by tool")  # doctest: +SKIP
        """
        try:
            import duckdb
        except ModuleNotFoundError as error:
            raise MissingPackageError(
                "A duckdb connection needs duckdb: pip install duckdb"
            ) from error
        made = duckdb.connect()
        for name in STORED:
            files = [str(path).replace("'", "''") for path in self.files(name)]
            if files:
                listed = ", ".join(f"'{path}'" for path in files)
                made.execute(
                    f"create view {name} as from "
                    f"read_parquet([{listed}], union_by_name=true, hive_partitioning=false)"
                )
            else:
                empty = arrow_schema(schema_in(self.path, name)).empty_table()
                made.register(name, empty)
        return made

    def dask(
        self, name: str, *, columns: Iterable[str] | None = None, exclude: Iterable[str] = ()
    ) -> "dd.DataFrame":
        """Return one frame of all sessions as a dask DataFrame, a partition per part.

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
        schema = schema_in(self.path, name)
        names = [column.name for column in schema.select(columns, exclude)]
        parts = [[path] for path in self.files(name)] or [[]]
        meta = clear_known_categories(_partition([], names, schema))
        with dask.config.set({"dataframe.convert-string": False}):  # the dtypes stay ours
            return dd.from_map(_partition, parts, columns=names, schema=schema, meta=meta)

    def open(self, session_id: str) -> OpenedLog:
        """Return one session with its tables, as `frames.open_log` does.

        Args:
            session_id: its id, or the beginning of it (4 characters or more).

        Raises:
            FrameError: there is no such session, or several begin so.

        Example:
            >>> store.open("4b6b04ae").tool_calls  # doctest: +SKIP
        """
        found = chosen(session_id, self.session_ids)
        if found is None:
            raise FrameError(f"There is no session `{session_id}` in {str(self.path)!r}.")

        def frame(name: str) -> pd.DataFrame:
            return self.frame(name, filter=ds.field(KEY) == found)

        return opened(frame("sessions").iloc[0], frame)

    def _check(self) -> None:
        if not is_store(self.path):
            what = "is not a store" if self.path.is_dir() else "is not a directory"
            raise FrameError(
                f"{str(self.path)!r} {what}: fill one with frames.collect(ids, into=…)"
            )

    def _files(self, name: str, manifest: Manifest) -> list[Path]:
        if not (self.path / MANIFEST).is_file():
            return [path for _, path in older_files(self.path, name)]
        return [place(self.path, name, number) for number in sorted(manifest.parts)]

    def _table(
        self,
        name: str,
        columns: Iterable[str] | None,
        exclude: Iterable[str],
        filter: ds.Expression | None,  # noqa: A002 - pyarrow's name for it
    ) -> tuple[pa.Table, Report]:
        if filter is not None and not isinstance(filter, ds.Expression):
            raise FrameError(f"filter must be a pyarrow.dataset expression, not {shown(filter)}")
        schema = schema_in(self.path, name)
        names = [column.name for column in schema.select(columns, exclude)]
        for _ in range(_TRIES):
            manifest = self.manifest
            files, faults = self._intact(name, manifest)
            try:
                table = self._ordered(name, files, names, filter, manifest)
            except (OSError, pa.ArrowException) as error:
                if self.manifest is not manifest:
                    continue
                faults |= _unreadable(files, schema, error)
                files = [path for path in files if path not in faults]
                table = self._ordered(name, files, names, filter, manifest)
            if faults and self.manifest is not manifest:
                continue
            return table, self._report(name, manifest, faults)
        raise FrameError(f"{str(self.path)!r} is being rewritten all the time: read it again later")

    def _intact(self, name: str, manifest: Manifest) -> tuple[list[Path], dict[Path, str]]:
        """Part the files that can be read from those that can't, and say why."""
        faults = {}
        facts = [manifest.parts[number].files.get(name) for number in sorted(manifest.parts)]
        paths = self._files(name, manifest)
        for path, known in zip(paths, facts or [None] * len(paths), strict=True):
            what = fault(path, known)
            if what is not None and (facts or what == "is missing"):
                faults[path] = what
        return [path for path in paths if path not in faults], faults

    def _ordered(
        self,
        name: str,
        files: Sequence[Path],
        names: Sequence[str],
        filter: ds.Expression | None,  # noqa: A002 - pyarrow's name for it
        manifest: Manifest,
    ) -> pa.Table:
        """Read files, the rows of each session together and in order of the ids."""
        data = _dataset(files, schema_in(self.path, name))
        ids = list(manifest.entries)
        if ids == sorted(ids):
            return data.to_table(columns=list(names), filter=filter)
        table = data.to_table(columns=list(dict.fromkeys([*names, KEY])), filter=filter)
        order = _by_session(table[KEY], ids)
        if KEY not in names:
            table = table.drop_columns([KEY])
        return table.take(order)

    def _report(self, name: str, manifest: Manifest, faults: dict[Path, str]) -> Report:
        report = Report()
        if name in _OF_SERVICE:
            every = manifest.entries.values()
            report.base_url = next((entry.base_url for entry in every if entry.base_url), None)
            times = (entry.fetched_at for entry in every if entry.fetched_at)
            report.fetched_at = max(times, default=None)
            report.complete = all(entry.complete for entry in every)
        else:
            for part in manifest.parts.values():
                for problem in part.problems.get(name, ()):
                    report.once(problem.what, problem.where)
            report.join(manifest.entries[one].report() for one in sorted(manifest.entries))
        lost = [one for one, entry in manifest.entries.items() if entry.rows.get(name, 0) is None]
        if lost:
            report.cut("rows were lost", f"collect them again: {', '.join(lost[:3])}…")
        is_imported = (self.path / IMPORTED).is_dir()
        remedy = (
            "delete the store and import the logs again"
            if is_imported
            else "collect its sessions into the store again"
        )
        for path, what in faults.items():
            report.cut(f"{path.parent.name}/{path.name} {what}: {remedy}", str(path))
        return report


def scan(path: str | os.PathLike[str]) -> Store:
    """Open a directory that `collect` filled; nothing is read yet.

    Raises:
        FrameError: there is no such directory, or no collection has ever been made into it.

    Example:
        >>> try:
        ...     scan("typo")
        ... except FrameError as error:
        ...     print(error)
        'typo' is not a directory: fill one with frames.collect(ids, into=…)
    """
    return Store(path)


def _dataset(files: Sequence[Path], schema: Schema) -> ds.Dataset:
    layout = arrow_schema(schema)
    if not files:
        return ds.dataset(layout.empty_table())
    is_older = files[0].parent.name.startswith(f"{KEY}=")
    return ds.dataset(
        [str(path) for path in files],
        schema=layout,
        format=_FORMAT,
        partitioning=_HIVE if is_older else None,
    )


def _by_session(keys: pa.ChunkedArray, ids: Sequence[str]) -> pa.Array:
    """Return where the rows stand in the order of the sessions' ids."""
    ranks = pc.index_in(keys, value_set=pa.array(sorted(ids), keys.type))
    return pa.array(np.argsort(ranks.to_numpy(), kind="stable"))


def _unreadable(files: Sequence[Path], schema: Schema, error: Exception) -> dict[Path, str]:
    """Find the files that can't be read; the next `collect` looks at them closely.

    Raises:
        FrameError: all of them can, each by itself.
    """
    found = {}
    for path in files:
        try:
            _dataset([path], schema).to_table()
        except (OSError, pa.ArrowException):
            found[path] = "is damaged"
            with contextlib.suppress(OSError):
                os.utime(path)
    if not found:
        raise FrameError(
            f"The stored {schema.name} could not be read: {one_line(str(error))}"
        ) from error
    return found


def _partition(files: Sequence[Path], columns: Sequence[str], schema: Schema) -> pd.DataFrame:
    """Read a partition of a dask DataFrame, which asks for no more columns than it needs."""
    table = _dataset(files, schema).to_table(columns=list(columns))
    return pandas_table(table, [schema[column] for column in columns])
