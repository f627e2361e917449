"""`LiveRun`: a run of AgentOS that this process follows, with its tables."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

from aod_notebook.agentos.errors import AgentOSConflictError
from aod_notebook.core import bridge
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.text import one_line
from aod_notebook.live.errors import WaitTimeoutError
from aod_notebook.live.run_errors import RunFailedError
from aod_notebook.live.run_follow import ENDED, RunEvent, RunFollower
from aod_notebook.live.run_tables import RunTables
from aod_notebook.live.session import STOP_TIMEOUT_S, StopOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from aod_notebook.agentos import AgentOS, Run
    from aod_notebook.live.run_connection import AgentOSConnection
    from aod_notebook.viewers.stream import StreamViewer

__all__ = ["LiveRun", "told"]


def told(outcome: StopOutcome, run_id: str) -> str:
    """Say in a sentence which end stopping a run had, and where it is needed what to do next."""
    return {
        StopOutcome.STOPPED: f"run {run_id} was cancelled on the service.",
        StopOutcome.ALREADY_FINISHED: f"run {run_id} had already finished.",
        StopOutcome.UNCONFIRMED: (
            f"the service did not confirm that run {run_id} was cancelled; "
            f"%agentos cancel {run_id} ends it."
        ),
    }[outcome]


class LiveRun(RunTables):
    """A run, hosted or reported: what it did so far, its tables, and what it waits for.

    Made by `%agentos invoke -o NAME`, `%%agentos -o NAME` and `aod_notebook.live.invoke`. As far
    as it is followed, its events come in the background until it has ended.

    Args:
        connection: the service that the run is on.
        run_id: the run's id, if it is known.
        request: what to invoke (arguments of `AgentOS.invoke_stream`), if that is how it begins.
        reported: the run of this process, if it is one.

    Example:
        >>> from aod_notebook.live import invoke
        >>> run = invoke({"query": "hi"}).wait()
        >>> run.status, "summary" in run.output
        ('completed', True)
    """

    runtime: str | None = None
    """A run tells nothing of what writes its events (`viewers.protocols.Source`)."""

    def __init__(
        self,
        connection: AgentOSConnection,
        run_id: str | None = None,
        *,
        request: Mapping[str, Any] | None = None,
        reported: Run | None = None,
    ) -> None:
        self._connection = connection
        self._reported = reported

        def known() -> str | None:
            return run_id or (None if reported is None else reported.run_id)

        self._follower = RunFollower(connection, known, request)

    # -- what is known ------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The run's id; as long as the service has told none, the one that this side made."""
        own = "" if self._reported is None else self._reported.external_run_id
        return self.run_id or own

    @property
    def run_id(self) -> str | None:
        """The run's id on the service; None as long as it has told none."""
        return self._follower.run_id

    @property
    def latest(self) -> dict[str, Any] | None:
        """The run as the service showed it last; None before that."""
        return self._follower.latest

    @property
    def service_url(self) -> str:
        """Where the run's service answers; it holds neither user nor password."""
        return self._connection.base_url

    @property
    def client(self) -> AgentOS:
        """The sync `agentos.AgentOS` of the run's service."""
        return self._connection.ensure().client

    @property
    def is_final(self) -> bool:
        """Whether the run is not followed, or not any more: no event will come."""
        return self._follower.is_final

    @property
    def is_paused(self) -> bool:
        """Whether it goes on only when somebody answers."""
        return self._follower.is_paused

    @property
    def waits_for(self) -> dict[str, Any] | None:
        """What it waits for: the question (`request_id`, `question`) or the `approval_id`."""
        return self._follower.waits_for

    @property
    def status(self) -> str:
        """`pending`, `running`, `awaiting_input`, `awaiting_approval`, or how it ended."""
        waits_for = self.waits_for
        if waits_for is not None:
            return str(waits_for["status"])
        if self.run_id is None:
            return "pending"
        return str(self._row().get("status", "running"))

    @property
    def title(self) -> str:
        """What heads the transcript."""
        return f"run · {self.id}"

    def received(self, start: int = 0) -> list[tuple[RunEvent, float]]:
        """The events from number `start` on, each with its time in seconds since 1970."""
        return self._follower.received(start)

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` (from any thread) at every event and end; what is returned stops that."""
        return self._follower.listen(changed)

    def viewer(self) -> StreamViewer:
        """Give a live view that stays live, where questions and approvals can be answered.

        As the last line of a cell it shows itself; `.show()` displays it from anywhere.
        """
        from aod_notebook.viewers.stream import StreamViewer

        return StreamViewer(self.follow(), freeze=False, **self.viewer_actions())

    def viewer_actions(self) -> dict[str, Any]:
        """Give what the buttons of a live view do (arguments of `StreamViewer`)."""

        def stop() -> str:
            return told(self.stop(), self.id).capitalize()

        def answer(key: str, text: str) -> None:
            self.reply(text, request_id=key)

        def decide(key: str, yes: bool) -> None:
            self._decide("approved" if yes else "rejected", key)

        return {"stop": stop, "answer": answer, "decide": decide}

    # -- what can be done -----------------------------------------------------------------------

    def follow(self) -> LiveRun:
        """Follow the run in the background, from its first event on; return at once."""
        row = self._follower.latest
        if row is None or row.get("status") not in ENDED:
            self._follower.follow()
        return self

    def wait_for_id(self, timeout: float | None = None) -> bool:
        """Begin what is to be invoked; wait until the run's id is known, and say whether it is.

        Raises:
            AgentOSError: the service refused it, or could not be reached.
        """
        self.follow()
        self._follower.wait_for_id(timeout)
        if self.run_id is None and self.is_final:
            self._raise_if_lost()
        return self.run_id is not None

    def wait(self, timeout: float | None = None) -> LiveRun:
        """Wait until the run has ended or waits for somebody; a failed run is no error here.

        Args:
            timeout: seconds to wait at the most.

        Raises:
            WaitTimeoutError: the run goes on; so does the following.
            AgentOSError: the run could not be followed.
        """
        self.follow()
        self._follower.wait(None if timeout is None else time.monotonic() + timeout)
        if not (self.is_final or self.is_paused):
            raise WaitTimeoutError(
                f"Run {self.id} has not ended after {timeout:g} s; it goes on. "
                "Wait again with .wait(), or end it with .stop()."
            )
        self._raise_if_lost()
        return self

    def catch_up(self) -> LiveRun:
        """Wait until what the run did so far is here; one that goes on is not waited for."""
        self.follow()
        self._follower.catch_up()
        self._raise_if_lost()
        return self

    def __await__(self) -> Generator[object, None, LiveRun]:
        return self._rest().__await__()

    def batches(self, start: int = 0) -> Iterator[list[RunEvent]]:
        """Yield the events from number `start` on, until the run ends or waits for somebody."""
        return self._follower.batches(start)

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the end of the run, or a question of it."""
        self._follower.pause(seconds)

    def reply(self, text: str, *, request_id: str | None = None) -> LiveRun:
        """Answer what the run asks, and follow it on; return when the answer has been taken.

        Args:
            text: the answer.
            request_id: the question; None for the one that the run waits for.

        Raises:
            AgentOSConflictError: the run asks nothing.
            AgentOSError: the answer was refused.
        """
        asked = request_id or (self.waits_for or {}).get("request_id")
        return self._say(RunEvent("answer", {"response": text, "request_id": asked}))

    def approve(self, note: str | None = None) -> LiveRun:
        """Approve what the run waits for, and follow it on.

        Raises:
            AodNotebookError: the run waits for no approval.
        """
        return self._decide("approved", note=note)

    def reject(self, note: str | None = None) -> LiveRun:
        """Reject what the run waits for; the run fails.

        Raises:
            AodNotebookError: the run waits for no approval.
        """
        return self._decide("rejected", note=note)

    def stop(self) -> StopOutcome:
        """Cancel the run on its service and say how that ended; no error is raised."""
        try:
            if self.is_final:
                self._connection.ensure()  # while it is followed its service is there, or hangs
            outcome = bridge.submit(self._stop).result(STOP_TIMEOUT_S)
        except (AodNotebookError, TimeoutError, CancelledError):
            return StopOutcome.UNCONFIRMED
        self._follower.wait_for_end(STOP_TIMEOUT_S)
        return outcome

    def raise_for_status(self) -> None:
        """Raise if the run failed, was cancelled, or could not be followed.

        Raises:
            RunFailedError: it failed or was cancelled.
            AgentOSError: it could not be followed.
        """
        self._raise_if_lost()
        status = self.status
        if status == "failed":
            why = one_line(str(self._row().get("error_message") or "no reason given"), 300)
            raise RunFailedError(
                f"Run {self.id} failed: {why}. %agentos events {self.id} shows its log.", self.id
            )
        if status == "cancelled":
            raise RunFailedError(f"Run {self.id} was cancelled.", self.id)

    def close(self) -> None:
        """Stop following; the run itself goes on."""
        self._follower.close()

    def __str__(self) -> str:
        """Give the id: what `{{name}}` in a magic and an f-string are to be filled with."""
        return self.id

    def __repr__(self) -> str:
        row = self._follower.latest or {}
        state = (self.waits_for or row).get("status") or ("" if self.is_final else "running")
        return f"<LiveRun {self.id} {state}".rstrip() + ">"

    # -- inside ---------------------------------------------------------------------------------

    def _decide(
        self, decision: str, approval_id: str | None = None, note: str | None = None
    ) -> LiveRun:
        if approval_id is None:
            if self.is_final:
                self.catch_up()
            approval_id = (self.waits_for or {}).get("approval_id")
        if approval_id is None:
            raise AodNotebookError(
                f"Run {self.id} waits for no approval; it is {self.status.replace('_', ' ')}."
            )
        said = {"decision": decision, "approval_id": approval_id, "decision_note": note}
        return self._say(RunEvent("decision", said))

    def _say(self, answer: RunEvent) -> LiveRun:
        """Send an answer; return when the run goes on, whose end the sending may wait for."""
        self.known_id()
        self.follow()
        self._follower.say(answer)
        return self

    async def _stop(self) -> StopOutcome:
        runs = self._connection.async_client.runs
        run_id = self.known_id()
        if (await runs.get(run_id=run_id)).get("status") in ENDED:
            return StopOutcome.ALREADY_FINISHED
        try:
            await runs.cancel(run_id=run_id)
        except AgentOSConflictError:  # it ended in between
            return StopOutcome.ALREADY_FINISHED
        await self._follower.hurry()
        return StopOutcome.STOPPED

    async def _rest(self) -> LiveRun:
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def tell() -> None:
            loop.call_soon_threadsafe(changed.set)

        stop = self.follow().listen(tell)
        try:
            while not (self.is_final or self.is_paused):
                await changed.wait()
                changed.clear()
        finally:
            stop()
        self._raise_if_lost()
        return self

    def _raise_if_lost(self) -> None:
        error = self._follower.error
        if error is not None:
            raise error
