"""What all figures share: the Axes with its look, bars, labelled rows, notes, the empty figure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.frames.checks import FrameError, at_least, shown
from aod_notebook.plots._look import DARK, LIGHT, page_theme
from aod_notebook.plots._text import PLAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from numpy.typing import ArrayLike

    from aod_notebook.plots._look import Fill, Look, Theme

WIDTH_IN = 9.0
ROW_IN = 0.235
"""Height of a labelled row."""
FRAME_IN = 1.1
"""Height of what is above and below the rows."""
_DARK_BELOW = 0.4
_POINTS = 72
_GAP_POINTS = 6
"""Between a row's label and the Axes."""
_THINNEST = 0.0025
"""Width of the smallest bar, as part of the whole: so that it is seen."""
_CHAR_EM = 0.62
"""Mean width of a character, as part of the font's size."""


class PlotError(FrameError):
    """What was given can not be drawn by this function.

    Fix: Pass a session, an id or a frame with the columns that the message names.
    """


class MissingMatplotlibError(AodNotebookError, ImportError):
    """The extra `viz` is not installed.

    Fix: Run `pip install 'aod-notebook[viz]'`.
    """


def pyplot() -> Any:
    """Import matplotlib.

    Raises:
        MissingMatplotlibError: it is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingMatplotlibError(
            "Figures need matplotlib: pip install 'aod-notebook[viz]'"
        ) from error
    return plt


class Start:
    """The beginning of a figure: made before anything is asked for, so that refusals come first.

    Args:
        ax: the Axes to draw on; None makes one.
        theme: "light", "dark" or "auto".

    Raises:
        MissingMatplotlibError: matplotlib is not installed.
        PlotError: `ax` is not an Axes, or there is no such theme.
    """

    def __init__(self, ax: Any, theme: Any) -> None:
        pyplot()
        from matplotlib.axes import Axes

        if ax is not None and not isinstance(ax, Axes):
            raise PlotError(f"ax must be one matplotlib Axes, such as plt.gca(), not {shown(ax)}")
        if theme not in ("auto", "light", "dark"):
            raise PlotError(f"There is no theme {shown(theme)}: use 'auto', 'light' or 'dark'")
        self.ax: Axes | None = ax
        self.theme: Theme = theme

    def most_rows(self, limit: int | None, default: int) -> int:
        """Return how many rows may be drawn: so many, what the Axes has room for, or the default.

        Raises:
            PlotError: the limit is below 1.
        """
        if limit is not None:
            at_least("limit", limit, 1, PlotError)
            return limit
        if self.ax is None:
            return default
        height = self.ax.get_window_extent().height / self.ax.figure.dpi
        return max(4, int(height / ROW_IN))

    def of_rows(self, count: float) -> Canvas:
        """Return what to draw so many labelled rows on."""
        return self.canvas(FRAME_IN + ROW_IN * count)

    def canvas(self, height: float) -> Canvas:
        """Return what to draw on, `height` inches high if it is a figure of its own."""
        return Canvas(self.ax, self.theme, height)


class Canvas:
    """An Axes in the look of its theme, with the means to draw on it.

    Args:
        ax: the Axes to draw on; None makes a figure.
        theme: `light`, `dark`, or `auto` for what the background asks for.
        height: inches of the figure that is made.
    """

    def __init__(self, ax: Axes | None, theme: Theme, height: float) -> None:
        if ax is None:
            theme = page_theme() if theme == "auto" and _is_plain() else theme
            ax = pyplot().subplots(figsize=(WIDTH_IN, height), layout="constrained")[1]
        self.ax = ax
        self.look = self._look(theme)
        if theme != "auto":
            ax.set_facecolor(self.look.ground)
            ax.figure.set_facecolor(self.look.ground)
        self._dress()

    def _look(self, theme: Theme) -> Look:
        from matplotlib.colors import to_hex, to_rgba

        if theme != "auto":
            return DARK if theme == "dark" else LIGHT
        behind = [to_rgba(self.ax.get_facecolor()), to_rgba(self.ax.figure.get_facecolor())]
        ground = next((colour for colour in behind if colour[3]), (1.0, 1.0, 1.0, 1.0))
        red, green, blue, _ = ground
        is_dark = 0.3 * red + 0.59 * green + 0.11 * blue < _DARK_BELOW
        return replace(DARK if is_dark else LIGHT, ground=to_hex(ground))

    def _dress(self) -> None:
        ax, look = self.ax, self.look
        ax.spines[:].set_visible(False)
        ax.grid(visible=False)
        ax.set_axisbelow(True)
        ax.tick_params(
            which="both", length=0, colors=look.quiet, labelcolor=look.quiet, labelsize="small"
        )

    # -- axes -----------------------------------------------------------------------------------

    def title(self, *parts: str) -> None:
        """Write above the Axes what is drawn; the last parts only if there is room."""
        kept = [part for part in parts if part]
        while len(kept) > 1 and _inches(" · ".join(kept), "medium") > self._width():
            kept.pop()
        text = " · ".join(kept)
        self.ax.set_title(
            text, loc="left", color=self.look.text, fontsize="medium", fontweight="bold", **PLAIN
        )

    def grid(self, axis: Literal["both", "x", "y"]) -> None:
        """Draw the grid lines that cross an axis."""
        self.ax.grid(visible=True, axis=axis, color=self.look.grid, linewidth=0.8)

    def axis_label(self, axis: Literal["x", "y"], text: str) -> None:
        """Describe what an axis measures, with its unit."""
        self._axis(axis).set_label_text(text, color=self.look.quiet, fontsize="small", **PLAIN)

    def integers(self, axis: Literal["x", "y"], most: int = 9) -> None:
        """Let an axis have ticks at whole numbers only."""
        from matplotlib.ticker import MaxNLocator

        self._axis(axis).set_major_locator(MaxNLocator(most, integer=True))

    def _axis(self, axis: Literal["x", "y"]) -> Axis:
        return self.ax.xaxis if axis == "x" else self.ax.yaxis

    def rows(self, labels: Sequence[str]) -> None:
        """Label rows 0, 1, …, from the top down; the labels begin below one another."""
        self.label_rows(range(len(labels)), labels)
        self.ax.set_ylim(len(labels) - 0.4, -0.6)

    def label_rows(self, places: Sequence[float], labels: Sequence[str]) -> None:
        """Label some places of the y axis."""
        ax = self.ax
        ax.set_yticks(places, labels, ha="left", **PLAIN)
        widest = max((label.get_window_extent().width for label in ax.get_yticklabels()), default=0)
        pad = widest * _POINTS / ax.figure.dpi + _GAP_POINTS
        ax.tick_params(axis="y", labelcolor=self.look.text, pad=pad)

    def nothing(self, why: str) -> Axes:
        """Leave an Axes that says calmly why it is empty."""
        self.ax.set_xticks([])
        self.ax.set_yticks([])
        self.ax.text(
            0.5, 0.5, f"Nothing to show: {why}", transform=self.ax.transAxes, ha="center",
            va="center", color=self.look.quiet, **PLAIN,
        )  # fmt: skip
        return self.ax

    # -- marks ----------------------------------------------------------------------------------

    def bars(
        self,
        rows: ArrayLike,
        starts: ArrayLike,
        ends: ArrayLike,
        fill: Fill,
        *,
        height: float = 0.6,
        is_crowd: bool = False,
        is_parted: bool = False,
    ) -> None:
        """Draw horizontal bars; with the x limits set, even the shortest can be seen.

        In a crowd they are too thin for hatches and outlines; parted ones that touch have a
        gap between them.
        """
        from matplotlib.collections import PolyCollection

        left, right, middle = np.broadcast_arrays(
            np.asarray(starts, float), np.asarray(ends, float), np.asarray(rows, float)
        )
        low, high = self.ax.get_xlim()
        right = np.maximum(right, left + (high - low) * _THINNEST)
        top, bottom = middle - height / 2, middle + height / 2
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        shapes: Any = np.stack([np.stack(corner, axis=-1) for corner in corners], axis=1)
        how: dict[str, Any] = {"facecolors": fill.colour, "linewidths": 0}
        if fill.is_hollow and not is_crowd:
            how = {"facecolors": "none", "edgecolors": fill.colour, "linewidths": 1}
            how["linestyles"] = "dashed"
        elif not is_crowd and (fill.hatch or is_parted):
            how |= {"hatch": fill.hatch, "edgecolors": self.look.ground, "linewidths": 0.8}
        self.ax.add_collection(PolyCollection(shapes, **how), autolim=False)

    def beside(
        self,
        x: float,
        row: float,
        text: str,
        *,
        is_bad: bool = False,
        is_left: bool = False,
        behind: str | None = None,
    ) -> None:
        """Write a small text to the right (or left) of a point, as of a bar's end, before any line."""
        from matplotlib.patheffects import withStroke

        # where the Axes has a ground of its own, half of the text may stand beside it
        is_alone = self.ax.get_facecolor() == self.ax.figure.get_facecolor()
        halo = withStroke(linewidth=2.5, foreground=behind or self.look.ground)
        self.ax.annotate(
            text, (x, row), (-4 if is_left else 4, 0), textcoords="offset points",
            ha="right" if is_left else "left", va="center_baseline",
            color=self.look.bad_text if is_bad else self.look.quiet, fontsize="small",
            path_effects=[halo] if is_alone else None,
            annotation_clip=False, **PLAIN,
        )  # fmt: skip

    def inside(self, x: float, row: float, text: str) -> None:
        """Write a small text into a bar that starts at a point."""
        self.ax.annotate(
            text, (x, row), (4, 0), textcoords="offset points", va="center_baseline",
            color=self.look.text, fontsize="small", **PLAIN,
        )  # fmt: skip

    def note(self, text: str) -> None:
        """Write above the Axes, to the right, what is not shown."""
        self.ax.set_title(
            text, loc="right", color=self.look.quiet, fontsize="small", style="italic", **PLAIN
        )

    def fits(self, text: str, width: float) -> bool:
        """Whether a small text has room in so much of the x axis."""
        low, high = self.ax.get_xlim()
        return _inches(text, "small") < self._width() * width / (high - low)

    def _width(self) -> float:
        return float(self.ax.get_window_extent().width / self.ax.figure.dpi)


def _is_plain() -> bool:
    """Check that matplotlib has no style with a ground of its own."""
    from matplotlib import rcParams, rcParamsDefault

    return bool(rcParams["figure.facecolor"] == rcParamsDefault["figure.facecolor"])


def _inches(text: str, size: str) -> float:
    """Guess how wide a text is."""
    from matplotlib.font_manager import FontProperties

    return len(text) * FontProperties(size=size).get_size_in_points() * _CHAR_EM / _POINTS
