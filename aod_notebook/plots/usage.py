"""Tokens and cost over time: of a session message by message, of many turn by turn, of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from aod_notebook.core.text import counted
from aod_notebook.plots._draw import Canvas, Start
from aod_notebook.plots._given import epoch_seconds
from aod_notebook.plots._points import TOKENS, points
from aod_notebook.plots._sessions import first_prompts, named, owners
from aod_notebook.plots._text import PLAIN, count, dollars, time_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from aod_notebook.plots._look import Theme

_KINDS: Final = dict(zip(TOKENS, ("cache read", "cache written", "input", "output"), strict=True))
_KEYS = ("id", "turn", "at", "step")
_HEIGHT_IN = 3.4
_MARKERS = ("o", "s", "^", "D")
_MOST_MARKERS = 40
_LONGEST_ELAPSED_S = 3 * 3600
"""Up to so long, time is counted from the first point; beyond, there are dates."""
_MOST_NAMES = 8
"""More sessions than these are not named at their steps."""
_LEAST_GAP = 0.075
"""Between two names at lines' ends, as part of the axis."""


def tokens_df(source: Any = None, *, client: Any = None) -> pd.DataFrame:
    """One row per kind of token at each point of `tokens`, with the sum so far.

    Args:
        source: a followed session, or an id or object of one: its messages, as far as its
            runtime counts them, else its turns. Several sessions, a client or None: their
            turns. An `AgentOS` client: its runs. Or a frame of messages, results, model_usage,
            events, runs, or of turns with `results=True`.
        client: the client to ask; by default the current connection's.

    Returns:
        `id` (of the session or run), `turn`, `at` (UTC; missing if no time is known), `step`
        (position, from 1), `kind` (cache read, cache written, input, output), `tokens` and
        `total`. The kinds share no token: what came out of the cache is not input, and output
        includes reasoning. What a runtime does not report has no row.

    Raises:
        PlotError: the frame has no tokens.
        AodError: not one of the sessions could be read.

    Example:
        >>> from aod_notebook import frames, plots
        >>> list(plots.tokens_df(frames.decode_events(b"")).columns)
        ['id', 'turn', 'at', 'step', 'kind', 'tokens', 'total']
    """
    counted = points(source, client, per_message=True)
    long = counted.melt(list(_KEYS), list(TOKENS), "kind", "tokens").dropna(subset="tokens")
    long["kind"] = pd.Categorical(long["kind"].map(_KINDS), list(_KINDS.values()))
    long = long.sort_values(["step", "kind"]).reset_index(drop=True)
    long = long.assign(total=long.groupby("kind", observed=True)["tokens"].cumsum())
    long.attrs = counted.attrs
    return long


def cost_df(source: Any = None, *, client: Any = None) -> pd.DataFrame:
    """One row per turn or run in order of time, with its cost and the cost so far.

    Args:
        source: a followed session, an id or object of one, several of these, a client, or None
            for all sessions; an `AgentOS` client for its runs; or a frame of results,
            model_usage, events, runs, or of turns with `results=True`.
        client: the client to ask; by default the current connection's.

    Returns:
        `id` (of the session or run), `turn`, `at` (UTC; missing if no time is known), `step`
        (position, from 1), `cost_usd` (missing where the runtime reports none), `total_usd`.

    Raises:
        PlotError: the frame has no cost.
        AodError: not one of the sessions could be read.

    Example:
        >>> from aod_notebook import frames, plots
        >>> list(plots.cost_df(frames.decode_events(b"")).columns)
        ['id', 'turn', 'at', 'step', 'cost_usd', 'total_usd']
    """
    costs = points(source, client, per_message=False)[[*_KEYS, "cost_usd"]]
    return costs.assign(total_usd=costs["cost_usd"].fillna(0).cumsum())


def tokens(
    source: Any = None, *, client: Any = None, ax: Axes | None = None, theme: Theme = "auto"
) -> Axes:
    """Draw the tokens used so far, a line per kind, on a logarithmic axis.

    Args:
        source: what `tokens_df` takes.
        client: the client to ask; by default the current connection's.
        ax: the Axes to draw on; None makes a figure.
        theme: "light", "dark", or "auto" for what the background asks for.

    Raises:
        PlotError: the frame has no tokens.
        AodError: not one of the sessions could be read.
        MissingMatplotlibError: matplotlib is not installed.

    Example:
        >>> from aod_notebook import frames, plots
        >>> ax = plots.tokens(frames.decode_events(b""))
    """
    start = Start(ax, theme)
    drawn = tokens_df(source, client=client)
    canvas = start.canvas(_HEIGHT_IN)
    if not (drawn["total"] > 0).any():
        return canvas.nothing("no tokens were counted")
    from matplotlib.ticker import LogLocator, NullLocator

    x = _time_axis(canvas, drawn)
    is_drawn = (drawn["total"] > 0).to_numpy(bool)  # 0 has no place on a logarithmic axis
    low, high = drawn["total"][is_drawn].min(), drawn["total"].max()
    canvas.ax.set_yscale("log")
    canvas.ax.set_ylim(low / 1.6, high * 1.6)
    canvas.ax.yaxis.set_major_locator(LogLocator(subs=(1,) if high > 50 * low else (1, 2, 5)))
    canvas.ax.yaxis.set_minor_locator(NullLocator())
    canvas.ax.yaxis.set_major_formatter(lambda value, _: count(value))
    names = []
    for place, kind in enumerate(_KINDS.values()):
        of_kind = is_drawn & drawn["kind"].eq(kind).to_numpy(bool)
        if of_kind.any():
            totals = drawn["total"][of_kind]
            _line(canvas, x[of_kind], totals, place)
            names.append((int(totals.iloc[-1]), f"{kind} {count(totals.iloc[-1])}", place))
    _name_lines(canvas, names)
    canvas.axis_label("y", "tokens so far")
    canvas.title("Tokens", *_facts(drawn, first_prompts(source, _ids(drawn), client)))
    return canvas.ax


def cost(
    source: Any = None, *, client: Any = None, ax: Axes | None = None, theme: Theme = "auto"
) -> Axes:
    """Draw the cost so far, a step per turn or run.

    Args:
        source: what `cost_df` takes.
        client: the client to ask; by default the current connection's.
        ax: the Axes to draw on; None makes a figure.
        theme: "light", "dark", or "auto" for what the background asks for.

    Raises:
        PlotError: the frame has no cost.
        AodError: not one of the sessions could be read.
        MissingMatplotlibError: matplotlib is not installed.

    Example:
        >>> from aod_notebook import frames, plots
        >>> ax = plots.cost(frames.decode_events(b""))
    """
    start = Start(ax, theme)
    every = cost_df(source, client=client)
    drawn = every[every["cost_usd"].notna()]
    canvas = start.canvas(_HEIGHT_IN)
    if drawn.empty:
        return canvas.nothing("no cost was reported" if len(every) else "nothing was run yet")
    from matplotlib.ticker import MaxNLocator

    x, totals = _time_axis(canvas, drawn), drawn["total_usd"].to_numpy(float)
    _line(canvas, x, totals, 0, drawstyle="steps-post")
    canvas.ax.fill_between(x, totals, step="post", color=canvas.look.lines[0], alpha=0.12, lw=0)
    canvas.ax.set_ylim(0, totals[-1] * 1.15 or 1)
    canvas.ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    canvas.ax.yaxis.set_major_formatter(lambda value, _: dollars(value))
    canvas.beside(x[-1], totals[-1], dollars(totals[-1]))
    canvas.axis_label("y", "cost so far, USD")
    prompts = first_prompts(source, _ids(drawn), client)
    canvas.title("Cost", *_facts(drawn, prompts))
    _name_steps(canvas, x, totals, drawn["id"], prompts)
    untold = len(every) - len(drawn)
    what = counted(untold, str(every.attrs["point"]))
    canvas.note(f"{what} without a cost" if untold else "")
    return canvas.ax


def _time_axis(canvas: Canvas, drawn: pd.DataFrame) -> NDArray[Any]:
    """Prepare the x axis, and give the rows' places on it."""
    canvas.grid("both")
    canvas.ax.margins(x=0.02)
    at = epoch_seconds(drawn["at"], len(drawn))
    if np.isnan(at).any():
        canvas.axis_label(
            "x",
            f"{drawn.attrs['point']} (its events carry no times; live.attach(id) has those of arrival)",
        )
        canvas.integers("x")
        return drawn["step"].to_numpy(float)
    span = float(at.max() - at.min())
    if span <= _LONGEST_ELAPSED_S:
        size, unit = time_unit(span or 1)
        first = drawn["at"].min()
        if not span:
            canvas.ax.set_xticks([0])
        canvas.axis_label("x", f"{unit} since {first:%Y-%m-%d %H:%M:%S} UTC")
        return np.asarray((at - at.min()) / size)
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

    locator = AutoDateLocator()
    canvas.ax.xaxis.set_major_locator(locator)
    canvas.ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    canvas.ax.xaxis.get_offset_text().set(color=canvas.look.quiet, fontsize="small")
    canvas.axis_label("x", "UTC")
    return np.asarray(date2num(at.astype("datetime64[s]")))


def _line(canvas: Canvas, x: Any, y: Any, place: int, **how: Any) -> None:
    marked = np.unique(np.linspace(0, len(x) - 1, min(len(x), _MOST_MARKERS)).astype(int))
    canvas.ax.plot(
        x, np.asarray(y, float), color=canvas.look.lines[place], linewidth=1.6,
        marker=_MARKERS[place], markersize=4, markevery=marked.tolist(), **how,
    )  # fmt: skip


def _name_lines(canvas: Canvas, names: list[tuple[int, str, int]]) -> None:
    """Name the lines to the right of the Axes at the height of their ends, but not too close."""
    low, high = np.log(canvas.ax.get_ylim())
    below = -1.0
    for total, name, place in sorted(names):
        below = max(below + _LEAST_GAP, float((np.log(total) - low) / (high - low)))
        look, axes = canvas.look, canvas.ax.transAxes
        canvas.ax.plot(
            1.02, below, marker=_MARKERS[place], markersize=5, color=look.lines[place],
            transform=axes, clip_on=False,
        )  # fmt: skip
        canvas.ax.text(
            1.035, below, name, transform=axes, va="center_baseline", color=look.text,
            fontsize="small", **PLAIN,
        )  # fmt: skip


def _ids(drawn: pd.DataFrame) -> list[str]:
    return [str(each) for each in drawn["id"].dropna().unique()]


def _name_steps(
    canvas: Canvas, x: Any, totals: Any, ids: pd.Series[Any], prompts: dict[str, str]
) -> None:
    """Name each of a few sessions at its last step, above the line."""
    last = {str(key): place for place, key in enumerate(ids) if isinstance(key, str)}
    if not 1 < len(last) <= _MOST_NAMES:
        return
    for key, place in last.items():
        canvas.ax.annotate(
            named(key, prompts.get(key), 24), (x[place], totals[place]), (0, 6),
            textcoords="offset points", ha="right", color=canvas.look.quiet, fontsize="small",
            annotation_clip=False, **PLAIN,
        )  # fmt: skip


def _facts(drawn: pd.DataFrame, prompts: dict[str, str]) -> list[str]:
    """Return the sessions that the points belong to, and the number of points."""
    owner, point = drawn.attrs["owner"], drawn.attrs["point"]
    of = owners(_ids(drawn), owner, prompts)
    return [of, counted(drawn["step"].nunique(), point) if point != owner else ""]
