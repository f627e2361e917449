"""What a run gave and did, as words, counts and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aod_notebook.contract import RUN_ENDED, TOKEN_FIELDS
from aod_notebook.core.text import failure_text
from aod_notebook.live.handle import Handle
from aod_notebook.live.run_errors import RunUnknownError
from aod_notebook.live.run_events import RunEvent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from aod_notebook.agentos import AgentOS  # noqa: F401 - the base class is told it
    from aod_notebook.live.run_follow import RunFollower
    from aod_notebook.plots import Theme

__all__ = ["RunTables"]


class RunTables(Handle[RunEvent, "AgentOS"]):
    """The part of a `LiveRun` that is read from its events and its record."""

    _follower: RunFollower
    _ended: dict[str, Any] | None = None
    """The run as the service showed it after its end, if nobody followed it."""
    _FILES = ("runs", "run_events", "spans", "tasks")

    @property
    def run_id(self) -> str | None:
        """The run's id on the service; None as long as it has told none."""
        return self._follower.run_id

    @property
    def latest(self) -> dict[str, Any] | None:
        """The run as the service showed it last; None before that."""
        return self._follower.latest

    @property
    def output(self) -> Any:
        """What it gave as its output; None as long as it gave none."""
        return self._row().get("output")

    @property
    def error(self) -> str | None:
        """Why it failed, in the words of who reported it; None if it did not."""
        return failure_text(self._row()) or None

    @property
    def text(self) -> str:
        """The agent's own words so far."""
        pieces: list[str] = []
        was_chunk = False
        for event, _ in self.received():
            is_chunk = event.type == "chunk"
            said = event.extra if is_chunk else event.extra.get("payload")
            if is_chunk and was_chunk:
                pieces[-1] += str(event.extra.get("text") or "")
            elif (is_chunk or event.type == "agent.message") and isinstance(said, dict):
                pieces.append(str(said.get("text") or ""))
            was_chunk = is_chunk
        return "\n".join(pieces)

    @property
    def usage(self) -> dict[str, int]:
        """Tokens of the whole run as the service counts them; a count it lacks is left out."""
        row = self._row()
        return {name: int(row[name]) for name in TOKEN_FIELDS if isinstance(row.get(name), int)}

    @property
    def cost(self) -> float | None:
        """What the run cost in USD, as far as the service tells."""
        cost = self._row().get("cost_usd")
        return float(cost) if isinstance(cost, (int, float)) else None

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

    def _row(self) -> dict[str, Any]:
        """The run as last shown; one that is not followed is asked for, until it has ended."""
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

    def known_id(self) -> str:
        """Return the run's id on the service.

        Raises:
            RunUnknownError: the service has told none.
        """
        if self.run_id is None:
            raise RunUnknownError(
                f"The service does not know run {self.id} yet; %agentos outbox shows what waits "
                "to be sent."
            )
        return self.run_id

    def _frame(self, name: str) -> pd.DataFrame:
        from aod_notebook import frames

        table: pd.DataFrame = getattr(frames, f"{name}_df")(self.known_id(), client=self.client)
        return table
