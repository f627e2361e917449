"""The manifest: which sessions a store holds, in which parts, and what is known of them."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from aod_notebook.core.text import one_line
from aod_notebook.frames.checks import FrameError
from aod_notebook.frames.report import Problem, Report
from aod_notebook.frames.store.layout import FRESH, IMPORTED, LOCK, MANIFEST, MARKS, STORED

_META: Final = b"aod.store"
_COLUMNS: Final = pa.schema(
    [
        ("session_id", pa.string()),
        ("part", pa.int64()),
        ("schema_version", pa.string()),
        ("updated_at", pa.string()),
        ("status", pa.string()),
        ("complete", pa.bool_()),
        ("has_received_times", pa.bool_()),
        ("base_url", pa.string()),
        ("fetched_at", pa.string()),
        ("last_event_id", pa.int64()),
        ("notes", pa.string()),
        *((f"{name}_rows", pa.int64()) for name in STORED),
    ]
)


class FileFacts(msgspec.Struct):
    """By what a file is known again."""

    size: int
    crc: int
    mtime_ns: int


class StorePart(msgspec.Struct):
    """One file per frame, with the rows of the same sessions in the same order."""

    files: dict[str, FileFacts] = {}
    problems: dict[str, list[Problem]] = {}
    """By frame, what could not be read of the transcripts."""
    price_version: str | None = None
    size: int = 0
    """Bytes before compression."""


class _Meta(msgspec.Struct):
    next_part: int = 0
    parts: dict[int, StorePart] = {}


class _Notes(msgspec.Struct, omit_defaults=True):
    """What few sessions have to report."""

    truncated_by: str | None = None
    dropped: int = 0
    problems: list[Problem] = []


@dataclass(slots=True)
class StoredSession:
    """One stored session."""

    updated_at: str | None
    status: str | None
    complete: bool
    part: int = -1
    version: str = ""
    has_received_times: bool = False
    base_url: str | None = None
    fetched_at: str | None = None
    last_event_id: int | None = None
    notes: str | None = None
    rows: dict[str, int | None] = field(default_factory=dict)
    """By frame, how many rows; None for rows that were lost."""

    def take(self, report: Report) -> None:
        """Keep what the report on the events says."""
        self.base_url, self.fetched_at = report.base_url, report.fetched_at
        self.last_event_id = report.last_event_id
        if report.truncated_by or report.dropped or report.problems:
            notes = _Notes(report.truncated_by, report.dropped, report.problems)
            self.notes = msgspec.json.encode(notes).decode()

    def report(self) -> Report:
        """Return the report on the events."""
        made = Report(self.base_url, self.fetched_at, self.last_event_id, self.complete)
        if self.notes:
            notes = msgspec.json.decode(self.notes, type=_Notes)
            made.truncated_by, made.dropped = notes.truncated_by, notes.dropped
            made.problems = notes.problems
        return made

    @property
    def is_whole(self) -> bool:
        """Whether no rows were lost."""
        return None not in self.rows.values()


@dataclass
class Manifest:
    """All sessions of a store, those of a part in the order of its rows."""

    entries: dict[str, StoredSession] = field(default_factory=dict)
    parts: dict[int, StorePart] = field(default_factory=dict)
    next_part: int = 0

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Read the manifest of a store; an empty one if there is none yet.

        Raises:
            FrameError: it is damaged.
        """
        path = folder / MANIFEST
        try:
            table = pq.read_table(path, page_checksum_verification=True)
            meta = msgspec.json.decode(table.schema.metadata[_META], type=_Meta)
            made = cls(_entries(table), meta.parts, meta.next_part)
            made.check()
        except FileNotFoundError:
            return cls()
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise FrameError(  # msgspec's errors are ValueErrors
                f"{str(path)!r} is damaged: delete the store and collect it again "
                f"({one_line(str(error))})"
            ) from error
        return made

    def check(self) -> None:
        """Check that the sessions and the parts belong together.

        Raises:
            ValueError: they don't.
        """
        if any(number < 0 for number in self.parts):
            raise ValueError("a part has a number below 0")
        for session_id, entry in self.entries.items():
            if entry.part not in self.parts:
                raise ValueError(f"session {session_id} is in no part")
            if entry.notes:
                msgspec.json.decode(entry.notes, type=_Notes)

    def write(self, folder: Path) -> None:
        """Replace the manifest of a store, as a whole."""
        meta = msgspec.json.encode(_Meta(self.next_part, self.parts))
        layout = _COLUMNS.with_metadata({_META: meta})
        columns = _columns(self.entries)
        table = pa.table([pa.array(columns[f.name], f.type) for f in _COLUMNS], schema=layout)
        fresh = folder / FRESH / uuid4().hex
        fresh.parent.mkdir(exist_ok=True)
        try:
            with fresh.open("xb") as file:
                pq.write_table(table, file, compression="zstd", write_page_checksum=True)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(folder / MANIFEST)
        except BaseException:
            fresh.unlink(missing_ok=True)  # on a full disk, room for others
            raise

    def by_part(self) -> dict[int, list[str]]:
        """Return the sessions of each part, in the order of their rows."""
        found: dict[int, list[str]] = {number: [] for number in self.parts}
        for session_id, entry in self.entries.items():
            found[entry.part].append(session_id)
        return found


def _columns(entries: dict[str, StoredSession]) -> dict[str, list[Any]]:
    every = sorted(entries.items(), key=lambda item: item[1].part)  # stable: rows keep their order
    columns: dict[str, list[Any]] = {"session_id": [one for one, _ in every]}
    for name in _COLUMNS.names[1:]:
        if name.endswith("_rows"):
            frame = name.removesuffix("_rows")
            columns[name] = [entry.rows.get(frame) for _, entry in every]
        else:
            attribute = "version" if name == "schema_version" else name
            columns[name] = [getattr(entry, attribute) for _, entry in every]
    return columns


def _entries(table: pa.Table) -> dict[str, StoredSession]:
    table = table.select(_COLUMNS.names).cast(_COLUMNS)
    if table["session_id"].null_count:
        raise ValueError("a session has no id")
    columns = {name: table[name].to_pylist() for name in _COLUMNS.names}
    fields: Any = zip(*(columns[name] for name in _FIELDS), strict=True)
    counts = zip(*(columns[f"{name}_rows"] for name in STORED), strict=True)
    made = {}
    for session_id, values, rows in zip(columns["session_id"], fields, counts, strict=True):
        made[session_id] = StoredSession(*values)
        made[session_id].rows = dict(zip(STORED, rows, strict=True))
    return made


_FIELDS: Final = (
    "updated_at",
    "status",
    "complete",
    "part",
    "schema_version",
    "has_received_times",
    "base_url",
    "fetched_at",
    "last_event_id",
    "notes",
)
"""The columns of an entry's first fields, in their order."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the store for oneself while its manifest is replaced.

    Raises:
        FrameError: a folder of the store is a link. One that was sent by somebody could lead
            anywhere, and files of a store are deleted and replaced.
    """
    for name in (FRESH, LOCK, IMPORTED, MARKS, *STORED):
        if (folder / name).is_symlink():
            raise FrameError(
                f"{str(folder / name)!r} is a link, and a store is not written through links: "
                "remove it, or pass another directory"
            )
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with contextlib.suppress(OSError):  # some network disks have no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
