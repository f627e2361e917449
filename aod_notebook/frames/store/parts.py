"""Parts: files with the rows of many sessions, written apart and checked before they count."""

import contextlib
import os
import stat
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aod_notebook.frames.report import Problem
from aod_notebook.frames.schema import Schema
from aod_notebook.frames.store.layout import (
    FRESH,
    KEY,
    STORED,
    arrow_schema,
    conformed,
    schema_in,
    version_in,
)
from aod_notebook.frames.store.manifest import FileFacts, Manifest, StoredSession, StorePart

MOST_SESSIONS: Final = 1_000
MOST_BYTES: Final = 256_000_000
"""A part is full with so many sessions, or so many bytes before compression."""
_GROUP_ROWS: Final = 32_768
_GROUP_BYTES: Final = 8_000_000
"""Rows are written in groups of about this size, each of whole sessions."""
_LONGEST_GROUP: Final = 131_072
_LEFT_OVER_S: Final = 3600.0
"""A file that is not in its place after so long was left by a collection that was killed."""
_CHUNK: Final = 1 << 20


@dataclass
class Staged:
    """A part that is written, but not in its place yet: nobody reads it before `commit`."""

    folder: Path
    part: StorePart
    entries: dict[str, StoredSession]


@dataclass
class _Waiting:
    tables: list[pa.Table] = field(default_factory=list)
    rows: int = 0
    size: int = 0


class PartWriter:
    """Writes one part, batch by batch; memory holds no more than a row group of each frame."""

    def __init__(self, store: Path) -> None:
        self._folder = store / FRESH / uuid4().hex
        self._folder.mkdir(parents=True)
        self._version = version_in(store)
        self.schemas = {name: schema_in(store, name) for name in STORED}
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._waiting = {name: _Waiting() for name in STORED}
        self._part = StorePart(problems={name: [] for name in STORED})
        self.entries: dict[str, StoredSession] = {}
        self.size = 0
        self.began = time.monotonic()

    def add(
        self,
        tables: Mapping[str, pa.Table],
        entries: Mapping[str, StoredSession],
        problems: Mapping[str, Sequence[Problem]] | None = None,
        price_version: str | None = None,
    ) -> None:
        """Add the rows of whole sessions, in the order of the entries."""
        for entry in entries.values():
            entry.version = self._version
        for name, table in tables.items():
            counts = _counts(table, entries)
            for entry, count in zip(entries.values(), counts, strict=True):
                is_lost = name in entry.rows and entry.rows[name] is None
                entry.rows[name] = None if is_lost else count
            self._put(name, table)
        self.entries |= entries
        for name, found in (problems or {}).items():
            known = self._part.problems[name]
            known += [problem for problem in found if problem not in known]
        self._part.price_version = price_version or self._part.price_version

    @property
    def is_full(self) -> bool:
        """Whether the next sessions belong into another part."""
        return len(self.entries) >= MOST_SESSIONS or self.size >= MOST_BYTES

    def close(self) -> Staged:
        """Write what is left to the disk."""
        for name in STORED:
            self._write(name)
            self._writers[name].close()
            path = self._folder / f"{name}.parquet"
            with path.open("rb") as file:
                os.fsync(file.fileno())
            self._part.files[name] = facts_of(path)
        self._part.size = self.size
        return Staged(self._folder, self._part, self.entries)

    def discard(self) -> None:
        """Delete what was written."""
        for writer in self._writers.values():
            with contextlib.suppress(OSError, pa.ArrowException):
                writer.close()
        _delete(self._folder)

    def _put(self, name: str, table: pa.Table) -> None:
        waiting = self._waiting[name]
        waiting.tables.append(table)
        waiting.rows += table.num_rows
        waiting.size += table.nbytes
        self.size += table.nbytes
        if waiting.rows >= _GROUP_ROWS or waiting.size >= _GROUP_BYTES:
            self._write(name)

    def _write(self, name: str) -> None:
        if name not in self._writers:
            self._writers[name] = _writer(self._folder / f"{name}.parquet", self.schemas[name])
        waiting, self._waiting[name] = self._waiting[name], _Waiting()
        if waiting.rows:
            whole = pa.concat_tables(waiting.tables)
            self._writers[name].write_table(whole, row_group_size=_LONGEST_GROUP)


def _writer(path: Path, schema: Schema) -> pq.ParquetWriter:
    texts = {c.name for c in schema.columns if c.dtype in ("str", "json")} - {KEY}
    others = [column.name for column in schema.columns if column.name not in texts]
    return pq.ParquetWriter(
        path,
        arrow_schema(schema),
        compression="zstd",
        use_dictionary=others,  # long texts repeat too seldom to pay for the search
        write_statistics=others,
        write_page_checksum=True,
    )


def _counts(table: pa.Table, entries: Iterable[str]) -> list[int]:
    """Return how many rows each session has."""
    found = {row["values"]: row["counts"] for row in pc.value_counts(table[KEY]).to_pylist()}
    return [found.get(session_id, 0) for session_id in entries]


def facts_of(path: Path) -> FileFacts:
    """Return by what a file is known again."""
    status = path.stat()
    return FileFacts(status.st_size, _checksum(path), status.st_mtime_ns)


def _checksum(path: Path) -> int:
    found = 0
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            found = zlib.crc32(data, found)
    return found


def place(store: Path, name: str, number: int) -> Path:
    """Return where a frame of a part is stored."""
    return store / name / f"part-{number}.parquet"


def fault(path: Path, facts: FileFacts | None, *, closely: bool = False) -> str | None:
    """Return what is wrong with a file of a part: "is missing", "is damaged", or nothing.

    A file of the known size and time counts as intact. With `closely` one of another time is
    read and compared; without, only its size counts.
    """
    try:
        status = path.stat()
    except OSError:
        return "is missing"
    if facts is None or status.st_size != facts.size or not stat.S_ISREG(status.st_mode):
        return "is damaged"
    if not closely or status.st_mtime_ns == facts.mtime_ns:
        return None
    if _checksum(path) != facts.crc:
        return "is damaged"
    facts.mtime_ns = status.st_mtime_ns  # a copy of the store has other times
    return None


def rewritten(
    store: Path, manifest: Manifest, numbers: Iterable[int], without: Iterable[str] = ()
) -> Iterator[Staged]:
    """Write the sessions of some parts again, in as few parts as they fit in.

    Rows that were lost stay lost: their entries say so, and the next `collect` fetches them.
    """
    gone, of_part = set(without), manifest.by_part()
    writer = None
    for number in numbers:
        kept = [one for one in of_part[number] if one not in gone]
        if not kept:
            continue
        writer = writer or PartWriter(store)
        _copy(store, manifest, number, kept, writer)
        if writer.is_full:
            yield writer.close()
            writer = None
    if writer is not None:
        yield writer.close()


def _copy(
    store: Path, manifest: Manifest, number: int, kept: Sequence[str], writer: PartWriter
) -> None:
    part = manifest.parts[number]
    entries = {one: manifest.entries[one] for one in kept}
    wanted = pa.array(kept, pa.large_string())
    named = set(kept)
    for name in STORED:
        layout = arrow_schema(schema_in(store, name))
        path = place(store, name, number)
        rows = [layout.empty_table()]
        if fault(path, part.files.get(name), closely=True) is None:
            read = conformed(pq.read_table(path, partitioning=None), layout)
            rows = [read.filter(pc.is_in(read[KEY], wanted))]
        else:
            for entry in entries.values():
                entry.rows[name] = None
        problems = [each for each in part.problems.get(name, ()) if _is_of(each, named, manifest)]
        writer.add({name: rows[0]}, entries, {name: problems}, part.price_version)


def _is_of(problem: Problem, kept: set[str], manifest: Manifest) -> bool:
    """Check whether a problem is of a session that is kept, or of none."""
    session_id = problem.where.partition(",")[0]
    return session_id in kept or session_id not in manifest.entries


def tidy(store: Path, manifest: Manifest) -> None:
    """Delete what collections that were killed have left. Call it while the store is locked."""
    for path in (store / FRESH).glob("*"):
        with contextlib.suppress(OSError, pa.ArrowException):
            newest = max(each.stat().st_mtime for each in (path, *path.glob("*")))
            if time.time() - newest > _LEFT_OVER_S:
                _delete(path)
    named = {place(store, name, number) for name in STORED for number in manifest.parts}
    for name in STORED:
        for path in (store / name).glob("part-*.parquet"):
            if path not in named:
                path.unlink(missing_ok=True)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():  # where a link leads, nothing is ours
        for each in path.glob("*"):
            _delete(each)
        with contextlib.suppress(OSError, pa.ArrowException):
            path.rmdir()
    else:
        path.unlink(missing_ok=True)
