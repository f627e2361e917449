"""The timeline of a session: provisioning, turns and tool calls, subagents on lanes of their own."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from aod_notebook import frames
from aod_notebook.core.text import counted
from aod_notebook.core.words import duration
from aod_notebook.frames.native import completed
from aod_notebook.frames.rows import records
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.plots._draw import Canvas, Start
from aod_notebook.plots._given import EVENTS, has, only, refuse
from aod_notebook.plots._session_bars import CALL, STAGE, TURN, bars_of_calls, bars_of_events
from aod_notebook.plots._sessions import first_prompts, named
from aod_notebook.plots._text import shown, time_unit, times

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes

    from aod_notebook.plots._look import Fill, Theme

_Bar = dict[str, Any]
_MOST_ROWS = 40
_LABEL_CHARS = 46
_TOOL_CHARS = 24
_INDENT = "    "
_DEEPEST = 4
_MOST_LINES = 10
"""More turns are not parted by lines."""
_WORTH_NAMING = 0.02
"""A stage that takes less than this part of the whole is not mentioned."""
_NO_TIMES = (
    "position in the transcript: its events carry no times (live.attach(id) has those of arrival)"
)


@dataclass(frozen=True, slots=True)
class _TimelineRow:
    label: str
    bars: Sequence[_Bar]
    is_nested: bool = False

    @property
    def kind(self) -> str:
        return str(self.bars[0]["kind"])

    @property
    def is_crowd(self) -> bool:
        return self.kind == CALL and len(self.bars) > 1

    def number(self, state: str) -> int:
        return sum(bar["state"] == state for bar in self.bars)


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
        the subagent), `start` and `end` from the first bar on, and `duration_s`. `attrs["unit"]` is "s", or "step" if
        there are no times, as for an id: start and end are then positions in the transcript.

    Raises:
        PlotError: there is more than one session, or the frame names none.
        AodError: the session could not be read.

    Example:
        >>> from aod_notebook import frames, plots
        >>> plots.timeline_df(frames.decode_events(b""))
        Empty DataFrame
        Columns: [session_id, kind, turn, name, summary, state, depth, tool_use_id, parent_tool_use_id, lane, start, end, duration_s]
        Index: []
    """
    if has(source, "tool", "order", "result_order"):
        calls = completed(source, SCHEMAS["tool_calls"].columns)
        only(calls, "session_id", "A timeline")
        return bars_of_calls(calls.reset_index(drop=True))
    if isinstance(source, pd.DataFrame) and not (has(source, *EVENTS) or has(source, "session_id")):
        raise refuse(source, "tool_calls, events, or of any with session_id")
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
        PlotError: there is more than one session, or the frame names none.
        AodError: the session could not be read.
        MissingMatplotlibError: matplotlib is not installed.

    Example:
        >>> from aod_notebook import frames, plots
        >>> ax = plots.timeline(frames.decode_events(b""))
    """
    start = Start(ax, theme)
    most = start.most_rows(limit, _MOST_ROWS)
    drawn = timeline_df(source, client=client)
    rows = _rows(drawn, most)
    canvas = start.of_rows(max(len(rows), 3))
    if drawn.empty:
        return canvas.nothing("the session has no turns and no tool calls yet")
    session_id = drawn["session_id"].iloc[0]
    prompt = first_prompts(source, [str(session_id)], client).get(str(session_id))
    return _draw(canvas, drawn, rows, f"Session {named(session_id, prompt)}")


def _rows(drawn: pd.DataFrame, limit: int) -> list[_TimelineRow]:
    bars = records(drawn)
    stages, turns, calls = ([b for b in bars if b["kind"] == kind] for kind in (STAGE, TURN, CALL))
    rows = [_TimelineRow("stages", stages)] if stages else []
    rows += [_TimelineRow("turns", turns)] if turns else []
    if len(calls) <= limit:
        return rows + [_TimelineRow(_label(call), [call], call["depth"] > 0) for call in calls]
    return rows + _grouped(calls, max(limit, 4))


def _label(call: _Bar) -> str:
    indent = _INDENT * min(int(call["depth"]), _DEEPEST)
    tool = shown(call["name"], _TOOL_CHARS) or "?"
    summary = shown(call["summary"], _LABEL_CHARS - len(tool) - len(indent))
    return f"{indent}{tool}  {summary}"


def _grouped(calls: Sequence[_Bar], limit: int) -> list[_TimelineRow]:
    """Put the calls into a row per tool and a row per subagent; what is too many shares one."""
    own, nested = defaultdict(list), defaultdict(list)
    for call in calls:
        if call["depth"]:
            nested[call["turn"], call["parent_tool_use_id"]].append(call)
        else:
            own[call["name"]].append(call)
    tools = _largest(own.values(), max(limit // 2, 1))
    lanes = _largest(nested.values(), max(limit - len(tools), 1))
    return [
        _TimelineRow(_counted(bars[0]["name"], number, "other tool", bars), bars)
        for number, bars in tools
    ] + [
        _TimelineRow(
            _INDENT + _counted(bars[0]["lane"], number, "other subagent", bars),
            bars,
            is_nested=True,
        )
        for number, bars in lanes
    ]


def _largest(groups: Iterable[list[_Bar]], most: int) -> list[tuple[int, list[_Bar]]]:
    """Return the largest groups first, the rest as one, each with how many groups it is."""
    ordered = sorted(groups, key=len, reverse=True)
    kept = ordered if len(ordered) <= most else ordered[: most - 1]
    rest = ordered[len(kept) :]
    together = [(len(rest), [bar for bars in rest for bar in bars])] if rest else []
    return [(1, bars) for bars in kept] + together


def _counted(name: str | None, groups: int, others: str, bars: Sequence[_Bar]) -> str:
    shared = counted(groups, others) if groups > 1 else shown(name, _LABEL_CHARS - 8)
    return times(shared, len(bars))


def _draw(canvas: Canvas, drawn: pd.DataFrame, rows: list[_TimelineRow], name: str) -> Axes:
    is_timed = drawn.attrs["unit"] == "s"
    last = float(drawn["end"].max())
    size, unit = time_unit(last) if is_timed else (1.0, "")
    canvas.ax.set_xlim(0, (last or 1.0) / size * 1.02)
    canvas.rows([row.label for row in rows])
    canvas.grid("x")
    canvas.axis_label("x", f"{unit} since the session began" if is_timed else _NO_TIMES)
    _shade(canvas, rows, size)
    _draw_bars(canvas, rows, size)
    for y, row in enumerate(rows):
        if row.kind == CALL:
            _tell_calls(canvas, y, row, size)
        else:
            _name_bars(canvas, y, row, size)
    calls = [bar for row in rows if row.kind == CALL for bar in row.bars]
    failed = sum(call["state"] == "failed" for call in calls)
    canvas.title(
        name,
        counted(int((drawn["kind"] == TURN).sum()), "turn"),
        counted(len(calls), "tool call"),
        f"{failed:,} failed" if failed else "",
    )
    return canvas.ax


def _shade(canvas: Canvas, rows: list[_TimelineRow], size: float) -> None:
    """Shade the subagents' rows, and part the turns by lines."""
    for y, row in enumerate(rows):
        if row.is_nested:
            canvas.ax.axhspan(y - 0.5, y + 0.5, color=canvas.look.band, linewidth=0, zorder=0)
    starts = [bar["start"] / size for row in rows if row.kind == TURN for bar in row.bars]
    for start in starts[1:] if len(starts) <= _MOST_LINES else ():
        canvas.ax.axvline(start, color=canvas.look.quiet, linewidth=0.8, linestyle=(0, (2, 3)))


def _draw_bars(canvas: Canvas, rows: list[_TimelineRow], size: float) -> None:
    """Draw the bars of all rows, those that failed in front."""
    look = canvas.look
    usual = {STAGE: look.stage, TURN: look.turn, CALL: look.call}
    special = {"open": look.waiting, "stopped": look.stopped, "failed": look.failed}
    for state in ("done", *special):
        alike: dict[tuple[Fill, bool, bool], list[tuple[float, float, float]]] = defaultdict(list)
        for y, row in enumerate(rows):
            fill = special.get(state) or (look.nested if row.is_nested else usual[row.kind])
            key = (fill, row.is_crowd, row.kind != CALL)
            alike[key] += [(y, b["start"], b["end"]) for b in row.bars if b["state"] == state]
        for (fill, is_crowd, is_parted), bars in alike.items():
            places, starts, ends = np.array(bars, float).reshape(-1, 3).T
            height = 0.6 if not is_crowd else 0.8 if state == "failed" else 0.45
            canvas.bars(
                places, starts / size, ends / size, fill,
                height=height, is_crowd=is_crowd, is_parted=is_parted,
            )  # fmt: skip


def _tell_calls(canvas: Canvas, y: int, row: _TimelineRow, size: float) -> None:
    """Write beside a row what became of its calls."""
    failed = row.number("failed")
    if row.is_crowd:
        if failed:
            canvas.beside(canvas.ax.get_xlim()[1], y, f"{failed:,} failed", is_bad=True)
        return
    (call,) = row.bars
    words = ["failed" if failed else "no result" if call["state"] == "open" else ""]
    words += [] if call["duration_s"] is None else [duration(call["duration_s"])]
    behind = canvas.look.band if row.is_nested else None
    text = " · ".join(filter(None, words))
    canvas.beside(call["end"] / size, y, text, is_bad=bool(failed), behind=behind)


def _name_bars(canvas: Canvas, y: int, row: _TimelineRow, size: float) -> None:
    """Write the names of stages and turns into their bars, where there is room."""
    for bar in row.bars:
        start, end = bar["start"] / size, bar["end"] / size
        name = shown(bar["name"], _TOOL_CHARS)
        if bar["state"] in ("failed", "stopped"):
            canvas.beside(end, y, f"{name} {bar['state']}", is_bad=bar["state"] == "failed")
        elif canvas.fits(name, end - start):
            canvas.inside(start, y, name)
    if row.kind == STAGE and not row.number("failed"):
        _name_longest(canvas, y, row, size)


def _name_longest(canvas: Canvas, y: int, row: _TimelineRow, size: float) -> None:
    """Write beside the first turn's stages, if they are too short for names, which took longest."""
    timed = [bar for bar in row.bars if bar["duration_s"] is not None]
    if not timed:
        return
    longest = max(timed, key=lambda bar: float(bar["duration_s"]))
    name, width = shown(longest["name"], _TOOL_CHARS), (longest["end"] - longest["start"]) / size
    if width < _WORTH_NAMING * canvas.ax.get_xlim()[1] or canvas.fits(name, width):
        return
    provisioned = max(bar["end"] for bar in timed)
    starts_of_agent = (
        bar["end"] for bar in row.bars if bar["duration_s"] is None and bar["start"] >= provisioned
    )
    words = f"longest: {name}, {duration(longest['duration_s'])}"
    canvas.beside(next(starts_of_agent, provisioned) / size, y, words)
