"""Follow a session's event stream, and keep its events on disk: they outlive kernel and service."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import re
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from aod_notebook.contract import ACTIVE_STATUSES, TERMINAL_EVENTS
from aod_notebook.core.append_log import AppendLog
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.files import make_private
from aod_notebook.core.settings import home
from aod_notebook.live.errors import NotFollowedError
from aod_notebook.live.follow import WAKE_S, Follower

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from aod_notebook.aod import Session, SessionTurn, StreamEvent
    from aod_notebook.live.connections import AodConnection


log = logging.getLogger("aod_notebook.live")

MAX_BYTES = 100_000_000
"""A session's log ends here; what comes later is asked of the service."""
MAX_FOLDER_BYTES = 1_000_000_000
"""When all logs are larger than this, the oldest are deleted as a new one begins."""
QUIET_S = 0.5
"""A connected stream that is silent for so long has nothing more at the moment."""
PAUSE_S = 1.0
"""Before a stream that ended while its session runs is opened again."""
_SAFE_ID = re.compile(r"[0-9A-Za-z-]{1,64}")


class SessionFollower(Follower["StreamEvent", "Session"]):
    """The event stream of a session, followed until its turn ends.

    What the session's event log holds counts as received, and what comes is added to it.

    Args:
        connection: the service that the session is on.
        session_id: the session's id.
        about: what is known of the session otherwise.

    Attributes:
        about: that, with what the log knows.
        prompts: the prompts by the numbers of their turns, as far as they are known.
    """

    def __init__(self, connection: AodConnection, session_id: str, **about: str | None) -> None:
        super().__init__(connection)
        self._connection = connection
        self._id = session_id
        self._last_event_id: int | None = None
        self._turns: set[object] = set()
        self.prompts: dict[int, str] = {}
        self._is_open = False  # whether the stream is connected
        self._log = EventLog(connection.key, session_id)
        self.about = {name: value for name, value in about.items() if value is not None}
        self._take(self._log.read())

    def follow(self) -> None:
        """Follow in the background from the last position; do nothing if already following."""
        if self._is_final:
            self._connection.ensure()
            self._take(self._log.open(self.about))
        super().follow()

    def sync(self) -> None:
        """Ask the service for the session; follow again if it moved on, or if it was lost."""
        if self._is_final:
            self.ask()

    def ask(self) -> Session:
        """Sync, also while the session is followed, and return the answer."""
        row = self._connection.ensure().client.sessions.get(self._id)
        if self._received and not self.prompts:
            with contextlib.suppress(AodNotebookError):  # an older service: they stay unknown
                self._know(self._connection.client.sessions.turns(self._id))
        if self._is_final and (self._row is None or row.updated_at != self._row.updated_at):
            self.follow()
        return row

    def read_up_to(self, row: Session) -> None:
        """Wait until the events before `row` are here, or the stream is lost."""
        last = (row.model_extra or {}).get("last_event_id")  # of the embedded service
        if row.status not in ACTIVE_STATUSES:
            self.wait()
        elif isinstance(last, int):
            self._wait_until(lambda: (self._last_event_id or 0) >= last)
        else:
            self._wait_until(lambda: self._is_open)
            self.wait(quiet=QUIET_S)

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            while not self._changed.wait_for(lambda: self._is_final or condition(), WAKE_S):
                pass

    def delete_log(self) -> None:
        """Delete the log on disk."""
        self._log.delete()

    def forget(self) -> None:
        """Reset in a forked child: it follows nothing, and the log is the parent's."""
        self._log.forget()
        super().forget()

    def _take(self, kept: LogContents) -> None:
        """Count as received what another kernel received."""
        with self._changed:
            self._received += kept.events
            self._turns |= {
                event.extra.get("turn") for event, _ in kept.events if event.type == "turn_start"
            }
            if kept.events:
                self._last_event_id, self._row = kept.cursor, None
            self._row = kept.row or self._row
            self.about = {**kept.about, **self.about}

    # -- on the background loop -----------------------------------------------------------------

    async def _follow_to_the_end(self) -> Session:
        from aod_notebook.aod import AodConnectionError, StreamInterrupted

        while True:
            client = self._connection.background_client
            try:
                await self._read_stream()
                row = await client.sessions.get(self._id)
            except AodNotebookError as error:
                if self._connection.background_client is not client:
                    log.info("Session %s is followed at %s", self._id, self._connection.base_url)
                    continue  # the service was started again, at another address
                is_away = isinstance(error, (StreamInterrupted, AodConnectionError))
                if is_away and await self._comes_back(error, client):
                    continue
                if is_away and self._received:
                    reason = getattr(error, "reason", "the service can't be reached")
                    advice = f"%aod attach {self._id} continues"
                    raise StreamInterrupted(
                        self._id, self._last_event_id, reason, advice
                    ) from error
                raise
            if row.status not in ACTIVE_STATUSES:
                return row
            await anyio.sleep(PAUSE_S)

    async def _read_stream(self) -> None:
        sessions = self._connection.background_client.sessions
        async with sessions.stream(self._id, since=self._last_event_id) as events:
            self._heard()
            self._set_open(True)
            try:
                if self._received and not self.prompts:
                    await self._read_prompts()
                async for event in events:
                    is_turn = event.type == "turn_start"
                    if is_turn and event.extra.get("turn") not in self.prompts:
                        await self._read_prompts()
                    with self._changed:  # who sees the number has the event
                        self._last_event_id = events.last_event_id
                        if not self._is_repeated(event):
                            self._append(event)
            finally:
                self._set_open(False)

    async def _read_prompts(self) -> None:
        """Ask the service for the prompts, which the stream does not have."""
        with contextlib.suppress(AodNotebookError):
            self._know(await self._connection.background_client.sessions.turns(self._id))

    def _know(self, turns: Iterable[SessionTurn]) -> None:
        self.prompts |= {turn.turn_number: turn.prompt for turn in turns}

    def _set_open(self, is_open: bool) -> None:
        with self._changed:
            self._is_open = is_open
            self._changed.notify_all()

    def _append(self, event: StreamEvent, at: float | None = None) -> None:
        at = time.time() if at is None else at
        if event.type == "turn_start":
            self._turns.add(event.extra.get("turn"))
        self._log.write(event, at, self._last_event_id)
        super()._append(event, at)

    def _is_repeated(self, event: StreamEvent) -> bool:
        """Whether a stream that was opened again repeats an event."""
        if not self._received:
            return False
        if event.type == "start":
            return True
        if event.type == "turn_start":
            return event.extra.get("turn") in self._turns
        last, _ = self._received[-1]
        same = (event.type, event.id, event.extra) == (last.type, last.id, last.extra)
        return same and event.type in TERMINAL_EVENTS

    def _end(self, row: Session | None, error: BaseException | None) -> None:
        self._log.close(row)
        super()._end(row, error)
        if error is not None:
            log.warning("Session %s is not followed any more: %s", self._id, error)
        elif row is not None:
            log.info(
                "Session %s ended its turn: %s, exit code %s", self._id, row.status, row.exit_code
            )

    def _not_followed(self) -> AodNotebookError:
        return NotFollowedError(self._id)


# -- the event log --------------------------------------------------------------------------------


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
