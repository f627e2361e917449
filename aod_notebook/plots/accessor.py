"""`df.aod`: the figures that a frame can be drawn as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from aod_notebook.plots.batch import overview
from aod_notebook.plots.calls import tools
from aod_notebook.plots.latency import latency
from aod_notebook.plots.session import timeline
from aod_notebook.plots.spans import waterfall
from aod_notebook.plots.usage import cost, tokens

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@pd.api.extensions.register_dataframe_accessor("aod")
class FrameFigures:
    """The figures of a frame: `df.aod.timeline()` is `aod_notebook.plots.timeline(df)`.

    The options are those of the functions; all take `ax=` and `theme=`, and return the Axes.

    Raises:
        PlotError: the frame has not the columns that the figure is made of.
        MissingMatplotlibError: matplotlib is not installed.

    Example:
        >>> from aod_notebook import frames
        >>> ax = frames.tool_calls_from_events(b"").aod.tools()
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def timeline(self, **options: Any) -> Axes:
        """Draw `timeline` of a tool_calls or events frame of one session."""
        return timeline(self._frame, **options)

    def waterfall(self, **options: Any) -> Axes:
        """Draw `waterfall` of a spans or run_events frame of one run."""
        return waterfall(self._frame, **options)

    def tokens(self, **options: Any) -> Axes:
        """Draw `tokens` of a frame of messages, results, model_usage, turns, events or runs."""
        return tokens(self._frame, **options)

    def cost(self, **options: Any) -> Axes:
        """Draw `cost` of a frame of results, model_usage, turns, events or runs."""
        return cost(self._frame, **options)

    def tools(self, **options: Any) -> Axes:
        """Draw `tools` of a frame of tool_calls, events, spans or run_events."""
        return tools(self._frame, **options)

    def latency(self, **options: Any) -> Axes:
        """Draw `latency` of a frame of tool_calls, turns, spans, run_events, sessions or runs."""
        return latency(self._frame, **options)

    def overview(self, **options: Any) -> Axes:
        """Draw `overview` of a frame of sessions or runs."""
        return overview(self._frame, **options)
