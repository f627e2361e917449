"""`LiveSession`: a session that this process follows, with its tables."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import time
import warnings
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

from aod_notebook.core import bridge
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.text import counted
from aod_notebook.live import journal
from aod_notebook.live.errors import (
    ServiceGoneWarning,
    SessionFailedError,
    SessionStoppedError,
    WaitTimeoutError,
)
from aod_notebook.live.session_follow import ACTIVE, SessionFollower
from aod_notebook.live.session_tables import SessionTables

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from aod_notebook.aod import Client, Session, StreamEvent
    from aod_notebook.live.connections import Connection
    from aod_notebook.viewers.stream import StreamViewer

__all__ = ["LiveSession", "StopOutcome"]

log = logging.getLogger("aod_notebook.live")

STOP_TIMEOUT_S = 10.0
TAIL_TIMEOUT_S = 2.0
"""How long a stopped session's last events are waited for."""
CONFIRM_S = 5.0
"""How long an interrupted call waits to learn what it did."""
CAUGHT_UP_S = 0.5
"""A stream that is silent for so long has nothing more to tell at the moment."""


class StopOutcome(enum.StrEnum):
    """The three ends that stopping a session can have."""

    STOPPED = "stopped"
    ALREADY_FINISHED = "already finished"
    UNCONFIRMED = "unconfirmed"

    def told(self, session_id: str) -> str:
        """Say it in a sentence, with the id and, where it is needed, what to do next."""
        return {
            StopOutcome.STOPPED: f"session {session_id} was terminated on the service.",
            StopOutcome.ALREADY_FINISHED: f"session {session_id} had already finished.",
            StopOutcome.UNCONFIRMED: (
                f"the service did not confirm that session {session_id} was terminated; "
                f"%aod stop {session_id} ends it."
            ),
        }[self]


class LiveSession(SessionTables):
    """A session of an agent: what it said so far, its tables, and the next prompt.

    Made by `%%aod -o NAME` and `aod_notebook.live.start`. It follows the session's event stream
    in the background from the first event on, through lost connections, until the session's
    turn has ended.

    Args:
        connection: the service that the session is on.
        session_id: the session's id.
        runtime: what runs the agent (`claude`, `shell`, …), if known.
        model: the agent's model, if known.

    Attributes:
        id: the session's id.
        runtime: what runs the agent, if known.
        model: the agent's model, if known.
    """

    def __init__(
        self,
        connection: Connection,
        session_id: str,
        runtime: str | None = None,
        model: str | None = None,
    ) -> None:
        self.id = session_id
        self._connection = connection
        self._follower = SessionFollower(connection, session_id, runtime=runtime, model=model)
        self.runtime = self._follower.about.get("runtime")
        self.model = self._follower.about.get("model")

    # -- what is known ------------------------------------------------------------------------

    @property
    def client(self) -> Client:
        """The sync `aod.Client` of the session's service."""
        return self._connection.ensure().client

    @property
    def service_url(self) -> str:
        """Where the session's service answers; it holds neither user nor password."""
        return self._connection.base_url

    @property
    def row(self) -> Session | None:
        """The session as its service told it at the end of the turn; None while that goes on."""
        return self._follower.row

    @property
    def is_final(self) -> bool:
        """Whether the turn that was followed last has ended (or can't be followed any more)."""
        return self._follower.is_final

    @property
    def status(self) -> str:
        """`pending`, `running`, `completed`, `failed` or `terminated`, as last known."""
        if self.row is not None:
            return self.row.status
        started = any(event.type in ("turn_start", "output") for event, _ in self.received())
        return "running" if started else "pending"

    @property
    def exit_code(self) -> int | None:
        """What the last turn's program exited with; None while it runs or if it was killed."""
        return None if self.row is None else self.row.exit_code

    def received(self, start: int = 0) -> list[tuple[StreamEvent, float]]:
        """The events from number `start` on, each with the `time.time()` at which it came."""
        return self._follower.received(start)

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` (from any thread) at every event and end; what is returned stops that."""
        return self._follower.listen(changed)

    # -- how it is shown ------------------------------------------------------------------------

    def viewer(self) -> StreamViewer:
        """Give a live view that stays live, with a stop button and a box for the next prompt.

        As the last line of a cell it shows itself; `.show()` displays it from anywhere.
        """
        from aod_notebook.live.provenance import provenance
        from aod_notebook.viewers.stream import StreamViewer

        def prompt(text: str) -> None:
            self.wait().prompt(text)

        def stop() -> str:
            return self.stop().told(self.id).capitalize()

        return StreamViewer(
            self, stop=stop, prompt=prompt, freeze=False, metadata=lambda: provenance(self)
        )

    @property
    def title(self) -> str:
        """What heads the transcript: the session's id and what ran it."""
        return f"{self.runtime or 'session'} · {self.id}"

    # -- what can be done -----------------------------------------------------------------------

    def follow(self) -> LiveSession:
        """Follow the stream in the background from where it was left; return at once."""
        self._follower.follow()
        return self

    def sync(self) -> LiveSession:
        """Ask the service whether the session moved on, and follow it again if so.

        Raises:
            NotFoundError: the session was deleted.
        """
        self._follower.sync()
        return self

    def prompt(self, text: str, *, timeout: int | None = None) -> LiveSession:
        """Send the next prompt into the session's workspace and follow its turn.

        Args:
            text: the prompt.
            timeout: seconds that the turn may take; None for the service's default.

        Raises:
            ConflictError: the session has failed, was terminated or has a turn in progress.
            SessionStoppedError: interrupted; the turn was stopped if it had begun.
        """
        send = self._connection.ensure().async_client.sessions.prompt
        future = bridge.submit(send, self.id, text, timeout)
        with contextlib.suppress(KeyboardInterrupt):
            future.result()
            log.info("Session %s was sent a prompt of %d characters", self.id, len(text))
            journal.remember(self.id, self._connection.key, self.runtime)
            return self.follow()
        raise SessionStoppedError(f"Interrupted: {self._stop_what_began(future.result)}")

    def wait(self, timeout: float | None = None) -> LiveSession:
        """Wait until the turn in progress has ended; a failed turn is not an error here.

        Args:
            timeout: seconds to wait at the most.

        Raises:
            WaitTimeoutError: the turn goes on; so does the following.
            StreamInterrupted: the stream was lost and could not be taken up again.
        """
        self.sync()
        self._follower.wait(None if timeout is None else time.monotonic() + timeout)
        if not self.is_final:
            raise WaitTimeoutError(
                f"Session {self.id} has not ended after {timeout:g} s; it goes on. "
                "Wait again with .wait(), or end it with .stop()."
            )
        self._raise_if_lost()
        return self

    def catch_up(self) -> LiveSession:
        """Wait until what the session did so far is here; one that goes on is not waited for.

        If its service can't be reached, what was received before is what there is; a
        `ServiceGoneWarning` says so.

        Raises:
            AodConnectionError: the service can't be reached, and nothing was received before.
            NotFoundError: the session was deleted.
            StreamInterrupted: the stream was lost and could not be taken up again.
        """
        if self.sync_or_warn():
            self._follower.wait(quiet=CAUGHT_UP_S)
            self._raise_if_lost()
        return self

    def sync_or_warn(self) -> bool:
        """Do as `sync` does, and say whether the service could be reached.

        Raises:
            AodConnectionError: it could not, and nothing was received before.
            NotFoundError: the session was deleted.
        """
        from aod_notebook.aod import AodConnectionError

        try:
            self.sync()
        except AodConnectionError as error:
            count = len(self.received())
            if count == 0:
                raise
            warnings.warn(
                f"Session {self.id} is shown as far as it was received before ({counted(count, 'event')}, "
                f"then {self.status}). {error}",
                ServiceGoneWarning,
                stacklevel=3,
            )
            return False
        return True

    def __await__(self) -> Generator[object, None, LiveSession]:
        following = self._follower.following
        if following is not None:
            waiting = asyncio.shield(asyncio.wrap_future(following))
            try:
                yield from waiting.__await__()
            except asyncio.CancelledError:
                if not following.cancelled():
                    raise  # it is the cell that was cancelled
        self._raise_if_lost()
        return self

    def batches(self, start: int = 0) -> Iterator[list[StreamEvent]]:
        """Yield the events from number `start` on as they come, until the turn has ended."""
        return self._follower.batches(start)

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the end of the turn."""
        self._follower.pause(seconds)

    def raise_for_status(self) -> None:
        """Raise if the session failed or could not be followed to its end.

        Raises:
            SessionFailedError: the session failed or was terminated.
            StreamInterrupted: the stream was lost and could not be taken up again.
        """
        self._raise_if_lost()
        if self.status == "failed":
            raise SessionFailedError(self._failure(), self.id, self.exit_code)
        if self.status == "terminated":
            raise SessionFailedError(
                f"Session {self.id} was terminated; start a new one.", self.id, self.exit_code
            )

    def stop(self) -> StopOutcome:
        """Terminate the session on its service and say how that ended; no error is raised."""
        try:
            if self.is_final:
                self._connection.ensure()  # while it is followed its service is there, or hangs
            outcome = bridge.submit(self._stop).result(STOP_TIMEOUT_S)
        except (AodNotebookError, TimeoutError, CancelledError):
            outcome = StopOutcome.UNCONFIRMED
        else:
            self._follower.pause(TAIL_TIMEOUT_S)
        log.info("Session %s was to be stopped: %s", self.id, outcome)
        return outcome

    def delete(self) -> None:
        """Delete the session, its turns and its log on the service; its workspace goes with it.

        Raises:
            ConflictError: a turn is in progress; stop it first.
        """
        self.client.sessions.delete(self.id)
        self._follower.delete_log()
        journal.forget(self.id, self._connection.key)

    def close(self) -> None:
        """Stop following; the session itself goes on."""
        self._follower.close()

    def __str__(self) -> str:
        """Give the id: what `{{name}}` in a magic and an f-string are to be filled with."""
        return self.id

    def __repr__(self) -> str:
        return f"<LiveSession {self.id} {self.runtime or ''} {self.status}>".replace("  ", " ")

    # -- inside ---------------------------------------------------------------------------------

    async def _stop(self) -> StopOutcome:
        from aod_notebook.aod import ConflictError

        sessions = self._connection.async_client.sessions
        if (await sessions.get(self.id)).status not in ACTIVE:
            return StopOutcome.ALREADY_FINISHED
        try:
            await sessions.terminate(self.id)
        except ConflictError:  # it ended in between
            return StopOutcome.ALREADY_FINISHED
        return StopOutcome.STOPPED

    def _stop_what_began(self, answer: Callable[[float], object]) -> str:
        """After an interrupt: wait for the answer to a prompt, stop its turn, say what happened."""
        try:
            answer(CONFIRM_S)
        except (TimeoutError, CancelledError):
            return StopOutcome.UNCONFIRMED.told(self.id)
        except AodNotebookError as error:
            return f"the prompt had been refused. {error}"
        self.follow()
        return self.stop().told(self.id)

    def _raise_if_lost(self) -> None:
        from aod_notebook.aod import StreamInterrupted

        error = self._follower.error
        if isinstance(error, StreamInterrupted):
            advice = f"%aod attach {self.id} goes on"
            raise StreamInterrupted(self.id, error.last_event_id, error.reason, advice) from error
        if error is not None:
            raise error

    def _failure(self) -> str:
        code = self.exit_code
        what = (
            "failed"
            if code is None
            else (f"failed: its {self.runtime or 'agent'} exited with code {code}")
        )
        last = self._last_error_line()
        return (
            f"Session {self.id} {what}{f' ({last})' if last else ''}. "
            f"%aod events {self.id} shows its log."
        )

    def _last_error_line(self) -> str:
        """The last line on stderr in the last turn, or the message of the stage that failed."""
        from aod_notebook.core.text import one_line

        chunks: list[str] = []
        for event, _ in self.received():
            extra = event.extra
            if event.type == "turn_start":
                chunks.clear()
            elif event.type == "stage" and extra.get("state") == "failed":
                chunks.append(f"{extra.get('message') or ''}\n")
            elif event.type == "output" and extra.get("stream") == "stderr":
                chunks.append(str(extra.get("data") or ""))
        lines = "".join(chunks).strip().splitlines()
        return one_line(lines[-1], 160) if lines else ""
