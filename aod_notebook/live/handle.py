"""`Handle`: the base of `LiveSession` and `LiveRun`; and how one is referred to."""

from __future__ import annotations

import asyncio
import enum
import logging
import platform
import time
from abc import ABC, abstractmethod
from concurrent.futures import CancelledError
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar
from uuid import UUID

from aod_notebook._version import __version__
from aod_notebook.core import bridge
from aod_notebook.core.awaited import awaited
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.files import file_name
from aod_notebook.core.unpicklable import Unpicklable
from aod_notebook.live.errors import NotAnIdError, WaitTimeoutError, WrongVariableError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import pandas as pd

    from aod_notebook.core.card import Card
    from aod_notebook.live.connections import Closable, Connection
    from aod_notebook.live.follow import Follower
    from aod_notebook.viewers.protocols import Event
    from aod_notebook.viewers.stream import StreamViewer
    from aod_notebook.viewers.trace.widget import TraceViewer

STOP_TIMEOUT_S = 10.0
TAIL_TIMEOUT_S = 5.0
"""How long `stop` waits for the last events of what it stopped."""
CONFIRM_S = 5.0
"""How long an interrupted call waits to learn what it did."""
LAST = "last"
"""The word that means the session or run that was followed last."""

C = TypeVar("C", bound="Closable")
E = TypeVar("E", bound="Event")

log = logging.getLogger("aod_notebook.live")


class StopOutcome(enum.StrEnum):
    """The three ways that stopping a session or a run can end."""

    STOPPED = "stopped"
    ALREADY_FINISHED = "already finished"
    UNCONFIRMED = "unconfirmed"


class Handle(Unpicklable, ABC, Generic[E, C]):
    """A session or run that this process follows: its events so far, and its actions.

    Args:
        connection: the service that it is on.
        follower: what follows it.

    Attributes:
        noun: what it is called in messages (`session`, `run`).
        stop_command: the magic that ends it.
        show_command: the magic that shows it.
        stopped_as: its status after a stop.
        stopped_error: what an interrupted cell raises.
        tables: the tables that `to_parquet` writes.
        takes_prompts: whether it can be sent another prompt when its turn has ended.
        replaces_events: whether events that were received may be replaced by more complete ones.
        runtime: what writes its output, if that is known.
    """

    noun: ClassVar[str]
    stop_command: ClassVar[str]
    show_command: ClassVar[str]
    stopped_as: ClassVar[str]
    stopped_error: ClassVar[type[AodNotebookError]]
    tables: ClassVar[tuple[str, ...]]
    takes_prompts: ClassVar[bool] = False
    replaces_events: ClassVar[bool] = False
    runtime: str | None = None

    def __init__(self, connection: Connection[C, Any], follower: Follower[E, Any]) -> None:
        self._connection = connection
        self._follower = follower

    # -- what is known ------------------------------------------------------------------------

    @property
    @abstractmethod
    def id(self) -> str:
        """Its id."""

    @property
    @abstractmethod
    def status(self) -> str:
        """`pending`, `running`, what it waits for, or how it ended."""

    @property
    def client(self) -> C:
        """The sync client of its service: `aod.Client` or `agentos.AgentOS`."""
        return self._connection.ensure().client

    @property
    def service_url(self) -> str:
        """The URL of its service, without user and password."""
        return self._connection.base_url

    @property
    def shown_again_by(self) -> str:
        """The magic that shows it again, also in a new kernel."""
        return f"{self.show_command} {self.id}"

    @property
    def prompts(self) -> dict[int, str]:
        """A session's prompts by the numbers of their turns, as far as they are known."""
        return {}

    @property
    def is_final(self) -> bool:
        """Whether it is not followed, so that no events arrive by themselves."""
        return self._follower.is_final

    @property
    def is_paused(self) -> bool:
        """Whether it continues only after an answer."""
        return False

    @property
    def notice(self) -> str:
        """Why no events arrive at the moment, such as a service that does not answer; else empty."""
        return self._follower.notice

    @property
    def title(self) -> str:
        """The title of the transcript: the id, and the agent if known."""
        return f"{self.runtime or self.noun} · {self.id}"

    def received(self, start: int = 0) -> list[tuple[E, float]]:
        """Return the events from number `start` on, each with its time in seconds (`time.time()`)."""
        return self._follower.received(start)

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` (from any thread) at every event and end; call the result to stop."""
        return self._follower.listen(changed)

    def batches(self, start: int = 0, *, notices: bool = False) -> Iterator[list[E]]:
        """Yield the events from number `start` on as they come, until it ends or waits for a person.

        With `notices`, an empty list is yielded, too, when `notice` has changed.
        """
        return self._follower.batches(start, notices=notices)

    # -- how it is shown and kept ---------------------------------------------------------------

    def viewer(self, at: Any = None) -> StreamViewer:
        """Return a live viewer, with buttons for its actions.

        As the last line of a cell it shows itself; `.show()` displays it from anywhere.

        Args:
            at: the row at which it opens: a row of `tool_calls` or `messages`, a finding of
                `frames.insights_df`, or an `order`; None follows the last row.

        Raises:
            AodNotebookError: `at` names no row, or one of another session.
        """
        from aod_notebook.viewers.place import checked_order
        from aod_notebook.viewers.stream import StreamViewer

        actions = self.viewer_actions()
        order = checked_order(at, self.id)
        return StreamViewer(self, freeze=False, at=order, metadata=self.provenance, **actions)

    def trace(self) -> TraceViewer:
        """Return a live trace: what was done, as a tree on a time axis.

        A session's tree has turns, messages, tool calls and subagents, a run's its spans, calls
        and tasks. As the last line of a cell it shows itself.

        Example:
            >>> from aod_notebook.live import SessionRequest, start
            >>> session = start(SessionRequest(prompt="echo hi", runtime="shell")).wait()
            >>> session.trace().show()  # doctest: +SKIP
        """
        from aod_notebook.viewers.trace.widget import TraceViewer

        return TraceViewer(self, transcript=self.viewer, metadata=self.provenance)

    def viewer_actions(self) -> dict[str, Any]:
        """Return the actions of the viewer's buttons (arguments of `StreamViewer`)."""

        def stop() -> str:
            text = self.stop_text(self.stop())
            return text[0].upper() + text[1:]

        return {"stop": stop}

    def to_html(self) -> str:
        """Return what was received so far as a whole page of static HTML, without scripts.

        It opens from a file, loads nothing and is not redacted; `aod-notebook export` redacts.
        """
        from aod_notebook.viewers.bundle import whole_page
        from aod_notebook.viewers.static import Transcript

        transcript = Transcript.of(self)
        transcript.add(event for event, _ in self.received())
        transcript.finish()
        return whole_page(transcript.heading, transcript.html())

    def to_parquet(self, folder: str | Path) -> Path:
        """Write the tables as Parquet files into `folder/ID`, and return that folder.

        The files are `turns`, `events`, `messages` and `tool_calls` of a session, `runs`,
        `run_events`, `spans` and `tasks` of a run; what was there is replaced.

        Raises:
            OSError: the folder can't be written.
            AodNotebookError: the service does not send them.

        Example:
            >>> from aod_notebook import frames
            >>> from aod_notebook.live import invoke
            >>> folder = invoke({"query": "hi"}).wait().to_parquet("results")
            >>> len(frames.read_parquet(folder / "runs.parquet"))
            1
        """
        from aod_notebook import frames

        own = Path(folder).expanduser() / file_name(self.known_id())
        own.mkdir(parents=True, exist_ok=True)
        for name in self.tables:
            frames.to_parquet(self._frame(name), own / f"{name}.parquet")
        return own

    def known_id(self) -> str:
        """Return its id on the service."""
        return self.id

    # -- what can be done -----------------------------------------------------------------------

    def follow(self) -> Self:
        """Follow it in the background from the last position; return at once."""
        self._follower.follow()
        return self

    def wait(self, timeout: float | None = None) -> Self:
        """Wait until it has ended or waits for a person; one that failed is not an error here.

        Args:
            timeout: the most seconds to wait.

        Raises:
            WaitTimeoutError: it has not ended; it continues, and so does the following.
            AodNotebookError: it could not be followed to its end.
        """
        self._resume()
        self._follower.wait(None if timeout is None else time.monotonic() + timeout)
        if not self._follower.is_at_rest:
            raise WaitTimeoutError(
                f"{self.noun.capitalize()} {self.id} has not ended after {timeout:g} s; it "
                "continues. Wait again with .wait(), or end it with .stop()."
            )
        self._raise_if_lost()
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        return self._rest().__await__()

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond its end, or a question that it asks."""
        self._follower.pause(seconds)

    def stop(self) -> StopOutcome:
        """End it on its service and return the outcome; no error is raised."""
        try:
            if self.is_final:
                self._connection.ensure()  # while it is followed its service is there, or hangs
            outcome = bridge.submit(self._stop).result(STOP_TIMEOUT_S)
        except (AodNotebookError, TimeoutError, CancelledError):
            outcome = StopOutcome.UNCONFIRMED
        else:
            self._follower.wait_for_end(TAIL_TIMEOUT_S)
        log.info("%s %s was to be stopped: %s", self.noun.capitalize(), self.id, outcome)
        return outcome

    def stop_text(self, outcome: StopOutcome) -> str:
        """Return how a stop ended as a sentence, with the next step where one is needed."""
        what = f"{self.noun} {self.id}"
        return {
            StopOutcome.STOPPED: f"{what} was {self.stopped_as} on the service.",
            StopOutcome.ALREADY_FINISHED: f"{what} had already finished.",
            StopOutcome.UNCONFIRMED: (
                f"the service did not confirm that {what} was {self.stopped_as}; "
                f"{self.stop_command} {self.id} ends it."
            ),
        }[outcome]

    @abstractmethod
    def raise_for_status(self) -> None:
        """Raise if it failed, was stopped, or could not be followed to its end."""

    def close(self) -> None:
        """Stop following; it continues on its service."""
        self._follower.close()

    def __str__(self) -> str:
        """Return the id: the text for `{{name}}` in a magic and for an f-string."""
        return self.id

    def __repr__(self) -> str:
        known = type(self).__name__, self.id, self.runtime, self._known_status
        return f"<{' '.join(filter(None, known))}{self._remark}>"

    def _repr_html_(self) -> str:
        """Return a card with its status, its usage and its next steps."""
        return self._card().html()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Print the card as text where a cell shows it."""
        del cycle
        printer.text(self._card().text())

    # -- inside ---------------------------------------------------------------------------------

    def _instead_of_a_copy(self) -> str:
        return f"Keep its id, {self.id}: {self.show_command} {self.id} shows it again."

    @property
    def _remark(self) -> str:
        """The part of `repr` after the status."""
        return ""

    @property
    def _known_status(self) -> str:
        """The status as far as known without asking the service."""
        return self.status

    @abstractmethod
    def _resume(self) -> None:
        """Follow again if more events can come."""

    @abstractmethod
    async def _stop(self) -> StopOutcome:
        """End it on its service; runs on the background loop."""

    @abstractmethod
    def provenance(self) -> dict[str, Any]:
        """Return the provenance of an output, for its metadata."""

    @abstractmethod
    def _card(self) -> Card:
        """Return a card of what is known here."""

    @abstractmethod
    def _frame(self, name: str) -> pd.DataFrame:
        """Return one of its tables (`frames.NAME_df`)."""

    async def _rest(self) -> Self:
        """Wait like `wait`, without blocking the loop."""
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def notify() -> None:
            if self._follower.is_at_rest:
                loop.call_soon_threadsafe(changed.set)

        stop = self.listen(notify)
        try:
            with awaited(self._left):
                while not self._follower.is_at_rest:
                    await changed.wait()
                    changed.clear()
        finally:
            stop()
        self._raise_if_lost()
        return self

    def _left(self) -> str:
        """Describe its state after awaiting it was stopped."""
        if self._follower.is_final:
            return f"interrupted: {self.noun} {self.id} has ended ({self._known_status})."
        return (
            f"interrupted: {self.noun} {self.id} is not awaited any more and continues. "
            f"{self.stop_command} {self.id} ends it, {self.show_command} {self.id} shows it."
        )

    def _raise_if_lost(self) -> None:
        if self._follower.error is not None:
            raise self._follower.error


def reference_of(given: object, function: str, noun: str) -> str:
    """Return an id as text.

    Args:
        given: text, a UUID, or something else by mistake.
        function: what it was given to.
        noun: what the id is of.

    Raises:
        NotAnIdError: it is neither text nor a UUID.
    """
    if isinstance(given, (str, UUID)):
        return str(given)
    raise NotAnIdError(
        f"{function}() takes the id of a {noun} as text, not {type(given).__name__}: "
        f"{function}({noun}.id)."
    )


def held_id(reference: str, held: object, noun: str) -> str:
    """Return the id that a variable holds; without one (or for `last`) the text itself.

    Args:
        reference: what was written.
        held: what the variable of that name holds; None if there is none.
        noun: what is wanted.

    Raises:
        WrongVariableError: the variable holds something else.
    """
    if reference == LAST or held is None:
        return reference
    if not isinstance(held, str):
        raise WrongVariableError(
            f"The variable {reference} holds no {noun} and no {noun}'s id; it is of type "
            f"{type(held).__name__}."
        )
    return held.strip()


def provenance(own: dict[str, Any]) -> dict[str, Any]:
    """Return an output's metadata: its source, and the versions that made it.

    Example:
        >>> provenance({"status": "completed"})["aod_notebook"]["status"]
        'completed'
    """
    return {"aod_notebook": {**own, "versions": dict(_versions())}}


def iso(at: datetime | float | None) -> str | None:
    """Return a time, or seconds since 1970, as ISO 8601 text in UTC."""
    if at is None:
        return None
    moment = at if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


@cache
def _versions() -> dict[str, str]:
    found = {"aod-notebook": __version__, "python": platform.python_version()}
    for package in ("ipython", "ipykernel"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
