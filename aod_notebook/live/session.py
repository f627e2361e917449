"""`LiveSession`: a session that this process follows, with its tables."""

from __future__ import annotations

import contextlib
import logging
import warnings
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, Literal

from aod_notebook.contract import ACTIVE_STATUSES
from aod_notebook.core import bridge, words
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.text import counted
from aod_notebook.live import journal
from aod_notebook.live.errors import (
    ServiceGoneWarning,
    SessionFailedError,
    SessionStoppedError,
    advice,
    agents_reason,
    failure_of,
)
from aod_notebook.live.follow.session import SessionFollower
from aod_notebook.live.handle import CONFIRM_S, Handle, StopOutcome, iso, provenance

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from matplotlib.axes import Axes

    from aod_notebook.aod import Client, Session, StreamEvent  # noqa: F401 - the base's arguments
    from aod_notebook.core.card import Card, Fact
    from aod_notebook.live.connections import AodConnection
    from aod_notebook.plots import Theme

log = logging.getLogger("aod_notebook.live")

UNKNOWN = "unknown"
"""The status of a session that was lost and that cannot be asked for."""
ASK_S = 2.0
"""How long the service may take to answer what is only shown: how a lost session is, or its prompt."""
_NEXT_STEPS = (".viewer()", ".trace()", ".turns", ".tool_calls", ".plot()", '.prompt("…")')


def check_prompt(text: object, refusal: str) -> None:
    """Refuse a prompt that is not text or is empty.

    Raises:
        AodNotebookError: it is; the message ends with `refusal`, which names what was not done.
    """
    if not isinstance(text, str):
        raise AodNotebookError(f"A prompt is text, not {type(text).__name__}, so {refusal}.")
    if not text.strip():
        raise AodNotebookError(f"The prompt is empty, so {refusal}. Say what the agent is to do.")


class LiveSession(Handle["StreamEvent", "Client"]):
    """A session of an agent: its words so far, its tables, and the next prompt.

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

    reuse_key: str | None = None
    """What is the same for the same prompt, options and version of the agent; see `%%aod --reuse`."""
    noun = "session"
    stop_command = "%aod stop"
    show_command = "%aod attach"
    stopped_as = "terminated"
    stopped_error = SessionStoppedError
    tables = ("turns", "events", "messages", "tool_calls")
    takes_prompts = True
    _connection: AodConnection
    _follower: SessionFollower

    def __init__(
        self,
        connection: AodConnection,
        session_id: str,
        runtime: str | None = None,
        model: str | None = None,
    ) -> None:
        follower = SessionFollower(connection, session_id, runtime=runtime, model=model)
        super().__init__(connection, follower)
        self._id = session_id
        self.runtime = follower.about.get("runtime")
        self.model = follower.about.get("model")

    # -- what is known ------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The session's id."""
        return self._id

    @property
    def prompts(self) -> dict[int, str]:
        """The prompts by the numbers of their turns, from 1, as far as they are known."""
        return self._follower.prompts

    @property
    def row(self) -> Session | None:
        """The session as its service showed it at the end of the turn; None while the turn runs."""
        return self._follower.row

    @property
    def status(self) -> str:
        """`pending`, `running`, `completed`, `failed` or `terminated`, as last known.

        The service is asked about a session that could not be followed to its end; `unknown` if
        it does not answer.
        """
        if self.row is not None:
            return self.row.status
        if self._follower.error is not None:
            return self._asked_status()
        return self._seen_status()

    def _seen_status(self) -> str:
        started = any(
            event.type in ("turn_start", "output") or event.extra.get("stage") == "runtime_start"
            for event, _ in self.received()
        )
        return "running" if started else "pending"

    @property
    def exit_code(self) -> int | None:
        """The exit code of the last turn's program; None while it runs or if it was killed."""
        return None if self.row is None else self.row.exit_code

    def viewer_actions(self) -> dict[str, Any]:
        """Return the actions of the viewer's Stop button and prompt box (arguments of `StreamViewer`)."""

        def prompt(text: str) -> None:
            self.wait().prompt(text)

        return {**super().viewer_actions(), "prompt": prompt}

    # -- tables and figures -------------------------------------------------------------------

    @property
    def text(self) -> str:
        """The agent's own words so far (for a shell, what it printed), turn after turn."""
        messages = self.messages
        if self.runtime == "shell":  # which may print JSON that looks like an agent's
            lines = messages[messages["raw"].notna() | messages["line_type"].eq("text")]
            return "\n".join(lines["raw"].fillna(lines["text"]))
        own = messages["block"].eq("text") & messages["line_type"].isin(["assistant", "text"])
        return "\n".join(messages.loc[own & messages["text"].notna(), "text"])

    @property
    def cost(self) -> float | None:
        """What the session cost so far in USD, as its runtime reported it; None if it reported no cost."""
        costs = self.results["cost_usd"].dropna()
        return float(costs.sum()) if len(costs) else None

    @property
    def usage(self) -> dict[str, int]:
        """Tokens so far, as the runtime reported them; a count that it did not report is left out."""
        results = self.results
        columns = [name for name in results.columns if name.endswith("_tokens")]
        return {
            name: int(results[name].sum()) for name in columns if bool(results[name].notna().any())
        }

    @property
    def turns(self) -> pd.DataFrame:
        """One row per turn (`frames.turns_df`), asked of the service."""
        return self._frame("turns")

    @property
    def events(self) -> pd.DataFrame:
        """One row per event received so far (`frames.events_df`)."""
        return self._frame("events")

    @property
    def messages(self) -> pd.DataFrame:
        """One row per content block of the transcript so far (`frames.messages_df`)."""
        return self._frame("messages")

    @property
    def tool_calls(self) -> pd.DataFrame:
        """One row per tool call so far (`frames.tool_calls_df`)."""
        return self._frame("tool_calls")

    @property
    def results(self) -> pd.DataFrame:
        """One row per turn with a reported result (`frames.results_df`)."""
        return self._frame("results")

    def plot(
        self,
        figure: Literal["timeline", "tokens", "cost", "tools", "latency"] = "timeline",
        *,
        ax: Axes | None = None,
        theme: Theme = "auto",
    ) -> Axes:
        """Draw the session so far: its timeline, or another figure of `aod_notebook.plots`.

        Raises:
            PlotError: there is no such figure.
            MissingMatplotlibError: matplotlib is not installed.
        """
        from aod_notebook import plots

        draw = plots.SESSION_FIGURES.get(figure)
        if draw is None:
            known = ", ".join(plots.SESSION_FIGURES)
            raise plots.PlotError(f"There is no figure {figure!r} of a session: use {known}")
        return draw(self, ax=ax, theme=theme)

    # -- what can be done -----------------------------------------------------------------------

    def sync(self) -> LiveSession:
        """Ask the service whether the session moved on, and follow it again if so.

        Raises:
            NotFoundError: the session was deleted.
        """
        self._follower.sync()
        return self

    def prompt(self, text: str, *, timeout: int | None = None) -> LiveSession:
        """Send the next prompt to the session and follow its turn.

        Args:
            text: the prompt.
            timeout: seconds that the turn may take; None for the service's default.

        Raises:
            AodNotebookError: the prompt is empty.
            ConflictError: the session has failed, was terminated or has a turn in progress.
            SessionStoppedError: interrupted; the turn was stopped if it had begun.
        """
        check_prompt(text, f"session {self.id} was not prompted")
        send = self._connection.ensure().background_client.sessions.prompt
        future = bridge.submit(send, self.id, text, timeout)
        with contextlib.suppress(KeyboardInterrupt):
            turn = future.result().current_turn
            if turn is not None:
                self.prompts[turn] = text
            log.info("Session %s was sent a prompt of %d characters", self.id, len(text))
            journal.remember(self.id, self._connection.key, self.runtime)
            return self.follow()
        raise SessionStoppedError(f"Interrupted: {self._stop_what_began(future.result)}")

    def catch_up(self) -> LiveSession:
        """Wait until all current events of the session are here, not until its end.

        If its service can't be reached, what was received before is what there is; a
        `ServiceGoneWarning` is issued.

        Raises:
            AodConnectionError: the service can't be reached, and nothing was received before.
            NotFoundError: the session was deleted.
            StreamInterrupted: the stream was lost and could not be taken up again.
        """
        row = self._ask_or_warn()
        if row is not None:
            self._follower.read_up_to(row)
            self._raise_if_lost()
        return self

    def sync_or_warn(self) -> bool:
        """Sync, and return whether the service could be reached.

        Raises:
            AodConnectionError: it could not, and nothing was received before.
            NotFoundError: the session was deleted.
        """
        return not self.is_final or self._ask_or_warn() is not None

    def _ask_or_warn(self) -> Session | None:
        from aod_notebook.aod import AodConnectionError

        try:
            return self._follower.ask()
        except AodConnectionError as error:
            count = len(self.received())
            if count == 0:
                raise
            warnings.warn(
                f"Session {self.id} is shown as far as it was received before ({counted(count, 'event')}, "
                f"then {self.status}). {error}",
                ServiceGoneWarning,
                stacklevel=4,
            )
            return None

    def raise_for_status(self) -> None:
        """Raise if the session failed or could not be followed to its end.

        Raises:
            SessionFailedError: the session failed or was terminated.
            StreamInterrupted: the stream was lost and could not be taken up again.
        """
        self._raise_if_lost()
        if self.status == "failed":
            raise SessionFailedError(failure_of(self), self.id, self.exit_code)
        if self.status == "terminated":
            raise SessionFailedError(
                f"Session {self.id} was terminated; start a new one.", self.id, self.exit_code
            )

    def failed_answer(self) -> str | None:
        """Return a line about why the last turn failed although its program exited with code 0.

        Gemini and opencode do that. None if the turn did not fail, or if the session did: then
        `raise_for_status` raises.
        """
        reason = agents_reason(self) if self.status == "completed" else None
        if reason is None:
            return None
        where = advice(self.runtime, reason)
        name = self.runtime or "agent"
        return f"The turn failed, though {name} exited with code 0: {reason.rstrip('.')}. {where}".rstrip()

    def delete(self) -> None:
        """Delete the session, its turns and its log on the service; also its workspace.

        Raises:
            ConflictError: a turn is in progress; stop it first.
        """
        self.client.sessions.delete(self.id)
        self._follower.delete_log()
        journal.forget(self.id, self._connection.key)

    # -- inside ---------------------------------------------------------------------------------

    @property
    def _known_status(self) -> str:
        if self.row is not None:
            return self.row.status
        return self._seen_status() if self._follower.error is None else UNKNOWN

    def _asked_status(self) -> str:
        """Ask for the status of a session after its stream was lost; follow it again if possible."""
        try:
            status = self._impatient_client().sessions.get(self.id).status
            self.follow()
        except AodNotebookError:
            return UNKNOWN
        return status

    def _card(self) -> Card:
        from aod_notebook.core.card import Card
        from aod_notebook.frames.followed import followed_pieces
        from aod_notebook.frames.sessions.details import of_pieces

        known, row = of_pieces(followed_pieces(self)[0]), self.row
        turns = {
            event.extra.get("turn") for event, _ in self.received() if event.type == "turn_start"
        }
        took = None if row is None else (row.updated_at - row.created_at).total_seconds()
        spent = words.tokens(_all_tokens(known))
        facts: list[Fact] = [
            (self.runtime or "", "strong"),
            (words.model_name(known["model"] or self.model), ""),
            (counted(len(turns), "turn") if turns else "", ""),
            *_calls(known["tool_call_count"], known["failed_tool_call_count"]),
            (f"{spent} tokens" if spent else "", ""),
            (words.dollars(known["cost_usd"]), "strong"),
            (words.duration(took), ""),
        ]
        return Card(
            self._first_prompt() or f"Session {words.short_id(self.id)}",
            words.short_id(self.id),
            self.id,
            self._known_status,
            facts,
            words=self.text.strip().rpartition("\n\n")[2],
            next_steps=_NEXT_STEPS,
        )

    def _first_prompt(self) -> str:
        """Ask for the first prompt, once and not for long; empty if it is not known."""
        try:
            turns = self._impatient_client().sessions.turns(self.id)
        except AodNotebookError:
            return ""
        return str(turns[0].prompt or "").strip() if turns else ""

    def _impatient_client(self) -> Client:
        return self._connection.client.with_options(max_retries=0, timeout=ASK_S)

    def _frame(self, name: str) -> pd.DataFrame:
        error = self._follower.error
        if error is not None:
            warnings.warn(
                f"Session {self.id} is shown as far as it was received "
                f"({counted(len(self.received()), 'event')}): {error}",
                ServiceGoneWarning,
                stacklevel=4,
            )
        from aod_notebook import frames

        table: pd.DataFrame = getattr(frames, f"{name}_df")(self)
        return table

    def _resume(self) -> None:
        self.sync()

    def provenance(self) -> dict[str, Any]:
        """Return the provenance of an output that shows the session, without secrets.

        Returns:
            A dict with one key, `aod_notebook`: a dict with the keys `session_id`, `service` (its
            URL, which never holds a user or a password), `runtime`, `model`, `status`,
            `exit_code`, `started_at` and `ended_at` (ISO 8601, UTC, by the service's clock once
            the turn has ended; None while it runs) and `versions`.
        """
        row, received = self.row, self.received()
        began = received[0][1] if received else None
        return provenance(
            {
                "session_id": self.id,
                "service": self.service_url,
                "runtime": self.runtime,
                "model": self.model,
                "status": self.status,
                "exit_code": self.exit_code,
                "started_at": iso(row.created_at if row else began),
                "ended_at": iso(row.updated_at if row else None),
            }
        )

    async def _stop(self) -> StopOutcome:
        from aod_notebook.aod import ConflictError

        sessions = self._connection.background_client.sessions
        if (await sessions.get(self.id)).status not in ACTIVE_STATUSES:
            return StopOutcome.ALREADY_FINISHED
        try:
            await sessions.terminate(self.id)
        except ConflictError:  # it ended in between
            return StopOutcome.ALREADY_FINISHED
        return StopOutcome.STOPPED

    def _stop_what_began(self, answer: Callable[[float], object]) -> str:
        """After an interrupt: wait for the answer to a prompt, stop its turn, return what happened."""
        try:
            answer(CONFIRM_S)
        except (TimeoutError, CancelledError):
            return self.stop_text(StopOutcome.UNCONFIRMED)
        except AodNotebookError as error:
            return f"the prompt had been refused. {error}"
        return self.stop_text(self.follow().stop())


def _calls(made: int, failed: int) -> list[Fact]:
    if not made:
        return []
    return [(counted(made, "tool call"), ""), (f"({failed:,} failed)" if failed else "", "bad")]


def _all_tokens(known: dict[str, Any]) -> int | None:
    """Return the tokens read and written; None if the runtime did not report it."""
    from aod_notebook.transcripts import Spent, Usage

    if known["input_includes_cache"] is None:
        return None
    spent = Spent(
        usage=Usage(**{name: known[name] for name in Usage.__struct_fields__}),
        input_includes_cache=known["input_includes_cache"],
        output_includes_reasoning=known["output_includes_reasoning"],
    )
    if spent.tokens_in is None or spent.tokens_out is None:
        return None
    return spent.tokens_in + spent.tokens_out
