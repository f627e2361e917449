"""The event log: a followed session's events on disk, where they outlive kernel and service."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from aod_notebook.core.append_log import AppendLog
from aod_notebook.core.files import make_private
from aod_notebook.core.settings import home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aod_notebook.aod import Session, StreamEvent


MAX_BYTES = 100_000_000
"""A session's log ends here; what comes later is asked of the service."""
MAX_FOLDER_BYTES = 1_000_000_000
"""When all logs are larger than this, the oldest are deleted as a new one begins."""
_SAFE_ID = re.compile(r"[0-9A-Za-z-]{1,64}")

log = logging.getLogger("aod_notebook.live")


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
