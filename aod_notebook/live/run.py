"""`LiveRun`: a run of AgentOS that this process follows, with its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from aod_notebook.agentos.errors import AgentOSConflictError
from aod_notebook.contract import RUN_ENDED
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.text import one_line
from aod_notebook.live.cards import run_card
from aod_notebook.live.handle import StopOutcome
from aod_notebook.live.provenance import provenance
from aod_notebook.live.run_errors import RunFailedError
from aod_notebook.live.run_events import RunEvent
from aod_notebook.live.run_follow import RunFollower
from aod_notebook.live.run_tables import RunTables

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from aod_notebook.agentos import Run
    from aod_notebook.core.card import Card
    from aod_notebook.live.run_connection import AgentOSConnection
    from aod_notebook.viewers.stream import StreamViewer
    from aod_notebook.viewers.trace.widget import TraceViewer

__all__ = ["LiveRun", "told"]


def told(outcome: StopOutcome, run_id: str) -> str:
    """Return a sentence that says which end stopping a run had, and where it is needed what to do next."""
    return outcome.said(f"run {run_id}", "cancelled", f"%agentos cancel {run_id}")


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

    _noun = "run"
    _COMMANDS = ("%agentos cancel", "%agentos watch")
    _connection: AgentOSConnection

    def __init__(
        self,
        connection: AgentOSConnection,
        run_id: str | None = None,
        *,
        request: Mapping[str, Any] | None = None,
        reported: Run | None = None,
    ) -> None:
        def known() -> str | None:
            return run_id or (None if reported is None else reported.run_id)

        super().__init__(connection, RunFollower(connection, known, request))
        self._reported = reported

    # -- what is known ------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The run's id; as long as the service has told none, the one that this side made."""
        own = "" if self._reported is None else self._reported.external_run_id
        return self.run_id or own

    @property
    def is_paused(self) -> bool:
        """Whether it goes on only when somebody answers."""
        return self._follower.is_paused

    @property
    def waits_for(self) -> dict[str, Any] | None:
        """What it waits for: a question (`request_id`, `question`), or an approval.

        That has an `approval_id`, and the `request` that it is for if the key may read it.
        """
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

    def viewer(self, at: Any = None) -> StreamViewer:
        """Return a viewer that stays live, where questions and approvals can be answered.

        As the last line of a cell it shows itself; `.show()` displays it from anywhere.
        """
        self.follow()
        return super().viewer(at)

    def trace(self) -> TraceViewer:
        """Return a live trace of the run: its spans, tool calls and tasks on a time axis."""
        self.follow()
        return super().trace()

    def viewer_actions(self) -> dict[str, Any]:
        """Return what the buttons of a viewer do (arguments of `StreamViewer`)."""

        def answer(key: str, text: str) -> None:
            self.reply(text, request_id=key)

        def decide(key: str, yes: bool) -> None:
            self._decide("approved" if yes else "rejected", key)

        return {**super().viewer_actions(), "answer": answer, "decide": decide}

    # -- what can be done -----------------------------------------------------------------------

    def follow(self) -> Self:
        """Follow the run in the background, unless it is known to have ended; return at once."""
        ended = (self._follower.latest or {}).get("status") in RUN_ENDED
        return self if ended else super().follow()

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

    def catch_up(self) -> LiveRun:
        """Wait until what the run did so far is here; one that goes on is not waited for."""
        self.follow()
        self._follower.catch_up()
        self._raise_if_lost()
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        self.follow()
        return super().__await__()

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

    def raise_for_status(self) -> None:
        """Raise if the run failed, was cancelled, or could not be followed.

        Raises:
            RunFailedError: it failed or was cancelled.
            AgentOSError: it could not be followed.
        """
        self._raise_if_lost()
        status = self.status
        if status == "failed":
            why = one_line(self.error or "no reason given", 300)
            raise RunFailedError(
                f"Run {self.id} failed: {why}. %agentos events {self.id} shows its log.", self.id
            )
        if status == "cancelled":
            raise RunFailedError(f"Run {self.id} was cancelled.", self.id)

    # -- inside ---------------------------------------------------------------------------------

    @property
    def _known_status(self) -> str:
        row = self.waits_for or self._ended or self.latest or {}
        own = "" if self._reported is None or not self._reported.is_ended else "ended"
        return str(row.get("status") or (own if self.is_final else "running"))

    def _card(self) -> Card:
        return run_card(self, self._known_status)

    def _resume(self) -> None:
        self.follow()

    def _told(self, outcome: StopOutcome) -> str:
        return told(outcome, self.id)

    def provenance(self) -> dict[str, Any]:
        """Return where an output that shows the run came from; nothing of it is secret.

        Returns:
            A dict whose key `aod_notebook` holds a dict with the keys `run_id`, `service`, `agent_id`, `status`,
            `started_at`, `ended_at` (as the service reports them, None where it does not) and
            `versions`.
        """
        row = self.latest or {}
        reported = {
            name: row.get(name) for name in ("agent_id", "status", "started_at", "ended_at")
        }
        return provenance({"run_id": self.id, "service": self.service_url, **reported})

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
        runs = self._connection.background_client.runs
        run_id = self.known_id()
        if (await runs.get(run_id=run_id)).get("status") in RUN_ENDED:
            return StopOutcome.ALREADY_FINISHED
        try:
            await runs.cancel(run_id=run_id)
        except AgentOSConflictError:  # it ended in between
            return StopOutcome.ALREADY_FINISHED
        await self._follower.hurry()
        return StopOutcome.STOPPED
