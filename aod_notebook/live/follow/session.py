"""Follow a session's event stream; its events are kept in an event log on disk."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING

import anyio

from aod_notebook.contract import ACTIVE_STATUSES, TERMINAL_EVENTS
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.live.errors import NotFollowedError
from aod_notebook.live.follow import WAKE_S, Follower
from aod_notebook.live.journal import EventLog, LogContents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aod_notebook.aod import Session, SessionTurn, StreamEvent
    from aod_notebook.live.connections import AodConnection


log = logging.getLogger("aod_notebook.live")

QUIET_S = 0.5
"""A connected stream that is silent for so long has nothing more at the moment."""
PAUSE_S = 1.0
"""Before a stream that ended while its session runs is opened again."""


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
