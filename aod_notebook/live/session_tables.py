"""What a followed session said, as words, counts and tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes

    from aod_notebook.aod import Client, StreamEvent
    from aod_notebook.plots import Theme

__all__ = ["SessionTables"]


class SessionTables:
    """The part of a `LiveSession` that is read from its events."""

    if TYPE_CHECKING:
        id: str
        runtime: str | None

        @property
        def client(self) -> Client:
            """The client of the session's service."""

        @property
        def is_final(self) -> bool:
            """Whether the turn has ended."""

        @property
        def title(self) -> str:
            """What heads the transcript."""

        def received(self) -> Sequence[tuple[StreamEvent, float]]:
            """The events so far; `LiveSession` has them."""

    @property
    def text(self) -> str:
        """The agent's own words so far (for a shell, what it printed), turn after turn."""
        messages = self.messages
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
        from aod_notebook import frames

        return frames.turns_df(self)

    @property
    def events(self) -> pd.DataFrame:
        """One row per event received so far (`frames.events_df`)."""
        from aod_notebook import frames

        return frames.events_df(self)

    @property
    def messages(self) -> pd.DataFrame:
        """One row per content block of the transcript so far (`frames.messages_df`)."""
        from aod_notebook import frames

        return frames.messages_df(self)

    @property
    def tool_calls(self) -> pd.DataFrame:
        """One row per tool call so far (`frames.tool_calls_df`)."""
        from aod_notebook import frames

        return frames.tool_calls_df(self)

    @property
    def results(self) -> pd.DataFrame:
        """One row per turn whose agent reported a result (`frames.results_df`)."""
        from aod_notebook import frames

        return frames.results_df(self)

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

    def to_parquet(self, folder: str | Path) -> Path:
        """Write the session's tables as Parquet files into `folder/ID`, which is made; give it.

        The files are `turns`, `events`, `messages` and `tool_calls`; what was there is replaced.

        Raises:
            OSError: the folder can't be written.
            AodError: the service does not tell the turns.

        Example:
            >>> from aod_notebook import frames
            >>> from aod_notebook.live import SessionRequest, start
            >>> session = start(SessionRequest(prompt="echo hello", runtime="shell")).wait()
            >>> folder = session.to_parquet("results")
            >>> frames.read_parquet(folder / "messages.parquet")["text"].tolist()
            ['hello']
        """
        from aod_notebook import frames

        target = Path(folder).expanduser() / self.id
        target.mkdir(parents=True, exist_ok=True)
        for name in ("turns", "events", "messages", "tool_calls"):
            frames.to_parquet(getattr(self, name), target / f"{name}.parquet")
        return target

    def to_html(self) -> str:
        """Give the transcript as one piece of static HTML, without scripts."""
        from aod_notebook.viewers.static import render_html

        return render_html([event for event, _ in self.received()], self.title, self.runtime)
