"""Many sessions or runs at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from aod_notebook import frames
from aod_notebook.core.text import counted
from aod_notebook.core.words import duration
from aod_notebook.frames.native import completed
from aod_notebook.frames.rows import records
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.plots._draw import FRAME_IN, ROW_IN, Canvas, Start
from aod_notebook.plots._given import has, is_agentos, refuse
from aod_notebook.plots._sessions import first_prompts, named
from aod_notebook.plots._text import dollars, shown, time_unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

    from aod_notebook.plots._look import Fill, Look, Theme

_MOST_ROWS = 40
_CROWD_IN = 4.5
"""Height of the rows when there are too many to be named."""
_WAITING: Final = ("awaiting_input", "awaiting_approval", "running", "pending")
_ORDER: Final = ("failed", "terminated", "cancelled", *_WAITING, "completed")
_COLUMNS: Final = {
    "id": "str",
    "status": "str",
    "started_at": "datetime64[us, UTC]",
    "duration_s": "Float64",
    "turns": "Int32",
    "cost_usd": "Float64",
    "prompt": "str",
}


def overview_df(source: Any = None, *, client: Any = None, results: bool = False) -> pd.DataFrame:
    """One row per session or run, by status and then the longest first: what `overview` draws.

    Args:
        source: session ids, sessions, a client, None for all sessions; an `AgentOS` client for
            its runs; or a frame of sessions, of runs, or of anything with a column session_id.
        client: the client to ask; by default the current connection's.
        results: add what each session cost; that reads the sessions' whole logs.

    Returns:
        `id`, `status`, `started_at`, `duration_s`, `turns`, `cost_usd` and `prompt` (the first
        one), each missing where it is unknown or was not asked for.

    Raises:
        PlotError: the frame names no sessions or runs.
        AodError: not one of the sessions could be read.

    Example:
        >>> import pandas as pd
        >>> from aod_notebook import plots
        >>> sessions = pd.DataFrame(
        ...     {"session_id": ["s1"], "status": ["failed"], "duration_s": [2.5], "turn_count": [1]}
        ... )
        >>> plots.overview_df(sessions)[["id", "status", "duration_s", "turns"]]
           id  status  duration_s  turns
        0  s1  failed         2.5      1
    """
    if is_agentos(source, client):
        source = frames.runs_df(source, client=client)
    if has(source, "run_id", "status", "duration_ms"):
        runs = completed(source, SCHEMAS["runs"].columns)
        took = runs["duration_ms"] / 1000
        return _sorted(runs.assign(id=runs["run_id"], duration_s=took), "run")
    if not has(source, "session_id", "status", "turn_count"):
        if isinstance(source, pd.DataFrame) and "session_id" not in source:
            raise refuse(source, "sessions or runs, or anything with a column session_id")
        source = frames.sessions_df(source, client=client)
    named = {"session_id": "id", "turn_count": "turns", "created_at": "started_at"}
    sessions = completed(source, SCHEMAS["sessions"].columns)
    if "prompt" in source:
        sessions = sessions.assign(prompt=source["prompt"])
    sessions = sessions.rename(columns=named)
    if results:
        turns = frames.turns_df(list(sessions["id"]), client=client, results=True)
        costs = turns.groupby("session_id")["cost_usd"].sum(min_count=1)
        sessions["cost_usd"] = sessions["id"].map(costs)
    return _sorted(sessions, "session")


def _sorted(rows: pd.DataFrame, noun: str) -> pd.DataFrame:
    frame = rows.reindex(columns=list(_COLUMNS)).astype(_COLUMNS)
    place = {status: number for number, status in enumerate(_ORDER)}
    frame = frame.assign(place=frame["status"].map(place).fillna(len(place)))
    by = ["place", "status", "duration_s"]
    frame = frame.sort_values(by, ascending=[True, True, False], kind="stable")
    frame = frame.drop(columns="place").reset_index(drop=True)
    frame.attrs = {"noun": noun}
    return frame


def overview(
    source: Any = None,
    *,
    client: Any = None,
    results: bool = False,
    limit: int | None = None,
    ax: Axes | None = None,
    theme: Theme = "auto",
) -> Axes:
    """Draw how many sessions or runs ended, how, and how long each took.

    Args:
        source: what `overview_df` takes.
        client: the client to ask; by default the current connection's.
        results: add what each session cost; that reads the sessions' whole logs.
        limit: up to so many, each has a labelled row; more are drawn as thin rows, and their
            groups are labelled. By default 40, or what `ax` has room for.
        ax: the Axes to draw on; None makes a figure.
        theme: "light", "dark", or "auto" for what the background asks for.

    Raises:
        PlotError: the frame names no sessions or runs.
        AodError: not one of the sessions could be read.
        MissingMatplotlibError: matplotlib is not installed.

    Example:
        >>> import pandas as pd
        >>> from aod_notebook import plots
        >>> ax = plots.overview(
        ...     pd.DataFrame({"session_id": ["s1"], "status": ["failed"], "turn_count": [1]})
        ... )
    """
    start = Start(ax, theme)
    most = start.most_rows(limit, _MOST_ROWS)
    drawn = overview_df(source, client=client, results=results)
    is_crowd = len(drawn) > most
    height = _CROWD_IN if is_crowd else ROW_IN * max(len(drawn), 3)
    canvas = start.canvas(FRAME_IN + height)
    noun = str(drawn.attrs["noun"])
    if drawn.empty:
        return canvas.nothing(f"there are no {noun}s")
    # a clock that was set back makes a duration negative: there is no bar for it
    lengths = drawn["duration_s"].fillna(0).clip(lower=0)
    longest = lengths.max()
    size, unit = time_unit(longest)
    canvas.ax.set_xlim(0, (longest or 1.0) / size * 1.02)
    groups = list(drawn.groupby(drawn["status"].fillna("?"), sort=False))
    canvas.rows([] if is_crowd else _labels(drawn, source, client))
    canvas.ax.set_ylim(len(drawn) - 0.4, -0.6)
    for status, rows in groups:
        ends = lengths[rows.index].to_numpy(float) / size
        fill = _fill(canvas.look, str(status))
        height = 1.0 if is_crowd else 0.6
        canvas.bars(rows.index, 0, ends, fill, height=height, is_crowd=is_crowd)
        if not is_crowd:
            _tell_each(canvas, rows, size)
    if is_crowd:
        _name_groups(canvas, groups)
    canvas.grid("x")
    is_timed = bool(drawn["duration_s"].notna().any())
    canvas.axis_label(
        "x", f"duration, {unit}" if is_timed else f"duration: it is known of no {noun}"
    )
    if not is_timed:
        canvas.ax.set_xticks([])
    canvas.title(counted(len(drawn), noun), *_summary(drawn, groups))
    return canvas.ax


def _labels(drawn: pd.DataFrame, source: Any, client: Any) -> list[str]:
    """Return a label for each row: the short id, and what was asked first."""
    prompts = drawn["prompt"]
    if drawn.attrs["noun"] == "session" and prompts.isna().all():
        prompts = drawn["id"].map(first_prompts(source, list(drawn["id"]), client))
    return [named(name, prompt) for name, prompt in zip(drawn["id"], prompts, strict=True)]


def _fill(look: Look, status: str) -> Fill:
    return {
        "completed": look.call,
        "failed": look.failed,
        "terminated": look.stopped,
        "cancelled": look.stopped,
        **dict.fromkeys(_WAITING, look.waiting),
    }.get(status, look.stage)


def _tell_each(canvas: Canvas, rows: pd.DataFrame, size: float) -> None:
    for row, session in zip(rows.index, records(rows), strict=True):
        took, turns, cost = (session[name] for name in ("duration_s", "turns", "cost_usd"))
        words = [shown(session["status"], 16) or "?"]
        words += [] if took is None else [duration(took)]
        words += [] if turns is None else [counted(turns, "turn")]
        words += [] if cost is None else [dollars(cost)]
        is_bad = session["status"] == "failed"
        canvas.beside((took or 0.0) / size, row, " · ".join(words), is_bad=is_bad)


def _name_groups(canvas: Canvas, groups: list[tuple[Any, pd.DataFrame]]) -> None:
    """Name each status once, in the middle of its rows, and draw a line below them."""
    middles = [(rows.index[0] + rows.index[-1]) / 2 for _, rows in groups]
    canvas.label_rows(middles, [f"{shown(status, 16)}  {len(rows):,}" for status, rows in groups])
    for _, rows in groups[:-1]:
        canvas.ax.axhline(rows.index[-1] + 0.5, color=canvas.look.quiet, linewidth=0.6)


def _summary(drawn: pd.DataFrame, groups: list[tuple[Any, pd.DataFrame]]) -> Iterator[str]:
    for status, rows in groups:
        yield f"{len(rows):,} {shown(status, 16)}"
    took = drawn["duration_s"].dropna()
    if len(took):
        yield f"median {duration(float(took.median()))}"
    costs = drawn["cost_usd"].dropna()
    if len(costs):
        yield f"{dollars(float(costs.sum()))} in all"
