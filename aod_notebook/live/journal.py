"""What outlives the kernel: which sessions notebooks worked with, and the events of each."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import re
import sqlite3
import threading
import time
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from aod_notebook.core.append_log import AppendLog
from aod_notebook.core.files import make_private, make_private_file
from aod_notebook.core.settings import home
from aod_notebook.live.registry import registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aod_notebook.aod import Session, StreamEvent


log = logging.getLogger("aod_notebook.live")

MAX_BYTES = 100_000_000
"""A session's log ends here; what comes later is asked of the service."""
MAX_FOLDER_BYTES = 1_000_000_000
"""When all logs are larger than this, the oldest are deleted as a new one begins."""
_SAFE_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
_VERSION = 2
NEWER = "a newer version of aod-notebook wrote it, and its rows are kept: update this one"
_SCHEMA = """
create table if not exists followed (
    session_id  text not null,
    service     text not null,
    runtime     text,
    followed_at real not null,
    primary key (session_id, service)
) without rowid;

create table if not exists worked (
    session_id text not null,
    service    text not null,
    notebook   text not null,
    at         real not null,
    primary key (session_id, service, notebook)
) without rowid;

create table if not exists spent (
    session_id text not null,
    service    text not null,
    state      text not null,
    turns      text not null,
    primary key (session_id, service)
) without rowid;

create table if not exists batch (
    id          text primary key,
    service     text not null,
    fingerprint text not null,
    sessions    integer not null,
    about       text not null,
    owner       text not null,
    began_at    real not null,
    ended_at    real
) without rowid;

create table if not exists batch_session (
    batch_id   text not null,
    number     integer not null,
    attempt    integer not null,
    claimed_at real not null,
    session_id text,
    outcome    text,
    primary key (batch_id, number)
) without rowid;

create table if not exists reusable (
    key        text not null,
    service    text not null,
    session_id text not null,
    at         real not null,
    primary key (key, service)
) without rowid;
"""

_process = f"process {uuid4()}"


class JournalWarning(UserWarning):
    """The journal can't be written; `last` is known in this kernel only.

    Fix: Set AOD_NOTEBOOK_HOME to a folder that can be written.
    """


def remember(session_id: str, service: str, runtime: str | None, *, works: bool = True) -> None:
    """Note that a session was started or continued; `service` is its `Connection.key`.

    One that does not `works` was only looked at.

    A journal that can't be written causes a warning; the session continues.
    """
    registry.last[service] = session_id
    with _tolerant(), opened() as rows:
        rows.execute(
            "insert or replace into followed values (?, ?, ?, ?)",
            (session_id, service, runtime, time.time()),
        )
        if works:
            note_work(rows, session_id, service)


def forget(session_id: str, service: str) -> None:
    """Note that a session was deleted."""
    if registry.last.get(service) == session_id:
        del registry.last[service]
    with _tolerant(), opened() as rows:
        rows.execute(
            "delete from followed where session_id = ? and service = ?", (session_id, service)
        )


def last_followed(service: str) -> str | None:
    """Return the id of the session or run that was followed last on a service; None if none was.

    That of this process comes before those of others.
    """
    if service in registry.last:
        return registry.last[service]
    row = None
    with _tolerant(), opened() as rows:
        row = rows.execute(
            "select session_id from followed where service = ? order by followed_at desc limit 1",
            (service,),
        ).fetchone()
    return None if row is None else str(row[0])


def note_work(rows: sqlite3.Connection, session_id: str, service: str) -> None:
    """Record that this notebook used a session, to count its cost."""
    rows.execute(
        "insert or ignore into worked values (?, ?, ?, ?)",
        (session_id, service, notebook(), time.time()),
    )


def notebook() -> str:
    """Return the key of this notebook: its path where the server sets it, else this process."""
    return os.environ.get("JPY_SESSION_NAME") or _process


@contextlib.contextmanager
def _tolerant() -> Iterator[None]:
    """Warn about an unusable journal instead of failing: it is only a memory."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        warnings.warn(
            f"The journal in AOD_NOTEBOOK_HOME can't be used ({reason}); `last` will not be "
            "known after a restart of the kernel.",
            JournalWarning,
            stacklevel=4,
        )


@contextlib.contextmanager
def opened() -> Iterator[sqlite3.Connection]:
    """Open the journal for one transaction; kernels share the file."""
    # SQLite's own files beside it take its mode
    path = make_private_file(make_private(home()) / "journal.db")
    connection = sqlite3.connect(path, timeout=10, isolation_level=None)
    try:
        # The lock comes first: of two that find no table, one makes it.
        connection.execute("begin immediate")
        with connection:
            (version,) = connection.execute("pragma user_version").fetchone()
            if version > _VERSION:
                raise sqlite3.DatabaseError(NEWER)
            if version < _VERSION:
                for statement in _SCHEMA.split(";"):  # a script would end the transaction
                    connection.execute(statement)
                connection.execute(f"pragma user_version = {_VERSION}")
            yield connection
    finally:
        connection.close()


class _EventLine(msgspec.Struct, array_like=True):
    """An event as a line of the log; `cursor` is where the stream continues after it."""

    at: float
    cursor: int | None
    type: str
    id: int | None
    extra: dict[str, Any]


class _NoteLine(msgspec.Struct, omit_defaults=True):
    """A line that is not an event: about the session, or the session at a turn's end."""

    about: dict[str, str] | None = None
    row: dict[str, Any] | None = None


@dataclass
class LogContents:
    """The contents of a log.

    Attributes:
        events: the events in order, each with the `time.time()` at which it came.
        cursor: where the stream continues.
        row: the session at the end of its last turn; None while that runs.
        about: `service`, and `runtime` and `model` if they were known.
    """

    events: list[tuple[StreamEvent, float]] = field(default_factory=list)
    cursor: int | None = None
    row: Session | None = None
    about: dict[str, str] = field(default_factory=dict)


class EventLog:
    """One session's append-only file in AOD_NOTEBOOK_HOME, readable by its user only.

    It holds a beginning of the session's events, without a gap, and nothing of the connection.
    One process at a time writes it: the one that has opened it and knows all that is in it. A
    log that can't be written is not an error; what it lacks is asked of the service again.

    Args:
        service: the `Connection.key` of the session's service.
        session_id: the session's id.

    Example:
        >>> EventLog("http://localhost:8777", "0b3f7e0a").read().events
        []
    """

    def __init__(self, service: str, session_id: str) -> None:
        folder = hashlib.sha256(service.encode()).hexdigest()[:16]
        is_safe = _SAFE_ID.fullmatch(session_id) is not None
        self._path = home() / "events" / folder / f"{session_id}.jsonl" if is_safe else None
        self._lock = threading.RLock()  # guards the fields below
        self._read_to = 0
        self._is_known = is_safe
        """Whether the process knows exactly what the log holds up to `_read_to`."""
        self._file: AppendLog | None = None

    def read(self) -> LogContents:
        """Return what was appended to the log since the last read."""
        kept = LogContents()
        with self._lock:
            for line in self._unread():
                if not line.endswith(b"\n") or not _take(line, kept):
                    break  # torn by a crash, or not a line of ours
                self._read_to += len(line)
        return kept

    def open(self, about: dict[str, str]) -> LogContents:
        """Open the log for writing; return what another process has written to it meanwhile."""
        with self._lock:
            if self._file is not None or self._path is None or not self._is_known:
                return LogContents()
            try:
                self._file = _opened(self._path)
            except OSError as error:  # as where there are no locks between processes
                log.warning("The event log %s is not kept: %s", self._path, error)
            kept = self.read()
            if self._file is None:
                return kept
            with self._giving_up():
                self._file.cut(self._read_to)
            if self._read_to == 0:
                self._append(_NoteLine(about=about))
            return kept

    def write(self, event: StreamEvent, at: float, cursor: int | None) -> None:
        """Append an event."""
        self._append(_EventLine(at, cursor, event.type, event.id, event.extra))

    def close(self, row: Session | None = None) -> None:
        """Append how the session was at the end of its turn, if it ended, and close the file."""
        with self._lock:
            if row is not None:
                self._append(_NoteLine(row=row.model_dump(mode="json", exclude={"resources"})))
            if self._file is not None:
                self._file.close()
                self._file = None

    def forget(self) -> None:
        """Stop writing in a forked child: the parent continues."""
        self._lock = threading.RLock()
        self._is_known = False
        self.close()

    def delete(self) -> None:
        """Delete the log."""
        self._is_known = False
        self.close()
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _unread(self) -> list[bytes]:
        if self._path is None or not self._is_known:
            return []
        try:
            with self._path.open("rb") as file:
                file.seek(self._read_to)
                return file.read().splitlines(keepends=True)
        except OSError:
            return []

    def _append(self, line: _EventLine | _NoteLine) -> None:
        with self._lock, self._giving_up():
            if self._file is None:
                self._is_known = False
                return
            data = _encoded(line)
            if self._read_to + len(data) > MAX_BYTES:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
            self._file.append(data)
            self._read_to = self._file.end

    @contextlib.contextmanager
    def _giving_up(self) -> Iterator[None]:
        """Stop writing after an error: a log with a gap is useless."""
        try:
            yield
        except (OSError, ValueError, RecursionError) as error:
            log.warning("The event log %s ends here: %s", self._path, error)
            self._is_known = False
            self.close()


def _opened(path: Path) -> AppendLog | None:
    """Open the file and lock it; None if another process writes it."""
    make_private(path.parent)
    if not path.exists():
        _make_room(path.parent.parent)
    file = AppendLog.open(path)
    try:
        is_ours = file.lock()
    except OSError:
        file.close()
        raise
    if is_ours:
        return file
    file.close()
    return None


def _encoded(line: _EventLine | _NoteLine) -> bytes:
    """Return a line as JSON; a lone surrogate takes the slower way."""
    try:
        return msgspec.json.encode(line) + b"\n"
    except ValueError:
        return json.dumps(msgspec.to_builtins(line)).encode() + b"\n"


def _decoded(line: bytes) -> _EventLine:
    try:
        return msgspec.json.decode(line, type=_EventLine)
    except ValueError:
        return msgspec.convert(json.loads(line), _EventLine)


def _take(line: bytes, kept: LogContents) -> bool:
    """Take a line of a log; return whether it is valid."""
    from aod_notebook.aod import Session, StreamEvent

    try:
        if line.startswith(b"["):
            read = _decoded(line)
            kept.events.append((StreamEvent(read.type, read.id, read.extra), read.at))
            kept.cursor, kept.row = read.cursor, None
        else:
            note = msgspec.json.decode(line, type=_NoteLine)
            kept.about = note.about or kept.about
            kept.row = None if note.row is None else Session.model_validate(note.row)
    except ValueError:
        return False
    return True


def _make_room(folder: Path) -> None:
    """Delete the oldest logs if their total size is too large."""
    found = []
    for file in folder.glob("*/*.jsonl"):
        with contextlib.suppress(FileNotFoundError):  # another kernel makes room too
            found.append((file.stat().st_mtime, file.stat().st_size, file))
    total = sum(size for _, size, _ in found)
    for _, size, file in sorted(found):
        if total <= MAX_FOLDER_BYTES:
            return
        file.unlink(missing_ok=True)
        total -= size
