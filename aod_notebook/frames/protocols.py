"""The protocols of live objects that frames read."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from aod_notebook.aod import Session


class SessionEvent(Protocol):
    """An event of a session's stream; `aod_notebook.aod.StreamEvent` is one."""

    @property
    def type(self) -> str:
        """Kind of event."""
        ...

    @property
    def id(self) -> int | None:
        """Id in the service's log."""
        ...

    @property
    def extra(self) -> dict[str, Any]:
        """All other fields."""
        ...


@runtime_checkable
class FollowedSession(Protocol):
    """A session that this kernel follows."""

    @property
    def id(self) -> str:
        """Id of the session."""
        ...

    @property
    def client(self) -> Any:
        """The `aod_notebook.aod.Client` to ask for turns and the session."""
        ...

    @property
    def is_final(self) -> bool:
        """Whether the stream has ended."""
        ...

    def received(self) -> Sequence[tuple[Any, float]]:
        """Events so far, each with the time of its receipt (seconds since 1970)."""
        ...


def is_of_sessions(given: object) -> bool:
    """Check whether it is a session, followed or not, or a client of Agent on Demand."""
    if isinstance(given, Session) or (hasattr(given, "sessions") and not hasattr(given, "runs")):
        return True
    return isinstance(given, FollowedSession) and not is_followed_run(given)


def is_followed_run(given: object) -> bool:
    """Check whether it is a run that this kernel follows."""
    return isinstance(given, FollowedSession) and hasattr(given, "run_id")
