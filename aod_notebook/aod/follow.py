"""The policy for following the event stream of a session, without I/O."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from aod_notebook.aod.errors import StreamInterrupted
from aod_notebook.aod.events import TERMINAL_TYPES, StreamEvent, decode_batch
from aod_notebook.core.redact import redact
from aod_notebook.core.resume import Resume
from aod_notebook.core.sse import SSEDecoder, framed
from aod_notebook.core.wire import Call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aod_notebook.core.errors import CallFailure
    from aod_notebook.core.sse import EventBatch

_LONGEST_ID = 19  # digits of a 64-bit number; a longer number is not a row of a log
_MARK: Final = re.compile(rb"\nid: (\d{1,19})\n")
_FIRST: Final = re.compile(rb"^id: (\d{1,19})$", re.MULTILINE)
_TURN: Final = re.compile(rb'"turn":\s*(\d{1,9})')
_BULK_BYTES: Final = 8_192
"""Larger blocks are the past of a session. To look at each of their events would cost a fifth of
decoding them, so on a first connection, which has nothing to repeat, only their ends are."""
_TOLD: Final = re.compile(rb'"(?:start|turn_start|exit|error|terminated|stale)"')
"""Types for which the place of an event, or the connection before, decides whether it is given.
Quotes within a text are escaped in JSON, so no output of an agent looks like this."""


class TurnCounter:
    """Assign the events of a session to its turns, in the order of its log.

    `turn_start` and `output` name their turn; a stage does not, but each turn begins with
    exactly one stage `runtime_start`, and what is provisioned before belongs to turn 1.

    Args:
        from_start: whether the first event of the log comes first, so that turn 1 is known.

    Example:
        >>> counter = TurnCounter()
        >>> stage = StreamEvent("stage", 5, {"stage": "runtime_start", "state": "started"})
        >>> counter.turn_of(stage), counter.turn_of(stage)
        (1, 2)
    """

    def __init__(self, *, from_start: bool = True) -> None:
        self.turn: int | None = 1 if from_start else None
        self._begun = not from_start  # whether the turn's own `runtime_start` has passed

    def turn_of(self, event: StreamEvent) -> int | None:
        """Number of the turn that the event belongs to; None while it cannot be known."""
        named = event.extra.get("turn") if event.type in {"turn_start", "output"} else None
        if isinstance(named, int):
            self.turn, self._begun = named, True
        elif event.type == "stage" and event.extra.get("stage") == "runtime_start":
            if self._begun and self.turn is not None:
                self.turn += 1
            self._begun = True
        elif event.type == "stage" and self.turn is None:
            self.turn, self._begun = 1, False
        return self.turn


class SessionFollow(Resume[StreamEvent]):
    """Follows one session: exactly-once events up to, and including, a terminal one.

    `start` and `turn_start`, which each connection repeats, are given once. The cursor
    moves on events with an `id:` line only, so never on `turn_start`: its JSON id equals
    that of the next output. With `turn`, only that turn's events are given, and the
    stream ends where the next turn begins.
    """

    def __init__(
        self, session_id: str, path: str, *, since: int | None, turn: int | None, **limits: Any
    ) -> None:
        super().__init__(since, **limits)
        self.terminal: StreamEvent | None = None
        self._session_id = session_id
        self._path = path
        self._turn = turn
        self._counter = TurnCounter(from_start=since is None)
        self._has_passed = False
        self._passed_turn: int | None = None

    def call(self) -> Call:
        """Describe the call that opens the stream at the cursor."""
        if self.last_event_id is None:
            return Call(method="GET", path=self._path)
        cursor = str(self.last_event_id)
        return Call(
            method="GET",
            path=self._path,
            params={"since": cursor},
            headers={"Last-Event-ID": cursor},
        )

    def gave_up(self, failure: CallFailure) -> StreamInterrupted:
        """Return the error with the position to continue from."""
        reason = redact(failure.reason) or f"status {failure.status}"
        return StreamInterrupted(self._session_id, self.last_event_id, reason)

    def again(self) -> None:
        """Continue after a terminal event: the session has more events."""
        self.ended = False
        self.terminal = None

    def read(self, batch: EventBatch) -> Iterator[StreamEvent]:
        """Return the new events of a batch; nothing comes after a terminal event."""
        for event, mark in zip(decode_batch(batch), batch.ids, strict=True):
            if self._is_new(event, mark) and self._is_wanted(event):
                yield event
            if self.ended:
                return

    def whole(self, chunk: bytes) -> Iterator[bytes]:
        """Return the bytes of the new events that the next bytes of the body complete.

        They are the events that `feed` gives. Rows pass undecoded.
        """
        block = self.cut(chunk)
        if self._turn is not None:
            yield from self._one_by_one(block)
            return
        is_bulk = self._connections == 1 and len(block) > _BULK_BYTES
        if is_bulk and self._passes(block):
            yield block
            return
        for part, is_rows in _parts(block):
            if is_rows and self._takes_rows(part):
                yield part
            else:
                yield from self._one_by_one(part)
            if self.ended:
                return

    def _passes(self, block: bytes) -> bool:
        """Check a block of the past at its ends; if its rows are new, move the cursor."""
        first, last = _FIRST.search(block), _MARK.match(block, block.rfind(b"\nid:"))
        if first is None or last is None or int(last[1]) < int(first[1]):
            return False
        if self.last_event_id is not None and int(first[1]) <= self.last_event_id:
            return False
        if _TOLD.search(block, block.rfind(b"\ndata:")):  # the end of the stream, mostly
            return False
        turn = _TURN.match(block, max(block.rfind(b'"turn":'), 0))
        if turn is not None:
            self._passed_turn = max(self._passed_turn or 0, int(turn[1]))
        self._has_passed = True
        return self.takes_row(int(last[1]))

    def _takes_rows(self, part: bytes) -> bool:
        """Check whether all rows of a part are new; if so, move the cursor to the last one."""
        lines = b"\n" + part
        marks = [int(mark) for mark in _MARK.findall(lines)]
        if len(marks) != lines.count(b"\nid:"):
            return False
        if not marks:
            return True
        before = -1 if self.last_event_id is None else self.last_event_id
        if any(one >= other for one, other in pairwise([before, *marks])):
            return False
        return self.takes_row(marks[-1])

    def _one_by_one(self, part: bytes) -> Iterator[bytes]:
        batch = SSEDecoder().feed(part)
        events = zip(decode_batch(batch), batch.data, batch.ids, batch.names, strict=True)
        for event, data, mark, name in events:
            if self._is_new(event, mark) and self._is_wanted(event):
                yield framed(data, mark, name)
            if self.ended:
                return

    def _is_new(self, event: StreamEvent, mark: bytes) -> bool:
        kind = event.type
        if kind in TERMINAL_TYPES:
            self.ended, self.terminal = True, event
            return True
        if mark.isdigit() and len(mark) <= _LONGEST_ID:
            return self.takes_row(int(mark))
        if kind in {"start", "turn_start"}:
            turn = event.extra.get("turn")
            return not self._has_begun(kind, turn) and self.takes_once((kind, str(turn)))
        return True

    def _has_begun(self, kind: str, turn: Any) -> bool:
        """Check whether a repeated event announces what has passed undecoded."""
        if self._connections == 1 or not self._has_passed:
            return False
        return kind == "start" or (isinstance(turn, int) and turn <= (self._passed_turn or 0))

    def _is_wanted(self, event: StreamEvent) -> bool:
        if self._turn is None:
            return True
        at = self._counter.turn_of(event)
        if at is not None and at > self._turn:
            self.ended = True
            return False
        return self.ended or event.type == "start" or at in {None, self._turn}


def _parts(block: bytes) -> Iterator[tuple[bytes, bool]]:
    """Part a block into runs of rows, True, and events that are looked at, False."""
    start = 0
    is_plain = block.count(b'"output"') == block.count(b"\ndata:") + block.startswith(b"data:")
    found = None if is_plain else _TOLD.search(block)
    while found is not None:
        before = block.rfind(b"\n\n", start, found.start())
        at = start if before < 0 else before + 2
        end = block.index(b"\n\n", found.end()) + 2
        if at > start:
            yield block[start:at], True
        yield block[at:end], False
        start = end
        found = _TOLD.search(block, end)
    if start < len(block):
        yield block[start:], True
