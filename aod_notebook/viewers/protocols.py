"""The protocols of the sessions, runs and events that a viewer shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Event(Protocol):
    """An event of a session, such as `aod.StreamEvent`, or of a run (`run_rows.RunRows`)."""

    @property
    def type(self) -> str:
        """`output`, `stage`, `turn_start`, … of a session; `tool.called`, `chunk`, … of a run."""

    @property
    def extra(self) -> Mapping[str, Any]:
        """The other fields."""


class Source(Protocol):
    """A followed session or run, such as `live.LiveSession`; any thread may ask it.

    Attributes:
        runtime: what writes a session's output; None if that is unknown, and for a run.
    """

    runtime: str | None

    @property
    def id(self) -> str:
        """Its id on the service."""

    @property
    def title(self) -> str:
        """The title of the transcript."""

    @property
    def status(self) -> str:
        """`pending`, `running`, what it waits for, or how it ended."""

    @property
    def is_final(self) -> bool:
        """Whether the turn in progress has ended; a run's whether no event will come any more."""

    @property
    def prompts(self) -> Mapping[int, str]:
        """A session's prompts by the numbers of their turns, as far as they are known."""

    def received(self, start: int = 0) -> Sequence[tuple[Event, float]]:
        """The events from number `start` on, each with its time in seconds (`time.time()`)."""

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` at every event and at every end; call the result to stop."""
