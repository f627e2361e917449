"""`UnreportedRun`: what a cell binds where no service is told of its run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Self

from aod_notebook.contract import RUN_ENDED
from aod_notebook.live.handle import StopOutcome
from aod_notebook.live.run import LiveRun
from aod_notebook.live.run_connection import AgentOSConnection
from aod_notebook.live.run_errors import RunUnknownError

if TYPE_CHECKING:
    from aod_notebook.agentos import AgentOS, AsyncAgentOS, Run

__all__ = ["UnreportedRun"]


class UnreportedRun(LiveRun):
    """A run of this process that stays in it: how its code ended, and what it gave.

    Its tables would be the service's: asking for them is an error that says why there are none.

    Args:
        reported: the run, which reports to nobody.
        outcome: its `status`, and `output` or `error_message` once there is one; who makes this
            brings it up to date.
        why: why it is not reported.
    """

    def __init__(self, reported: Run, outcome: dict[str, Any], why: str) -> None:
        self._outcome = outcome
        self._why = f"Run {reported.external_run_id} was not reported: {why}."
        super().__init__(_Nowhere(self._why), reported=reported)

    @property
    def run_id(self) -> None:
        """None: no service knows it."""
        return

    @property
    def latest(self) -> dict[str, Any]:
        """What is known of it here."""
        return self._outcome

    @property
    def status(self) -> str:
        """`running`, or how its code ended."""
        return str(self._outcome["status"])

    def follow(self) -> Self:
        """Return the handle: there is nothing to follow."""
        return self

    def stop(self) -> StopOutcome:
        """Check whether its code has ended; it can be stopped in its own cell only."""
        ended = self.status in RUN_ENDED
        return StopOutcome.ALREADY_FINISHED if ended else StopOutcome.UNCONFIRMED

    def known_id(self) -> NoReturn:
        """Raise: no service knows it.

        Raises:
            RunUnknownError: always.
        """
        raise RunUnknownError(self._why)

    def __repr__(self) -> str:
        return f"<LiveRun {self.id} {self.status}, not reported>"

    def _row(self) -> dict[str, Any]:
        return self._outcome


class _Nowhere(AgentOSConnection):
    """Stands where the connection of a run would be, and says that there is none."""

    def __init__(self, why: str) -> None:
        super().__init__("", "", {})
        self._why = why

    def ensure(self) -> NoReturn:
        """Raise `RunUnknownError`."""
        raise RunUnknownError(self._why)

    def _make_client(self) -> AgentOS:
        self.ensure()

    def _make_async_client(self) -> AsyncAgentOS:
        self.ensure()
