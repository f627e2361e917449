"""A month of imported sessions in one picture."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from aod_notebook.core.text import counted
from aod_notebook.core.words import duration
from aod_notebook.frames.logs.spending import spending_of, tables_of
from aod_notebook.plots._draw import Canvas, PlotError, Start, pyplot
from aod_notebook.plots._text import dollars, shown
from aod_notebook.transcripts.files import touched

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    from aod_notebook.plots._look import Theme

_DAYS: Final = 30
_BARS: Final = 6
"""Bars of one panel: what comes after them is rarely of interest."""
_FEW_DAYS: Final = 8
"""Up to so many, each day has its tick; a locator would put hours between them."""
_LABEL_CHARS: Final = 24
_SIZE_IN: Final = (11.0, 9.0)
_OTHERS: Final = "others"
_PANELS: Final = (
    ("cost", "cost"),
    ("hours", "projects"),
    ("tools", "files"),
    ("longest", "longest"),
)


def month_df(source: Any = None, *, days: int = _DAYS) -> pd.DataFrame:
    """One row per day and model, with what it cost.

    Args:
        source: a store or its folder, or the path of logs such as `~/.claude`; None for the
            store that `frames.import_logs` fills by default.
        days: how many days up to the last one with a session.

    Returns:
        The columns of `frames.spending_df(by=["day", "model"])`.

    Raises:
        PlotError: `days` is not a whole number from 1 on.
        FrameError: the source is of no use.

    Example:
        >>> plots.month_df("~/.claude", days=7)  # doctest: +SKIP
    """
    return spending_of(_last(tables_of(source), days), ["day", "model"])


def month(source: Any = None, *, days: int = _DAYS, theme: Theme = "auto") -> Figure:
    """Draw the last month of imported sessions.

    The cost by day and model; the hours of the day at which turns began (UTC); the projects that
    cost most; the tools that fail most; the files that are read most often; the longest sessions.

    Args:
        source: what `month_df` takes.
        days: how many days up to the last one with a session.
        theme: "light", "dark", or "auto" for what the background asks for.

    Raises:
        PlotError: `days` is not a whole number from 1 on.
        FrameError: the source is of no use.
        MissingMatplotlibError: matplotlib is not installed.

    Example:
        >>> plots.month(frames.import_logs())  # doctest: +SKIP
    """
    Start(None, theme)
    tables = _last(tables_of(source), days)
    figure: Figure = pyplot().figure(figsize=_SIZE_IN, layout="constrained")
    axes: dict[str, Any] = figure.subplot_mosaic([list(row) for row in _PANELS])
    for name, draw in _DRAWN.items():
        draw(Canvas(axes[name], theme, 0), tables)
    pyplot().close(figure)  # it is returned: shown once, by the cell
    return figure


def _last(tables: dict[str, pd.DataFrame], days: int) -> dict[str, pd.DataFrame]:
    """Keep what happened in the last days of the sessions."""
    if days < 1 or days != int(days):
        raise PlotError(f"days={days!r} is not a whole number from 1 on.")
    turns = tables["turns"]
    newest = turns["started_at"].max()
    if pd.isna(newest):
        return tables
    start = newest.floor("D") - pd.Timedelta(days=int(days) - 1)
    kept = turns[turns["started_at"] >= start]
    keys = kept[["session_id", "turn"]].drop_duplicates()
    made = {"turns": kept}
    for name in ("tool_calls", "model_usage"):
        made[name] = tables[name].merge(keys, on=["session_id", "turn"])
    sessions = tables["sessions"]
    made["sessions"] = sessions[sessions["session_id"].isin(keys["session_id"])]
    return made


def _cost(canvas: Canvas, tables: dict[str, pd.DataFrame]) -> None:
    spent = spending_of(tables, ["day", "model"]).dropna(subset=["day", "cost_usd"])
    if spent.empty:
        canvas.nothing("no cost is known")
        return
    totals = spent.groupby("model")["cost_usd"].sum().sort_values(ascending=False)
    names = list(totals.index[: len(canvas.look.lines) - 1])
    spent["model"] = spent["model"].where(spent["model"].isin(names), _OTHERS)
    table = spent.pivot_table(index="day", columns="model", values="cost_usd", aggfunc="sum")
    table = table.asfreq("D").fillna(0.0)
    below = np.zeros(len(table))
    for place, name in enumerate([*names, _OTHERS]):
        if name in table:
            heights = table[name].to_numpy(float)
            colour = canvas.look.lines[place]
            canvas.ax.bar(table.index, heights, bottom=below, color=colour, label=shown(name, 40))
            below = below + heights
    canvas.grid("y")
    canvas.ax.yaxis.set_major_formatter(lambda value, _: dollars(value))
    _dates(canvas, table.index)
    canvas.ax.legend(
        frameon=False, labelcolor=canvas.look.text, fontsize="small", ncols=4,
        loc="lower right", bbox_to_anchor=(1.0, 1.0),
    )  # fmt: skip
    sessions = counted(tables["sessions"]["session_id"].nunique(), "session")
    canvas.title("Cost by day", dollars(float(below.sum())), sessions)
    missing = int(spending_of(tables, ["model"])["unpriced_count"].sum())
    canvas.note(f"{counted(missing, 'turn')} without a cost" if missing else "")


def _dates(canvas: Canvas, days: pd.Index[Any]) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    if len(days) <= _FEW_DAYS:
        canvas.ax.set_xticks(days, [f"{day:%b %d}" for day in days])
        return
    locator = AutoDateLocator()
    canvas.ax.xaxis.set_major_locator(locator)
    canvas.ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _hours(canvas: Canvas, tables: dict[str, pd.DataFrame]) -> None:
    hours = tables["turns"]["started_at"].dropna().dt.hour
    if hours.empty:
        canvas.nothing("no times are known")
        return
    counts = hours.value_counts().reindex(range(24), fill_value=0)
    canvas.ax.bar(counts.index, counts.to_numpy(), color=canvas.look.call.colour)
    canvas.ax.set_xticks(range(0, 24, 6))
    canvas.integers("y", 5)
    canvas.grid("y")
    canvas.axis_label("x", "hour, UTC")
    canvas.title("Turns by hour", counted(len(hours), "turn"))


def _projects(canvas: Canvas, tables: dict[str, pd.DataFrame]) -> None:
    spent = spending_of(tables, ["project"]).dropna(subset=["project", "cost_usd"])
    costs = spent.set_index("project")["cost_usd"]
    _bars(canvas, "Projects by cost", costs, dollars, lambda path: PurePath(path).name or path)


def _tools(canvas: Canvas, tables: dict[str, pd.DataFrame]) -> None:
    calls = tables["tool_calls"]
    failed = calls[calls["is_error"].fillna(value=False).astype(bool)]
    counts = failed["tool"].astype("str").value_counts()
    _bars(canvas, "Failed calls by tool", counts, lambda value: f"{value:,.0f}", str)


def _files(canvas: Canvas, tables: dict[str, pd.DataFrame]) -> None:
    reads: dict[str, int] = {}
    calls = tables["tool_calls"]
    for tool, given in zip(calls["tool"], calls["input"], strict=True):
        for path in _read_files(tool, given):
            reads[path] = reads.get(path, 0) + 1
    again = pd.Series({path: times for path, times in reads.items() if times > 1}, dtype="float64")
    _bars(
        canvas, "Files read again", again, lambda value: f"{value:,.0f} times",
        lambda path: PurePath(path).name or path,
    )  # fmt: skip


def _read_files(tool: Any, given: Any) -> list[str]:
    if not isinstance(tool, str) or not isinstance(given, str):
        return []
    try:
        value = json.loads(given)
    except ValueError:
        return []
    return [touch.path for touch in touched(tool, value) if touch.operation == "read"]


def _longest(canvas: Canvas, tables: dict[str, pd.DataFrame]) -> None:
    took = tables["turns"].groupby("session_id")["duration_s"].sum(min_count=1).dropna()
    titles = tables["sessions"].set_index("session_id")["title"].dropna().to_dict()
    _bars(canvas, "Longest sessions", took, duration, lambda key: titles.get(key, key))


def _bars(
    canvas: Canvas,
    title: str,
    values: pd.Series[Any],
    label: Callable[[float], str],
    name: Callable[[str], str],
) -> None:
    """Draw the largest values as horizontal bars."""
    largest = values[values > 0].sort_values(ascending=False, kind="stable").head(_BARS)
    canvas.title(title)
    if largest.empty:
        canvas.nothing("there is none")
        return
    numbers = largest.to_numpy(float)
    canvas.ax.set_xlim(0, numbers[0] * 1.25)
    canvas.ax.set_xticks([])
    canvas.rows([shown(name(str(key)), _LABEL_CHARS) for key in largest.index])
    canvas.ax.set_ylim(max(len(numbers), _BARS // 2) - 0.4, -0.6)
    canvas.bars(range(len(numbers)), np.zeros(len(numbers)), numbers, canvas.look.call)
    for row, value in enumerate(numbers):
        canvas.beside(value, row, label(value))


_DRAWN: Final = {
    "cost": _cost,
    "hours": _hours,
    "projects": _projects,
    "tools": _tools,
    "files": _files,
    "longest": _longest,
}
