"""Figures of sessions and runs, with the DataFrames that they draw; and `df.aod`."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from aod_notebook.plots._draw import MissingMatplotlibError, PlotError
from aod_notebook.plots._look import Theme, use_theme
from aod_notebook.plots.accessor import FrameFigures
from aod_notebook.plots.batch import overview, overview_df
from aod_notebook.plots.calls import tools, tools_df
from aod_notebook.plots.latency import latency, latency_df
from aod_notebook.plots.month import month, month_df
from aod_notebook.plots.session import timeline, timeline_df
from aod_notebook.plots.spans import waterfall, waterfall_df
from aod_notebook.plots.usage import cost, cost_df, tokens, tokens_df

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "SESSION_FIGURES",
    "FrameFigures",
    "MissingMatplotlibError",
    "PlotError",
    "Theme",
    "cost",
    "cost_df",
    "latency",
    "latency_df",
    "month",
    "month_df",
    "overview",
    "overview_df",
    "timeline",
    "timeline_df",
    "tokens",
    "tokens_df",
    "tools",
    "tools_df",
    "use_theme",
    "waterfall",
    "waterfall_df",
]

SESSION_FIGURES: Final[Mapping[str, Callable[..., "Axes"]]] = {
    "timeline": timeline,
    "tokens": tokens,
    "cost": cost,
    "tools": tools,
    "latency": latency,
}
"""The figures of one session, by name."""
