"""What is followed as a source of frames: each look decodes only what came since the last one."""

import os
import threading
from dataclasses import replace
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from aod_notebook.frames.decode.events import Decoded
from aod_notebook.frames.native import Table
from aod_notebook.frames.protocols import FollowedSession
from aod_notebook.frames.report import Framed, Report
from aod_notebook.frames.runs.events import KeptEvents
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.frames.transcripts.pieces import GrowingPieces, Piece

_SCHEMA = SCHEMAS["events"]
_T = TypeVar("_T", "_Kept", KeptEvents)


class _Kept:
    """What was decoded of one followed session."""

    _decoded: Decoded
    _pieces: GrowingPieces
    _count: int
    """Events that are decoded."""
    _read: int
    """Of these, those that are read as a transcript."""
    _last: tuple[Any, float] | None

    def __init__(self, session_id: str) -> None:
        self._session_id = session_id
        self._lock = threading.Lock()
        self._forget()

    def events(self, session: FollowedSession) -> Framed:
        """Make the events frame of what the session has received."""
        with self._lock:
            self._update(session)
            frame, report = self._decoded.table.peek(), self._report()
        frame.attrs = report.attrs(_SCHEMA)
        return Framed(frame, report)

    def pieces(self, session: FollowedSession) -> tuple[list[Piece], Report]:
        """Read the transcript of what the session has received."""
        with self._lock:
            self._update(session)
            table = self._decoded.table
            if self._read < table.count:
                self._pieces.add(table.peek(self._read))
                self._read = table.count if self._pieces.has_begun else 0
            return self._pieces.so_far(getattr(session, "model", None)), self._report()

    def _update(self, session: FollowedSession) -> None:
        received = session.received()
        if self._count and received[self._count - 1 : self._count] != [self._last]:
            self._forget()  # it holds other events than before
        new = list(received[self._count :])
        if new:
            self._decoded.add([event for event, _ in new], [at for _, at in new])
            self._count, self._last = len(received), new[-1]

    def _forget(self) -> None:
        self._decoded = Decoded(self._session_id)
        self._pieces = GrowingPieces(self._session_id)
        self._count = self._read = 0
        self._last = None

    def _report(self) -> Report:
        report = self._decoded.report
        return replace(report, problems=[*report.problems])


_kept: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_kept.clear)  # a thread of the parent may hold a lock


def followed_events(session: FollowedSession) -> Framed:
    """Make events of a followed session, with the times at which they came."""
    return _kept_of(session, _Kept(str(session.id))).events(session)


def followed_pieces(session: FollowedSession) -> tuple[list[Piece], Report]:
    """Read the transcript of a followed session; return also what is missing of its events."""
    return _kept_of(session, _Kept(str(session.id))).pieces(session)


def followed_run_events(run: Any, run_id: str, client: Any) -> tuple[Table, Report]:
    """Ask for the events of a followed run that are new; return all so far."""
    return _kept_of(run, KeptEvents(run_id)).look(client)


def _kept_of(followed: Any, fresh: _T) -> _T:
    try:
        kept: _T = _kept.setdefault(followed, fresh)
    except TypeError:  # an object of another class, which can be no key
        return fresh
    return kept
