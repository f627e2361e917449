"""What a viewer needs of the session that it shows, and of the events in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Event", "Source"]


class Event(Protocol):
    """An event of a session's stream, such as `aod.StreamEvent`."""

    @property
    def type(self) -> str:
        """`output`, `stage`, `turn_start`, …."""

    @property
    def extra(self) -> Mapping[str, Any]:
        """The other fields."""


class Source(Protocol):
    """A followed session, such as `live.LiveSession`; any thread may ask it."""

    id: str
    runtime: str | None

    @property
    def title(self) -> str:
        """What heads the transcript."""

    @property
    def status(self) -> str:
        """`pending`, `running`, or how the session ended."""

    @property
    def is_final(self) -> bool:
        """Whether the turn in progress has ended."""

    def received(self, start: int = 0) -> Sequence[tuple[Event, float]]:
        """The events from number `start` on, each with the `time.time()` at which it came."""

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` at every event and at every end; what is returned stops that."""
