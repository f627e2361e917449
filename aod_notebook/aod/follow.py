"""How the event stream of a session is followed: rules without any I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aod_notebook.aod.errors import StreamInterrupted
from aod_notebook.aod.events import TERMINAL_TYPES, StreamEvent, decode_batch
from aod_notebook.core.redact import redact
from aod_notebook.core.resume import Resume
from aod_notebook.core.wire import Call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aod_notebook.core.errors import Failure
    from aod_notebook.core.sse import Batch

__all__ = ["SessionFollow", "TurnCounter"]

_LONGEST_ID = 19  # digits of a 64-bit number; what is longer is no row of a log


class TurnCounter:
    """Tells which turn the events of a session belong to, in the order of its log.

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
    moves on events with an `id:` line only, so never on `turn_start`, whose JSON id equals
    that of the output to come. With `turn`, only that turn's events are given, and the
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

    def gave_up(self, failure: Failure) -> StreamInterrupted:
        """Make the error that tells where to go on."""
        reason = redact(failure.reason) or f"status {failure.status}"
        return StreamInterrupted(self._session_id, self.last_event_id, reason)

    def again(self) -> None:
        """Go on after a terminal event: the session has more to tell."""
        self.ended = False
        self.terminal = None

    def read(self, batch: Batch) -> Iterator[StreamEvent]:
        """Return the new events of a batch; nothing comes after a terminal event."""
        for event, mark in zip(decode_batch(batch), batch.ids, strict=True):
            if self._is_new(event, mark) and self._is_wanted(event):
                yield event
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
            return self.takes_once((kind, str(event.extra.get("turn"))))
        return True

    def _is_wanted(self, event: StreamEvent) -> bool:
        if self._turn is None:
            return True
        at = self._counter.turn_of(event)
        if at is not None and at > self._turn:
            self.ended = True
            return False
        return self.ended or event.type == "start" or at in {None, self._turn}
