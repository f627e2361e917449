"""`LiveSession`: a session that this process follows, with its tables."""

from __future__ import annotations

import asyncio
import enum
import threading
import time
from typing import TYPE_CHECKING

from aod_notebook.core import bridge
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.live import journal
from aod_notebook.live.errors import SessionFailedError, WaitTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from concurrent.futures import Future

    import pandas as pd

    from aod_notebook.aod import Client, Session, StreamEvent
    from aod_notebook.live.connections import Connection

__all__ = ["LiveSession", "StopOutcome"]

ACTIVE = ("pending", "running")
WAKE_S = 0.5
"""How often a waiting thread wakes up, so that an interrupt is seen on every platform."""
STOP_TIMEOUT_S = 10.0
TAIL_TIMEOUT_S = 2.0
"""How long a stopped session's last events are waited for."""


class StopOutcome(enum.StrEnum):
    """The three ends that stopping a session can have."""

    STOPPED = "stopped"
    ALREADY_FINISHED = "already finished"
    UNCONFIRMED = "unconfirmed"


class LiveSession:
    """A session of an agent: what it said so far, its tables, and the next prompt.

    Made by `%%aod -o NAME` and `aod_notebook.live.start`. It follows the session's event stream
    in the background from the first event on, through lost connections, until the session's
    turn has ended.

    Args:
        connection: the service that the session is on.
        session_id: the session's id.
        runtime: what runs the agent (`claude`, `shell`, …), if known.

    Attributes:
        id: the session's id.
        runtime: what runs the agent, if known.
        client: the sync `aod.Client` of its service.
    """

    def __init__(self, connection: Connection, session_id: str, runtime: str | None) -> None:
        self.id = session_id
        self.runtime = runtime
        self._connection = connection
        self._changed = threading.Condition()  # guards the four fields below
        self._received: list[tuple[StreamEvent, float]] = []
        self._is_final = False
        self._row: Session | None = None
        self._error: BaseException | None = None
        self._following: Future[None] | None = None
        self._listeners: list[Callable[[], None]] = []  # replaced, never changed
        self._last_event_id: int | None = None  # used on the background loop only

    # -- what is known ------------------------------------------------------------------------

    @property
    def client(self) -> Client:
        """The sync client of the session's service."""
        return self._connection.ensure().client

    @property
    def is_final(self) -> bool:
        """Whether the turn that was followed last has ended (or can't be followed any more)."""
        return self._is_final

    @property
    def status(self) -> str:
        """`pending`, `running`, `completed`, `failed` or `terminated`, as last known."""
        if self._row is not None:
            return self._row.status
        started = any(event.type in ("turn_start", "output") for event, _ in self.received())
        return "running" if started else "pending"

    @property
    def exit_code(self) -> int | None:
        """What the last turn's program exited with; None while it runs or if it was killed."""
        return None if self._row is None else self._row.exit_code

    @property
    def text(self) -> str:
        """The agent's own words so far (for a shell, what it printed), turn after turn."""
        messages = self.messages
        own = messages["block"].eq("text") & messages["line_type"].isin(["assistant", "text"])
        return "\n".join(messages.loc[own & messages["text"].notna(), "text"])

    @property
    def cost(self) -> float | None:
        """What the session cost so far in USD, as its runtime told; None if it told nothing."""
        costs = self.results["cost_usd"].dropna()
        return float(costs.sum()) if len(costs) else None

    @property
    def usage(self) -> dict[str, int]:
        """Tokens so far, as the runtime told them; a count that it did not tell is left out."""
        results = self.results
        columns = [name for name in results.columns if name.endswith("_tokens")]
        return {
            name: int(results[name].sum()) for name in columns if bool(results[name].notna().any())
        }

    def received(self, start: int = 0) -> list[tuple[StreamEvent, float]]:
        """The events from number `start` on, each with the `time.time()` at which it came."""
        with self._changed:
            return self._received[start:]

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` after every event and at every end; what is returned stops that.

        It is called on the background loop, so it must return at once.
        """
        self._listeners = [*self._listeners, changed]

        def stop() -> None:
            self._listeners = [each for each in self._listeners if each is not changed]

        return stop

    # -- tables ---------------------------------------------------------------------------------

    @property
    def turns(self) -> pd.DataFrame:
        """One row per turn (`frames.turns_df`), asked of the service."""
        from aod_notebook import frames

        return frames.turns_df(self)

    @property
    def events(self) -> pd.DataFrame:
        """One row per event received so far (`frames.events_df`)."""
        from aod_notebook import frames

        return frames.events_df(self)

    @property
    def messages(self) -> pd.DataFrame:
        """One row per content block of the transcript so far (`frames.messages_df`)."""
        from aod_notebook import frames

        return frames.messages_df(self)

    @property
    def tool_calls(self) -> pd.DataFrame:
        """One row per tool call so far (`frames.tool_calls_df`)."""
        from aod_notebook import frames

        return frames.tool_calls_df(self)

    @property
    def results(self) -> pd.DataFrame:
        """One row per turn whose agent reported a result (`frames.results_df`)."""
        from aod_notebook import frames

        return frames.results_df(self)

    def to_html(self) -> str:
        """Give the transcript as one piece of static HTML, without scripts."""
        from aod_notebook.viewers.static import render_html

        return render_html([event for event, _ in self.received()], self.title, self.runtime)

    @property
    def title(self) -> str:
        """What heads the transcript: the session's id and what ran it."""
        return f"{self.runtime or 'session'} · {self.id}"

    # -- what can be done -----------------------------------------------------------------------

    def follow(self) -> LiveSession:
        """Follow the stream in the background from where it was left; return at once."""
        if self._following is None or self._following.done():
            journal.remember(self.id, self._connection.key, self.runtime)
            with self._changed:
                self._is_final, self._row, self._error = False, None, None
            self._following = bridge.submit(self._follow)
            self._following.add_done_callback(self._settle_cancelled)
        return self

    def prompt(self, text: str, *, timeout: int | None = None) -> LiveSession:
        """Send the next prompt into the session's workspace and follow its turn.

        Args:
            text: the prompt.
            timeout: seconds that the turn may take; None for the service's default.

        Raises:
            ConflictError: the session has failed, was terminated or has a turn in progress.
        """
        send = self._connection.ensure().async_client.sessions.prompt
        bridge.call(send, self.id, text, timeout)
        return self.follow()

    def wait(self, timeout: float | None = None) -> LiveSession:
        """Wait until the turn in progress has ended; a failed turn is not an error here.

        Args:
            timeout: seconds to wait at the most.

        Raises:
            WaitTimeoutError: the turn goes on; so does the following.
            StreamInterrupted: the stream was lost and could not be taken up again.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        for _ in self.batches(len(self._received), deadline=deadline):
            pass
        if not self._is_final:
            raise WaitTimeoutError(
                f"Session {self.id} has not ended after {timeout:g} s; it goes on. "
                "Wait again with .wait(), or end it with .stop()."
            )
        if self._error is not None:
            raise self._error
        return self

    def __await__(self) -> Generator[object, None, LiveSession]:
        if self._following is not None:
            yield from asyncio.shield(asyncio.wrap_future(self._following)).__await__()
        return self.wait(0)

    def batches(
        self, start: int = 0, *, deadline: float | None = None
    ) -> Iterator[list[StreamEvent]]:
        """Yield the events from number `start` on as they come, until the turn has ended.

        Args:
            start: how many events to pass over.
            deadline: the `time.monotonic()` at which to give up.
        """
        position, is_final = start, False
        while not is_final and (deadline is None or time.monotonic() < deadline):
            batch, is_final = self._next_batch(position)
            position += len(batch)
            if batch:
                yield batch

    def raise_for_status(self) -> None:
        """Raise if the session failed or could not be followed to its end.

        Raises:
            SessionFailedError: the session failed or was terminated.
            StreamInterrupted: the stream was lost and could not be taken up again.
        """
        if self._error is not None:
            raise self._error
        if self._row is not None and self._row.status == "failed":
            raise SessionFailedError(self._failure(), self.id, self.exit_code)
        if self._row is not None and self._row.status == "terminated":
            raise SessionFailedError(
                f"Session {self.id} was terminated; start a new one.", self.id, self.exit_code
            )

    def stop(self) -> StopOutcome:
        """Terminate the session on its service and say how that ended; never raises for it."""
        try:
            outcome = bridge.submit(self._stop).result(STOP_TIMEOUT_S)
        except (AodNotebookError, TimeoutError):
            return StopOutcome.UNCONFIRMED
        with self._changed:
            self._changed.wait_for(lambda: self._is_final, TAIL_TIMEOUT_S)
        return outcome

    def delete(self) -> None:
        """Delete the session, its turns and its log on the service; its workspace goes with it.

        Raises:
            ConflictError: a turn is in progress; stop it first.
        """
        self.client.sessions.delete(self.id)

    def close(self) -> None:
        """Stop following; the session itself goes on."""
        if self._following is not None:
            self._following.cancel()

    def __repr__(self) -> str:
        return f"<LiveSession {self.id} {self.runtime or ''} {self.status}>".replace("  ", " ")

    # -- on the background loop -----------------------------------------------------------------

    async def _follow(self) -> None:
        client = self._connection.async_client
        row: Session | None = None
        error: BaseException | None = None
        try:
            while row is None or row.status in ACTIVE:
                async with client.sessions.stream(self.id, since=self._last_event_id) as events:
                    async for event in events:
                        self._append(event)
                        self._last_event_id = events.last_event_id
                row = await client.sessions.get(self.id)
        except AodNotebookError as failure:
            error = failure
        self._settle(row, error)

    async def _stop(self) -> StopOutcome:
        sessions = self._connection.async_client.sessions
        if (await sessions.get(self.id)).status not in ACTIVE:
            return StopOutcome.ALREADY_FINISHED
        await sessions.terminate(self.id)
        return StopOutcome.STOPPED

    def _next_batch(self, position: int) -> tuple[list[StreamEvent], bool]:
        """Wait a while for events from number `position` on; say too if no more will come."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_final or len(self._received) > position, timeout=WAKE_S
            )
            return [event for event, _ in self._received[position:]], self._is_final

    def _append(self, event: StreamEvent) -> None:
        if event.type == "start" and self._received:
            return  # the stream was opened again: the log goes on
        with self._changed:
            self._received.append((event, time.time()))
            self._changed.notify_all()
        self._tell()

    def _settle(self, row: Session | None, error: BaseException | None) -> None:
        with self._changed:
            self._row, self._error, self._is_final = row, error, True
            self._changed.notify_all()
        self._tell()

    def _tell(self) -> None:
        for changed in self._listeners:
            changed()

    def _settle_cancelled(self, following: Future[None]) -> None:
        if following.cancelled():
            self._settle(None, AodNotebookError(f"Session {self.id} is not followed any more."))

    def _failure(self) -> str:
        what = (
            "did not get to run its agent"
            if self.exit_code is None
            else (f"failed: its {self.runtime or 'agent'} exited with code {self.exit_code}")
        )
        last = self._last_error_line()
        return (
            f"Session {self.id} {what}{f' ({last})' if last else ''}. "
            f"%aod events {self.id} shows its log."
        )

    def _last_error_line(self) -> str:
        """The last line on stderr, or the message of the stage that failed."""
        from aod_notebook.viewers.clean import one_line

        for event, _ in reversed(self.received()):
            is_error = event.type == "output" and event.extra.get("stream") == "stderr"
            text = str(event.extra.get("data" if is_error else "message") or "").strip()
            if text and (is_error or event.type == "stage"):
                return one_line(text.splitlines()[-1], 160)
        return ""
