"""`LiveRun`: a run of AgentOS that this process follows or reports, with its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

from aod_notebook.agentos.errors import AgentOSConflictError
from aod_notebook.agentos.events import StreamedEvent
from aod_notebook.contract import RUN_ENDED, TOKEN_FIELDS
from aod_notebook.core import words
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.text import counted, failure_text, one_line
from aod_notebook.live.connections import Connection
from aod_notebook.live.credentials import AGENTOS
from aod_notebook.live.errors import RunFailedError, RunStoppedError, RunUnknownError
from aod_notebook.live.follow.run import RunFollower
from aod_notebook.live.handle import Handle, StopOutcome, provenance

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    import pandas as pd
    from matplotlib.axes import Axes

    from aod_notebook.agentos import AgentOS, Run
    from aod_notebook.core.card import Card, Fact
    from aod_notebook.live.connections import AgentOSConnection
    from aod_notebook.plots import Theme
    from aod_notebook.viewers.stream import StreamViewer
    from aod_notebook.viewers.trace.widget import TraceViewer


class Unreported(NamedTuple):
    """The state of a run of this process that is not reported.

    Attributes:
        reason: why it is not reported.
        outcome: its `status`, and `output` or `error_message` once there is one; who makes this
            keeps it up to date.
    """

    reason: str
    outcome: dict[str, Any]


class LiveRun(Handle[StreamedEvent, "AgentOS"]):
    """A run, hosted or reported: what it did so far, its tables, and what it waits for.

    Made by `%agentos invoke -o NAME`, `%%agentos -o NAME` and `aod_notebook.live.invoke`. As far
    as it is followed, its events come in the background until it has ended.

    Args:
        connection: the service that the run is on; None for a run that is not reported.
        run_id: the run's id, if it is known.
        request: what to invoke (arguments of `AgentOS.invoke_stream`), if that is how it begins.
        reported: the run of this process, if it is one.
        unreported: why that run is not reported, and how it ended; None if it is reported.

    Example:
        >>> from aod_notebook.live import invoke
        >>> run = invoke({"query": "hi"}).wait()
        >>> run.status, "summary" in run.output
        ('completed', True)
    """

    noun = "run"
    stop_command = "%agentos cancel"
    show_command = "%agentos watch"
    stopped_as = "cancelled"
    stopped_error = RunStoppedError
    tables = ("runs", "run_events", "spans", "tasks")
    replaces_events = True  # a stream's tool calls by the recorded ones, with their arguments
    _follower: RunFollower
    _ended: dict[str, Any] | None = None
    """The run as the service showed it after its end, if it was not followed."""

    def __init__(
        self,
        connection: AgentOSConnection | None,
        run_id: str | None = None,
        *,
        request: Mapping[str, Any] | None = None,
        reported: Run | None = None,
        unreported: Unreported | None = None,
    ) -> None:
        def known() -> str | None:
            if unreported is not None:
                return None
            return run_id or (None if reported is None else reported.run_id)

        on: AgentOSConnection = connection or Connection(AGENTOS, "", "", {})
        super().__init__(on, RunFollower(on, known, request))
        self._reported = reported
        self._unreported = unreported

    # -- what is known ------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The run's id; until the service has sent one, the external id."""
        own = "" if self._reported is None else self._reported.external_run_id
        return self.run_id or own

    @property
    def run_id(self) -> str | None:
        """The run's id on the service; None until the service has sent it."""
        return self._follower.run_id

    @property
    def client(self) -> AgentOS:
        """The sync client of its service.

        Raises:
            RunUnknownError: the run is not reported to any.
        """
        self._check_reported()
        return super().client

    @property
    def latest(self) -> dict[str, Any] | None:
        """The run as the service showed it last; None before that."""
        return self._follower.latest if self._unreported is None else self._unreported.outcome

    @property
    def is_paused(self) -> bool:
        """Whether it continues only after an answer."""
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
        if self.run_id is None and self._unreported is None:
            return "pending"
        return str(self._row().get("status", "running"))

    @property
    def output(self) -> Any:
        """Its output; None until there is one."""
        return self._row().get("output")

    @property
    def error(self) -> str | None:
        """Why it failed, as reported; None if it did not."""
        return failure_text(self._row()) or None

    @property
    def text(self) -> str:
        """The agent's own words so far."""
        pieces: list[str] = []
        was_chunk = False
        for event, _ in self.received():
            is_chunk = event.type == "chunk"
            body = event.extra if is_chunk else event.extra.get("payload")
            if is_chunk and was_chunk:
                pieces[-1] += str(event.extra.get("text") or "")
            elif (is_chunk or event.type == "agent.message") and isinstance(body, dict):
                pieces.append(str(body.get("text") or ""))
            was_chunk = is_chunk
        return "\n".join(pieces)

    @property
    def usage(self) -> dict[str, int]:
        """Tokens of the whole run as the service counts them; a count it lacks is left out."""
        row = self._row()
        return {name: int(row[name]) for name in TOKEN_FIELDS if isinstance(row.get(name), int)}

    @property
    def cost(self) -> float | None:
        """What the run cost in USD; None if the service reports no cost."""
        from aod_notebook.transcripts._json import as_float

        return as_float(self._row().get("cost_usd"))

    # -- tables and figures -------------------------------------------------------------------

    @property
    def events(self) -> pd.DataFrame:
        """One row per recorded event (`frames.run_events_df`), asked of the service."""
        return self._frame("run_events")

    @property
    def spans(self) -> pd.DataFrame:
        """One row per span, as a tree (`frames.spans_df`), asked of the service."""
        return self._frame("spans")

    @property
    def tasks(self) -> pd.DataFrame:
        """One row per task (`frames.tasks_df`), asked of the service."""
        return self._frame("tasks")

    def plot(self, *, ax: Axes | None = None, theme: Theme = "auto") -> Axes:
        """Draw the run's spans and tool calls so far (`plots.waterfall`).

        Raises:
            MissingMatplotlibError: matplotlib is not installed.
        """
        from aod_notebook import plots

        return plots.waterfall(self, ax=ax, theme=theme)

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
        """Return the actions of the viewer's buttons (arguments of `StreamViewer`)."""

        def answer(key: str, text: str) -> None:
            self.reply(text, request_id=key)

        def decide(key: str, yes: bool) -> None:
            self._decide("approved" if yes else "rejected", key)

        return {**super().viewer_actions(), "answer": answer, "decide": decide}

    # -- what can be done -----------------------------------------------------------------------

    def follow(self) -> Self:
        """Follow the run in the background, unless it is known to have ended; return at once.

        A run that is not reported has nothing to follow.
        """
        ended = (self._follower.latest or {}).get("status") in RUN_ENDED
        return self if ended or self._unreported is not None else super().follow()

    def wait_for_id(self, timeout: float | None = None) -> bool:
        """Start the invocation; wait for the run's id, and return whether it is known.

        Raises:
            AgentOSError: the service refused it, or could not be reached.
        """
        self.follow()
        self._follower.wait_for_id(timeout)
        if self.run_id is None and self.is_final:
            self._raise_if_lost()
        return self.run_id is not None

    def catch_up(self) -> LiveRun:
        """Wait until all current events of the run are here, not until its end."""
        self.follow()
        self._follower.catch_up()
        self._raise_if_lost()
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        self.follow()
        return super().__await__()

    def reply(self, text: str, *, request_id: str | None = None) -> LiveRun:
        """Answer the question of the run, and follow it further; return when the answer is accepted.

        Args:
            text: the answer.
            request_id: the question; None for the one that the run waits for.

        Raises:
            AgentOSConflictError: the run asks nothing.
            AgentOSError: the answer was refused.
        """
        asked = request_id or (self.waits_for or {}).get("request_id")
        return self._send(StreamedEvent("answer", {"response": text, "request_id": asked}))

    def approve(self, note: str | None = None) -> LiveRun:
        """Approve what the run waits for, and follow it further.

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
        """End it on its service and return the outcome; no error is raised.

        A run that is not reported can be stopped only in its own cell.
        """
        if self._unreported is not None:
            ended = self.status in RUN_ENDED
            return StopOutcome.ALREADY_FINISHED if ended else StopOutcome.UNCONFIRMED
        return super().stop()

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

    def known_id(self) -> str:
        """Return the run's id on the service.

        Raises:
            RunUnknownError: the service has sent none, or the run is not reported.
        """
        self._check_reported()
        if self.run_id is None:
            raise RunUnknownError(
                f"The service does not know run {self.id} yet; %agentos outbox shows what waits "
                "to be sent."
            )
        return self.run_id

    def provenance(self) -> dict[str, Any]:
        """Return the provenance of an output that shows the run, without secrets.

        Returns:
            A dict with one key, `aod_notebook`. Its dict has the keys `run_id`, `service`,
            `agent_id`, `status`, `started_at`, `ended_at` (as the service reports them, else None)
            and `versions`.
        """
        row = self.latest or {}
        facts = {name: row.get(name) for name in ("agent_id", "status", "started_at", "ended_at")}
        return provenance({"run_id": self.id, "service": self.service_url, **facts})

    # -- inside ---------------------------------------------------------------------------------

    @property
    def _known_status(self) -> str:
        row = self.waits_for or self._ended or self.latest or {}
        own = "" if self._reported is None or not self._reported.is_ended else "ended"
        return str(row.get("status") or (own if self.is_final else "running"))

    @property
    def _remark(self) -> str:
        return "" if self._unreported is None else ", not reported"

    def _check_reported(self) -> None:
        if self._unreported is not None:
            raise RunUnknownError(f"Run {self.id} was not reported: {self._unreported.reason}.")

    def _row(self) -> dict[str, Any]:
        """Return the run as last shown; one that is not followed is asked for, until it ended."""
        if self._unreported is not None:
            return self._unreported.outcome
        row = self.latest
        if row is not None and (not self.is_final or row.get("status") in RUN_ENDED):
            return row
        if not self.is_final:
            return {}
        if self._ended is not None:
            return self._ended
        fetched: Any = self.client.runs.get(run_id=self.known_id())
        if not isinstance(fetched, dict):
            return {}
        if fetched.get("status") in RUN_ENDED:
            self._ended = fetched
        return fetched

    def _frame(self, name: str) -> pd.DataFrame:
        from aod_notebook import frames

        self.known_id()
        table: pd.DataFrame = getattr(frames, f"{name}_df")(self)
        return table

    def _card(self) -> Card:
        from aod_notebook.core.card import Card

        row, waits = self.latest or {}, self.waits_for or {}
        tokens, took, count = row.get("total_tokens"), row.get("duration_ms"), len(self.received())
        facts: list[Fact] = [
            (counted(count, "event") if count else "", ""),
            (f"{words.tokens(tokens)} tokens" if isinstance(tokens, int) else "", ""),
            (words.dollars(row.get("cost_usd")), "strong"),
            (words.duration(took / 1000) if isinstance(took, (int, float)) else "", ""),
            (str(row.get("error_message") or ""), "bad"),
        ]
        steps = (".viewer()", ".trace()", ".events", ".spans", ".tasks", ".plot()")
        return Card(
            f"Run {words.short_id(self.id)}",
            words.short_id(self.id),
            self.id,
            self._known_status,
            facts,
            words=str(waits.get("question") or self.text.strip().rpartition("\n\n")[2]),
            next_steps=(*steps, '.reply("…")') if waits else steps,
        )

    def _resume(self) -> None:
        self.follow()

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
        body = {"decision": decision, "approval_id": approval_id, "decision_note": note}
        return self._send(StreamedEvent("decision", body))

    def _send(self, answer: StreamedEvent) -> LiveRun:
        """Send an answer; return when the run continues: sending may last until it ends."""
        self.known_id()
        self.follow()
        self._follower.send(answer)
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
        await self._follower.look_now()
        return StopOutcome.STOPPED
