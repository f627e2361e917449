"""Follow a session or a run in the background: its events, and whether more will come."""

from __future__ import annotations

import contextlib
import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import anyio.to_thread

from aod_notebook.core import bridge
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.live.registry import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future


E = TypeVar("E")
R = TypeVar("R")

WAKE_S = 0.5
"""How often a waiting thread wakes up, so that an interrupt is seen on every platform."""


class ClosableClient(Protocol):
    """A client of the service."""

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""


PATIENCE_S = 60.0
"""How long to wait for a service that does not answer: enough for a restart of a slow machine."""
AGAIN_S = 1.0
"""How often it is tried meanwhile, in seconds."""


class FollowedService(Protocol):
    """The connection to the service of the session or run."""

    def ensure(self) -> object:
        """Make sure that the service runs, if this process can."""

    def revive(self) -> object:
        """Start the service again if it was killed, if this process can."""


class Follower(ABC, Generic[E, R]):
    """The events of one session or run, from the first one on, as long as they are wanted.

    An end ends the following; `follow` takes it up again where it was left. All methods may be
    called from any thread.

    Args:
        connection: the service that it is on.
    """

    def __init__(self, connection: FollowedService) -> None:
        self._service = connection
        self._changed = threading.Condition()  # guards all fields below
        self._received: list[tuple[E, float]] = []
        self._listeners: list[Callable[[], None]] = []
        self._row: R | None = None
        self._error: BaseException | None = None
        self._is_final = True
        self._following: Future[None] | None = None
        self._number = 0  # of the following: the last one counts
        self._away_since: float | None = None  # since when the service does not answer
        self._notice = ""
        registry.followers.add(self)

    @abstractmethod
    async def _follow_to_the_end(self) -> R:
        """Append the events until none will come; return the row that the service sends then."""

    @abstractmethod
    def _not_followed(self) -> AodNotebookError:
        """Return the error for a session or run that is no longer followed."""

    @property
    def is_at_rest(self) -> bool:
        """Whether there is nothing to wait for."""
        return self._is_final

    @property
    def is_final(self) -> bool:
        """Whether nothing is followed: the turn has ended, or the stream was lost."""
        return self._is_final

    @property
    def row(self) -> R | None:
        """What the service sent about it at the end; None while it runs or was lost."""
        return self._row

    @property
    def error(self) -> BaseException | None:
        """Why the stream was lost; None if it was not."""
        return self._error

    @property
    def notice(self) -> str:
        """A line on why no events arrive at the moment; empty if all is well."""
        return self._notice

    @property
    def following(self) -> Future[None] | None:
        """The task on the background loop; None if nothing is followed."""
        return self._following

    def received(self, start: int = 0) -> list[tuple[E, float]]:
        """Return the events from number `start` on, each with the `time.time()` of its arrival."""
        with self._changed:
            return self._received[start:]

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` at every event and at every end; call the result to stop."""
        with self._changed:
            self._listeners.append(changed)

        def stop() -> None:
            with self._changed:
                if changed in self._listeners:
                    self._listeners.remove(changed)

        return stop

    def follow(self) -> None:
        """Follow in the background from the last position; do nothing if already following."""
        self._service.ensure()
        with self._changed:
            if not self._is_final:
                return
            self._is_final, self._row, self._error = False, None, None
            self._number = number = self._number + 1
            try:
                self._following = following = bridge.submit(self._run, number)
            except BaseException:  # an interrupt
                self._end(None, self._not_followed())
                raise
        following.add_done_callback(lambda done: self._end_cancelled(done, number))

    def wait(self, deadline: float | None = None, quiet: float | None = None) -> None:
        """Wait for the end of the turn.

        Args:
            deadline: the `time.monotonic()` at which to give up.
            quiet: seconds without an event after which to give up.
        """
        for _ in self.batches(len(self._received), deadline=deadline, quiet=quiet):
            pass

    def batches(
        self,
        start: int = 0,
        *,
        deadline: float | None = None,
        quiet: float | None = None,
        notices: bool = False,
    ) -> Iterator[list[E]]:
        """Yield the events from number `start` on as they come, until the turn has ended.

        Args:
            start: how many events to pass over.
            deadline: the `time.monotonic()` at which to give up.
            quiet: seconds without an event after which to give up.
            notices: yield an empty list, too, when `notice` has changed.
        """
        position, is_final, at, notice = start, False, time.monotonic(), ""
        while not is_final:
            batch, is_final = self._next_batch(position, WAKE_S if quiet is None else quiet)
            now = time.monotonic()
            if batch:
                position, at = position + len(batch), now
                yield batch
            elif notices and notice != self.notice:
                notice = self.notice
                yield []
            elif quiet is not None and now - at >= quiet:
                return
            if deadline is not None and now >= deadline:
                return

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the end of the turn."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_at_rest, seconds)

    def wait_for_end(self, seconds: float) -> None:
        """Wait until nothing is followed any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_final, seconds)

    def close(self) -> None:
        """Stop following; it continues on its service."""
        with self._changed:
            following = self._following
        if following is not None:
            following.cancel()

    # -- on the background loop -----------------------------------------------------------------

    async def _run(self, number: int) -> None:
        row: R | None = None
        error: BaseException | None = self._not_followed()
        try:
            row, error = await self._follow_to_the_end(), None
        except AodNotebookError as failure:
            error = failure
        finally:
            self._finish(number, row, error)

    async def _comes_back(self, error: AodNotebookError, client: ClosableClient) -> bool:
        """Wait a moment for a service that does not answer.

        False after too long a time, or once the client was closed: a new one would stay open.
        """
        if client.is_closed:
            return False
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
        left = PATIENCE_S - (now - self._away_since)
        if left <= 0:
            return False
        self._note_trouble(
            f"The service does not answer and is tried for {left:.0f} s more: {error}"
        )
        with contextlib.suppress(AodNotebookError):
            await anyio.to_thread.run_sync(self._service.revive)
        await anyio.sleep(AGAIN_S)
        return not client.is_closed

    def _heard(self) -> None:
        """Record that the service answers."""
        self._away_since = None
        self._note_trouble("")

    def _note_trouble(self, notice: str) -> None:
        with self._changed:
            if notice != self._notice:
                self._notice = notice
                self._notify()

    def _append(self, event: E, at: float | None = None) -> None:
        with self._changed:
            self._received.append((event, time.time() if at is None else at))
            self._notify()

    def _finish(self, number: int, row: R | None, error: BaseException | None) -> None:
        """End the following, unless it has been ended, or another one has begun since."""
        with self._changed:
            if self._number == number and not self._is_final:
                self._end(row, error)

    def _end(self, row: R | None, error: BaseException | None) -> None:
        with self._changed:
            self._row, self._error, self._is_final, self._following = row, error, True, None
            self._away_since, self._notice = None, ""
            self._notify()

    def _end_cancelled(self, following: Future[None], number: int) -> None:
        """End a following that was cancelled, perhaps before it ran."""
        if following.cancelled():
            self._finish(number, None, self._not_followed())

    def _notify(self) -> None:
        self._changed.notify_all()
        for changed in self._listeners:
            changed()

    def _next_batch(self, position: int, timeout: float) -> tuple[list[E], bool]:
        """Wait a while for events from number `position` on; return also if no more will come."""
        with self._changed:
            self._changed.wait_for(
                lambda: self.is_at_rest or len(self._received) > position, timeout
            )
            return [event for event, _ in self._received[position:]], self.is_at_rest

    def forget(self) -> None:
        """Reset in a forked child: it follows nothing, and no thread holds the lock."""
        self._changed = threading.Condition()
        if not self._is_final:
            self._end(None, self._not_followed())
