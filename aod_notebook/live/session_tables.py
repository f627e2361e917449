"""What a followed session said, as words, counts and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from aod_notebook.live.handle import Handle

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from aod_notebook.aod import Client, StreamEvent  # noqa: F401 - the base class is told them
    from aod_notebook.plots import Theme

__all__ = ["SessionTables"]


class SessionTables(Handle["StreamEvent", "Client"]):
    """The part of a `LiveSession` that is read from its events."""

    _FILES = ("turns", "events", "messages", "tool_calls")

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
        """What the session cost so far in USD, as its runtime told; None if it told nothing."""
        costs = self.results["cost_usd"].dropna()
        return float(costs.sum()) if len(costs) else None

    @property
    def usage(self) -> dict[str, int]:
        """Tokens so far, as the runtime told them; a count that it did not tell is left out."""
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
        """One row per turn whose agent reported a result (`frames.results_df`)."""
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

    def _frame(self, name: str) -> pd.DataFrame:
        from aod_notebook import frames

        table: pd.DataFrame = getattr(frames, f"{name}_df")(self)
        return table
