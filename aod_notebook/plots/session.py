"""The timeline of a session: provisioning, turns and tool calls, subagents on lanes of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from aod_notebook import frames
from aod_notebook.plots._draw import FRAME_IN, ROW_IN, Canvas, rows_that_fit
from aod_notebook.plots._given import has, only, records
from aod_notebook.plots._session_bars import CALL, STAGE, TURN, bars_of_calls, bars_of_events
from aod_notebook.plots._text import by_ending, duration, short, shown, time_unit, times

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from aod_notebook.plots._look import Theme

__all__ = ["timeline", "timeline_df"]

_MOST_ROWS = 40
_LABEL_CHARS = 46
_TOOL_CHARS = 24
_INDENT = "    "
_DEEPEST = 4
_MOST_LINES = 10
"""More turns are not parted by lines."""
_NO_TIMES = "position in the transcript (the session was not followed live: no times)"


@dataclass(frozen=True, slots=True)
class _Row:
    label: str
    bars: pd.DataFrame
    is_nested: bool = False


def timeline_df(source: Any, *, client: Any = None) -> pd.DataFrame:
    """One row per bar of `timeline`: stages, turns, and tool calls after the call they belong to.

    Args:
        source: a followed session, an id or object of one, a tool_calls or events frame of one
            session, or anything else that `frames.events_df` takes.
        client: the client to ask; by default the current connection's.

    Returns:
        `kind` (stage, turn, call), `turn`, `name` (of the stage or tool), `summary`,
        `state` (done, failed, stopped, open), `depth` (0 for the agent's own calls, 1 for its
        subagents'), `tool_use_id`, `parent_tool_use_id`, `lane` (the name of the call that started
        the subagent), `start` and `end` from the first bar on, and `duration_s`. `attrs["unit"]` is "s", or "step" for a session that
        was not followed live: start and end are then positions in the transcript.

    Raises:
        PlotError: there is more than one session.
        AodError: the session could not be read.

    Example:
        >>> from aod_notebook import frames, plots
        >>> plots.timeline_df(frames.decode_events(b""))
        Empty DataFrame
        Columns: [session_id, kind, turn, name, summary, state, depth, tool_use_id, parent_tool_use_id, lane, start, end, duration_s]
        Index: []
    """
    if has(source, "tool", "order", "result_order"):
        only(source, "session_id", "A timeline")
        return bars_of_calls(source.reset_index(drop=True))
    events = frames.events_df(source, client=client)
    only(events, "session_id", "A timeline")
    return bars_of_events(events.reset_index(drop=True))


def timeline(
    source: Any,
    *,
    client: Any = None,
    limit: int | None = None,
    ax: Axes | None = None,
    theme: Theme = "auto",
) -> Axes:
    """Draw what happened in a session, in time: provisioning, turns and tool calls.

    Each call has a row of its own, a subagent's calls stand shaded below the call that started
    it; failed calls are hatched and named. A session with more than `limit` calls has a row per
    tool and per subagent instead, in which failed calls are taller.

    Args:
        source: a followed session, an id or object of one, a tool_calls or events frame of one
            session, or anything else that `frames.events_df` takes.
        client: the client to ask; by default the current connection's.
        limit: most calls that get rows of their own; by default 40, or what `ax` has room for.
        ax: the Axes to draw on; None makes a figure.
        theme: "light", "dark", or "auto" for what the background asks for.

    Raises:
        PlotError: there is more than one session.
        AodError: the session could not be read.
        MissingMatplotlibError: matplotlib is not installed.

    Example:
        >>> from aod_notebook import frames, plots
        >>> ax = plots.timeline(frames.decode_events(b""))
    """
    drawn = timeline_df(source, client=client)
    rows = _rows(drawn, rows_that_fit(ax, _MOST_ROWS) if limit is None else limit)
    canvas = Canvas(ax, theme, FRAME_IN + ROW_IN * max(len(rows), 3))
    if drawn.empty:
        return canvas.nothing("the session has no turns and no tool calls yet")
    return _draw(canvas, drawn, rows)


def _rows(drawn: pd.DataFrame, limit: int) -> list[_Row]:
    stages, turns, calls = (drawn[drawn["kind"] == kind] for kind in (STAGE, TURN, CALL))
    rows = [_Row("stages", stages)] if len(stages) else []
    rows += [_Row("turns", turns)] if len(turns) else []
    if len(calls) <= limit:
        return rows + [
            _Row(_label(call), calls[at : at + 1], call["depth"] > 0)
            for at, call in enumerate(records(calls))
        ]
    return rows + _grouped(calls, max(limit, 4))


def _label(call: Mapping[str, Any]) -> str:
    indent = _INDENT * min(int(call["depth"]), _DEEPEST)
    tool = shown(call["name"], _TOOL_CHARS) or "?"
    summary = shown(call["summary"], _LABEL_CHARS - len(tool) - len(indent))
    return f"{indent}{tool}  {summary}"


def _grouped(calls: pd.DataFrame, limit: int) -> list[_Row]:
    """Put the calls into a row per tool and a row per subagent; what is too many shares one."""
    own, nested = calls[calls["depth"] == 0], calls[calls["depth"] > 0]
    starter = nested["turn"].astype("str") + " " + nested["parent_tool_use_id"]
    tools = _groups(own, own["name"].fillna("?"), max(limit // 2, 1), "other tool")
    lanes = _groups(nested, starter, max(limit - len(tools), 1), "other subagent")
    rows = [_Row(_counted(label or bars["name"].iloc[0], bars), bars) for label, bars in tools]
    return rows + [
        _Row(_INDENT + _counted(label or bars["lane"].iloc[0], bars), bars, is_nested=True)
        for label, bars in lanes
    ]


def _groups(
    calls: pd.DataFrame, keys: pd.Series[str], most: int, others: str
) -> list[tuple[str, pd.DataFrame]]:
    """Give the largest groups, largest first, and the rest as one that has a label of its own."""
    sizes = keys.value_counts()
    kept = sizes.index if len(sizes) <= most else sizes.index[: most - 1]
    groups = [("", calls[keys == key]) for key in kept]
    rest = calls[~keys.isin(kept)]
    return groups + [(by_ending(len(sizes) - len(kept), others), rest)] * bool(len(rest))


def _counted(name: object, bars: pd.DataFrame) -> str:
    return times(shown(name, _LABEL_CHARS - 8), len(bars))


def _draw(canvas: Canvas, drawn: pd.DataFrame, rows: list[_Row]) -> Axes:
    is_timed = drawn.attrs["unit"] == "s"
    last = float(drawn["end"].max())
    divisor, unit = time_unit(last) if is_timed else (1.0, "")
    canvas.ax.set_xlim(0, (last or 1.0) / divisor * 1.02)
    canvas.rows([row.label for row in rows])
    canvas.grid("x")
    canvas.axis_label("x", f"{unit} since the session began" if is_timed else _NO_TIMES)
    _shade(canvas, rows, drawn[drawn["kind"] == TURN]["start"] / divisor)
    for y, row in enumerate(rows):
        _draw_row(canvas, y, row, divisor)
    calls = drawn[drawn["kind"] == CALL]
    failed = int((calls["state"] == "failed").sum())
    canvas.title(
        f"Session {short(drawn['session_id'].iloc[0])}".rstrip(),
        by_ending(int((drawn["kind"] == TURN).sum()), "turn"),
        by_ending(len(calls), "tool call"),
        f"{failed:,} failed" if failed else "",
    )
    return canvas.ax


def _shade(canvas: Canvas, rows: list[_Row], turns: pd.Series[float]) -> None:
    for y, row in enumerate(rows):
        if row.is_nested:
            canvas.ax.axhspan(y - 0.5, y + 0.5, color=canvas.look.band, linewidth=0, zorder=0)
    for start in turns.iloc[1:] if len(turns) <= _MOST_LINES else ():
        canvas.ax.axvline(start, color=canvas.look.quiet, linewidth=0.8, linestyle=(0, (2, 3)))


def _draw_row(canvas: Canvas, y: int, row: _Row, divisor: float) -> None:
    look, kind = canvas.look, row.bars["kind"].iloc[0]
    is_crowd = kind == CALL and len(row.bars) > 1
    usual = {STAGE: look.stage, TURN: look.turn}.get(
        kind, look.nested if row.is_nested else look.call
    )
    fills = {"done": usual, "open": look.waiting, "stopped": look.stopped, "failed": look.failed}
    for state, fill in fills.items():
        bars = row.bars[row.bars["state"] == state]
        height = 0.45 if is_crowd and state != "failed" else 0.8 if is_crowd else 0.6
        starts, ends = bars["start"] / divisor, bars["end"] / divisor
        parted = kind != CALL
        canvas.bars(y, starts, ends, fill, height=height, is_crowd=is_crowd, is_parted=parted)
    if kind == CALL:
        _tell_calls(canvas, y, row.bars, divisor, is_nested=row.is_nested)
    else:
        _name_inside(canvas, y, row.bars, divisor)


def _tell_calls(
    canvas: Canvas, y: int, bars: pd.DataFrame, divisor: float, *, is_nested: bool
) -> None:
    """Say beside a row what became of its calls."""
    end = float(bars["end"].max()) / divisor
    failed, unanswered = (int((bars["state"] == state).sum()) for state in ("failed", "open"))
    if len(bars) > 1:
        if failed:
            canvas.beside(canvas.ax.get_xlim()[1], y, f"{failed:,} failed", is_bad=True)
        return
    took = bars["duration_s"].iloc[0]
    words = "failed" if failed else "no result" if unanswered else ""
    time = "" if pd.isna(took) else duration(took)
    told = " · ".join(filter(None, (words, time)))
    behind = canvas.look.band if is_nested else None
    canvas.beside(end, y, told, is_bad=bool(failed), behind=behind)


def _name_inside(canvas: Canvas, y: int, bars: pd.DataFrame, divisor: float) -> None:
    """Write the names of stages and turns into their bars, where there is room."""
    for bar in records(bars):
        start, end = bar["start"] / divisor, bar["end"] / divisor
        state = f" {bar['state']}" if bar["state"] in ("failed", "stopped") else ""
        name = f"{shown(bar['name'], _TOOL_CHARS)}{state}"
        if state:
            canvas.beside(end, y, name, is_bad=bar["state"] == "failed")
        elif canvas.fits(name, end - start):
            canvas.inside(start, y, name)
    if bars["kind"].iloc[0] == STAGE and not bars["state"].eq("failed").any():
        _name_longest(canvas, y, bars, divisor)


def _name_longest(canvas: Canvas, y: int, stages: pd.DataFrame, divisor: float) -> None:
    """Say beside the first turn's stages, if they are too short for names, which took longest."""
    provisioning = stages.dropna(subset="duration_s")
    if not len(provisioning):
        return
    longest = records(provisioning.nlargest(1, "duration_s"))[0]
    start_of_agent = stages["end"][stages["start"] >= provisioning["end"].max()]
    end = [*start_of_agent, provisioning["end"].max()][0]
    if not canvas.fits(longest["name"], (longest["end"] - longest["start"]) / divisor):
        words = f"longest: {shown(longest['name'], _TOOL_CHARS)}, {duration(longest['duration_s'])}"
        canvas.beside(float(end) / divisor, y, words)
