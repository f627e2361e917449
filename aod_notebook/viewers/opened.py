"""Views of a finished session from a store, or from a log on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from aod_notebook.core.clock import micros
from aod_notebook.core.text import one_line
from aod_notebook.frames.rows import records
from aod_notebook.viewers.place import checked_order
from aod_notebook.viewers.stream import StreamViewer
from aod_notebook.viewers.trace.widget import TraceViewer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from aod_notebook.viewers.protocols import Event


class OpenedSession(Protocol):
    """An opened session, such as `frames.OpenedLog`."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def runtime(self) -> str | None:
        """The runtime that wrote its output; None if unknown."""

    @property
    def title(self) -> str | None:
        """Its title, or the first words of its first prompt."""

    @property
    def status(self) -> str:
        """How it ended."""

    @property
    def turns(self) -> pd.DataFrame:
        """The turns, with their prompts."""

    def received(self) -> list[Any]:
        """The events as a service would have sent them."""


class Opened:
    """An opened session as the viewers take one (`protocols.Source`): nothing more comes."""

    is_final = True

    def __init__(self, session: OpenedSession) -> None:
        self.id, self.runtime, self.status = session.id, session.runtime, session.status
        self.title = one_line(session.title or f"{session.runtime or 'session'} · {session.id}")
        turns = records(session.turns, ["turn", "prompt"])
        self.prompts = {int(row["turn"]): str(row["prompt"]) for row in turns if row["prompt"]}
        last = 0.0
        self._events: list[tuple[Event, float]] = []
        for event in session.received():
            at = micros(event.extra.get("created_at"))
            last = last if at is None else at / 1e6
            self._events.append((event, last))

    def received(self, start: int = 0) -> Sequence[tuple[Event, float]]:
        """Return the events from number `start` on, each with its time in seconds since 1970."""
        return self._events[start:]

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Do nothing: no event will come."""
        del changed
        return lambda: None


def viewer(session: OpenedSession, at: Any = None) -> StreamViewer:
    """Return a viewer of an opened session.

    Args:
        session: it.
        at: the row at which it opens: a row of one of its tables, a finding, or an `order`.

    Raises:
        AodNotebookError: `at` names no row of this session.
    """
    order = checked_order(at, session.id)
    return StreamViewer(Opened(session), freeze=False, at=order)


def trace(session: OpenedSession) -> TraceViewer:
    """Return a trace of an opened session; its spans open the transcript."""
    source = Opened(session)

    def transcript(order: int) -> StreamViewer:
        return StreamViewer(source, freeze=False, at=order)

    return TraceViewer(source, transcript=transcript)
