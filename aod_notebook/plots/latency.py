"""How long things took: tool calls, spans, turns, sessions and runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from aod_notebook.core.text import counted
from aod_notebook.core.words import duration
from aod_notebook.frames.native import completed
from aod_notebook.frames.rows import records
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.plots._draw import Canvas, Start
from aod_notebook.plots._given import has
from aod_notebook.plots._made_calls import made_calls
from aod_notebook.plots._run_spans import is_of_runs, spans_of
from aod_notebook.plots._sessions import first_prompts, named, owners
from aod_notebook.plots._text import shown, times

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from aod_notebook.plots._look import Theme

_MOST_ROWS = 20
_LABEL_CHARS = 32
_OTHERS = "others"
_TICKS: Final = {
    1e-4: "0.1 ms",
    1e-3: "1 ms",
    1e-2: "10 ms",
    1e-1: "100 ms",
    1.0: "1 s",
    10.0: "10 s",
    60.0: "1 min",
    600.0: "10 min",
    3600.0: "1 h",
    36_000.0: "10 h",
    864_000.0: "10 d",
}
_GOLDEN: Final = (5**0.5 - 1) / 2
"""The fractional parts of its multiples lie evenly: a jitter without chance."""
_FEWEST_FOR_MEDIAN = 2
_MARKS: Final = (("median", 50, _FEWEST_FOR_MEDIAN, 0.7), ("p95", 95, 5, 0.35))
"""Name and percentile of each mark, how many values it needs, and its height."""
_SPREAD = 0.5
"""How much of a row's height the points take."""
_ABOVE = 0.4
"""How far above its row's middle the name of the slowest point stands: above all of its points."""
_MOST_NAMES = 8
"""Of so many sessions or runs with a point each, all are named."""
_FEWEST_FOR_NAMES = 2
"""One session is named in the title."""
_PROMPT_CHARS = 32


def latency_df(source: Any = None, *, client: Any = None) -> pd.DataFrame:
    """One row per duration that `latency` draws.

    Args:
        source: what `tools_df` takes: calls by tool; or a frame of turns, sessions or runs, or of
            spans by name.
        client: the client to ask; by default the current connection's.

    Returns:
        `what` (tool, span, "turn", "waiting for the turn", "session" or "run"), `seconds`,
        `is_failed`, `id` (of the session or run). What has no duration is missing;
        `attrs["untimed"]` counts it.

    Raises:
        PlotError: the frame has no durations.
        AodError: not one of the sessions could be read.

    Example:
        >>> from aod_notebook import frames, plots
        >>> events = frames.decode_events(b"")
        >>> list(plots.latency_df(events).columns)
        ['what', 'seconds', 'is_failed', 'id']
    """
    owner = "session"
    if has(source, "turn", "queue_s", "duration_s", "status"):
        turns = completed(source, SCHEMAS["turns"].columns)
        ids = turns["session_id"]
        waited = _durations("waiting for the turn", turns["queue_s"], turns["status"].eq(""), ids)
        took = _durations("turn", turns["duration_s"], turns["status"].eq("failed"), ids)
        tables = [took, waited]
    elif has(source, "session_id", "turn_count", "duration_s", "status"):
        sessions = completed(source, SCHEMAS["sessions"].columns)
        failed, ids = sessions["status"].eq("failed"), sessions["session_id"]
        tables = [_durations("session", sessions["duration_s"], failed, ids)]
    elif has(source, "run_id", "trigger_type", "duration_ms", "status"):
        runs = completed(source, SCHEMAS["runs"].columns)
        failed, owner = runs["status"].eq("failed"), "run"
        tables = [_durations("run", runs["duration_ms"] / 1000, failed, runs["run_id"])]
    elif is_of_runs(source, client):
        spans = spans_of(source, client)
        seconds, owner = spans["duration_ms"] / 1000, "run"
        tables = [_durations(spans["name"], seconds, spans["is_error"], spans["run_id"])]
    else:
        calls = made_calls(source, client)
        owner = calls.attrs["owner"]
        tables = [_durations(calls["tool"], calls["seconds"], calls["is_failed"], calls["id"])]
    every = pd.concat(tables, ignore_index=True)
    timed = every[every["seconds"].notna()].reset_index(drop=True)
    timed.attrs = {"untimed": len(every) - len(timed), "owner": owner}
    return timed


def _durations(what: Any, seconds: Any, is_failed: Any, ids: Any) -> pd.DataFrame:
    failed = is_failed.astype("boolean").fillna(False)
    made = {"what": what, "seconds": seconds.astype("Float64"), "is_failed": failed, "id": ids}
    return pd.DataFrame(made).astype({"what": "str", "id": "str"})


def latency(
    source: Any = None,
    *,
    client: Any = None,
    limit: int | None = None,
    ax: Axes | None = None,
    theme: Theme = "auto",
) -> Axes:
    """Draw how long each call took: a point per call, a row per tool, the slowest on top.

    The long mark is the median, the short one the 95th percentile; failed calls are crosses. Of
    several sessions, the slowest call of each row is labelled with its session's short id and
    first prompt; up to eight sessions or runs are all labelled.
    Calls have durations in sessions that are followed live and passed themselves, not by id.

    Args:
        source: what `latency_df` takes.
        client: the client to ask; by default the current connection's.
        limit: most rows; what is rarest shares the last. By default 20, or what `ax` has room
            for.
        ax: the Axes to draw on; None makes a figure.
        theme: "light", "dark", or "auto" for what the background asks for.

    Raises:
        PlotError: the frame has no durations.
        AodError: not one of the sessions could be read.
        MissingMatplotlibError: matplotlib is not installed.

    Example:
        >>> from aod_notebook import frames, plots
        >>> ax = plots.latency(frames.decode_events(b""))
    """
    start = Start(ax, theme)
    most = start.most_rows(limit, _MOST_ROWS)
    every = latency_df(source, client=client)
    rows = _rows(every, most)
    ids = every["id"].dropna().unique().tolist()
    is_each = len(rows) == 1 and 1 < len(every) == len(ids) <= _MOST_NAMES
    height = 1.4 if len(ids) < _FEWEST_FOR_NAMES else 1.9
    canvas = start.of_rows(max(height * max(len(rows), 2), is_each * len(ids)))
    untimed = every.attrs["untimed"]
    if not rows:
        why = "these calls carry no times; the session has them if live.attach(id) is passed"
        return canvas.nothing(why if untimed else "nothing was called")
    _time_axis(canvas, every["seconds"].to_numpy(float))
    canvas.rows([times(shown(name, _LABEL_CHARS), len(values)) for name, values in rows])
    canvas.grid("x")
    points = [_draw_row(canvas, row, values, is_each) for row, (_, values) in enumerate(rows)]
    labelled = points if is_each else [each.nlargest(1, "seconds") for each in points]
    named_ids = pd.concat(labelled)["id"].dropna().unique().tolist()
    prompts = first_prompts(source, named_ids, client)
    if len(ids) >= _FEWEST_FOR_NAMES:
        for row, each in enumerate(labelled):
            if is_each:
                _name_points(canvas, each, prompts)
            else:
                _name_points(canvas, each.assign(y=row - _ABOVE), prompts, "slowest in ")
    of = owners(ids, every.attrs["owner"], prompts)
    canvas.title(of[:1].upper() + of[1:], counted(len(every), "duration"))
    canvas.note(f"{untimed:,} without a duration" if untimed else "")
    return canvas.ax


def _rows(every: pd.DataFrame, limit: int) -> list[tuple[str, pd.DataFrame]]:
    """Return the values of each row: the largest median first, what is rare together at the end."""
    names = every["what"].fillna("?")
    counts = names.value_counts()
    kept = counts.index if len(counts) <= limit else counts.index[: max(limit - 1, 0)]
    rows = [(str(name), every[names == name]) for name in kept]
    rows.sort(key=lambda row: -float(row[1]["seconds"].median()))
    rare = len(counts) - len(kept)
    return rows + [(f"{rare:,} {_OTHERS}", every[~names.isin(kept)])] * bool(rare)


def _time_axis(canvas: Canvas, seconds: Any) -> None:
    """A logarithmic axis from a round time to a round time."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    ticks = np.array(list(_TICKS))
    first = max(int(np.searchsorted(ticks, seconds.min(), side="right")) - 1, 0)
    last = min(int(np.searchsorted(ticks, seconds.max())), len(ticks) - 1)
    shown_ticks = ticks[first : max(last, first + 1) + 1]
    canvas.ax.set_xscale("log")
    canvas.ax.set_xlim(shown_ticks[0] / 1.15, shown_ticks[-1] * 1.15)
    canvas.ax.xaxis.set_major_locator(FixedLocator(shown_ticks.tolist()))
    canvas.ax.xaxis.set_minor_locator(NullLocator())
    canvas.ax.xaxis.set_major_formatter(FixedFormatter([_TICKS[tick] for tick in shown_ticks]))
    canvas.axis_label("x", "duration (logarithmic)")


def _draw_row(canvas: Canvas, row: int, values: pd.DataFrame, is_each: bool) -> pd.DataFrame:
    """Draw the points of a row, its marks and its words; return the points with their places."""
    ax, look = canvas.ax, canvas.look
    low, high = ax.get_xlim()
    seconds = values["seconds"].to_numpy(float)
    failed = values["is_failed"].to_numpy(bool)
    x = np.clip(seconds, low * 1.05, high / 1.05)  # 0 has no place on a logarithmic axis
    y = row + _heights(seconds, is_each)
    ax.scatter(x[~failed], y[~failed], s=16, color=look.call.colour, alpha=0.55, linewidths=0)
    ax.scatter(x[failed], y[failed], s=22, color=look.failed.colour, marker="x", linewidths=1.4)
    words = [duration(seconds[0])] if len(seconds) < _FEWEST_FOR_MEDIAN else []
    for name, percent, fewest, height in _MARKS:
        if len(seconds) >= fewest:
            value, place = np.percentile(seconds, percent), np.percentile(x, percent)
            words.append(f"{name} {duration(value)}")
            ends = (row - height / 2, row + height / 2)
            ax.plot((place, place), ends, color=look.text, linewidth=1.8, solid_capstyle="butt")
    words += [f"{int(failed.sum()):,} failed"] * bool(failed.any())
    canvas.beside(high, row, " · ".join(words))
    return values.assign(x=x, y=y)


def _heights(seconds: Any, is_each: bool) -> Any:
    """Return how far points stand below the middle of their row."""
    if is_each:  # the slowest on top, each with room for its name
        ranks = np.argsort(np.argsort(-seconds, kind="stable"), kind="stable")
        return 0.9 * ((ranks + 0.5) / len(ranks) - 0.5)
    return _SPREAD * (np.arange(1, len(seconds) + 1) * _GOLDEN % 1 - 0.5)


def _name_points(
    canvas: Canvas, points: pd.DataFrame, prompts: dict[str, str], before: str = ""
) -> None:
    """Label points with the short id and the prompt of their session, on the side that has room."""
    low, high = canvas.ax.get_xlim()
    middle = (low * high) ** 0.5
    for point in records(points, ["id", "x", "y"]):
        if point["id"] is not None:
            text = named(point["id"], prompts.get(point["id"]), _PROMPT_CHARS)
            canvas.beside(point["x"], point["y"], before + text, is_left=point["x"] > middle)
