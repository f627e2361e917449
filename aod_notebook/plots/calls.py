"""Which tools were used, and how often they failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from aod_notebook.core.text import counted
from aod_notebook.frames.rows import records
from aod_notebook.plots._draw import Canvas, Start
from aod_notebook.plots._made_calls import made_calls
from aod_notebook.plots._sessions import first_prompts, named, owners
from aod_notebook.plots._text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from aod_notebook.plots._look import Theme

_MOST_ROWS = 20
_LABEL_CHARS = 32
_PROMPT_CHARS = 20


def tools_df(source: Any = None, *, client: Any = None) -> pd.DataFrame:
    """One row per tool, the most used first: what `tools` draws.

    Args:
        source: a followed session, an id or object of one, several of these, a client, None for
            all sessions; an `AgentOS` client for its runs; or a frame of tool_calls, events,
            spans or run_events.
        client: the client to ask; by default the current connection's.

    Returns:
        `tool`, `calls`, `failed`, `unanswered` (no result came; spans: no end), `failure_rate`
        (of those that were answered), `owners` (number of sessions or runs that called it) and
        `worst` (the id of the one with most failures; missing where none failed).

    Raises:
        PlotError: the frame has no tool calls.
        AodError: not one of the sessions could be read.

    Example:
        >>> from aod_notebook import frames, plots
        >>> events = frames.decode_events(b"")
        >>> list(plots.tools_df(events).columns)
        ['tool', 'calls', 'failed', 'unanswered', 'failure_rate', 'owners', 'worst']
    """
    calls = made_calls(source, client)
    made = calls.groupby("tool", observed=True, dropna=False, sort=False).agg(
        calls=("tool", "size"), failed=("is_failed", "sum"), unanswered=("is_open", "sum"),
        owners=("id", "nunique"),
    )  # fmt: skip
    numbers = ("calls", "failed", "unanswered", "owners")
    made = made.reset_index().astype(dict.fromkeys(numbers, "Int64"))
    answered = (made["calls"] - made["unanswered"]).astype("Float64")
    made["failure_rate"] = made["failed"].astype("Float64") / answered.where(answered > 0)
    made["owners"] = made.pop("owners")
    made["worst"] = made["tool"].map(_worst(calls)).astype("str")
    made = made.sort_values(["calls", "tool"], ascending=[False, True], kind="stable")
    made = made.reset_index(drop=True)
    made.attrs = {"owner": calls.attrs["owner"], "ids": calls["id"].dropna().unique().tolist()}
    return made


def _worst(calls: pd.DataFrame) -> pd.Series[Any]:
    """Return by tool the session or run with most failures, the first if several have as many."""
    failed = calls[calls["is_failed"]]
    counts = failed.groupby(["tool", "id"], observed=True, sort=False).size().reset_index(name="n")
    most = counts.sort_values("n", ascending=False, kind="stable").drop_duplicates("tool")
    return most.set_index("tool")["id"]


def tools(
    source: Any = None,
    *,
    client: Any = None,
    limit: int | None = None,
    ax: Axes | None = None,
    theme: Theme = "auto",
) -> Axes:
    """Draw how often each tool was called, and how often it failed; of several sessions, where most.

    Args:
        source: what `tools_df` takes.
        client: the client to ask; by default the current connection's.
        limit: most tools; the rest shares one row. By default 20, or what `ax` has room for.
        ax: the Axes to draw on; None makes a figure.
        theme: "light", "dark", or "auto" for what the background asks for.

    Raises:
        PlotError: the frame has no tool calls.
        AodError: not one of the sessions could be read.
        MissingMatplotlibError: matplotlib is not installed.

    Example:
        >>> from aod_notebook import frames, plots
        >>> ax = plots.tools(frames.decode_events(b""))
    """
    start = Start(ax, theme)
    most = start.most_rows(limit, _MOST_ROWS)
    every = tools_df(source, client=client)
    drawn = _largest(every, most)
    canvas = start.of_rows(max(len(drawn), 3))
    if drawn.empty:
        return canvas.nothing("no tool was called")
    canvas.ax.set_xlim(0, float(drawn["calls"].max()) * 1.05)
    canvas.integers("x")
    canvas.rows([shown(name, _LABEL_CHARS) or "?" for name in drawn["tool"]])
    canvas.grid("x")
    canvas.axis_label("x", "calls")
    _draw_bars(canvas, drawn)
    ids, owner = every.attrs["ids"], every.attrs["owner"]
    is_one = len(ids) == 1
    prompts = first_prompts(source, ids if is_one else list(drawn["worst"].dropna()), client)
    for row, tool in enumerate(records(drawn)):
        words = _words(tool) + ([] if is_one else _where(tool, prompts))
        canvas.beside(tool["calls"], row, " · ".join(words), is_bad=tool["failed"] > 0)
    total, bad = int(every["calls"].sum()), int(every["failed"].sum())
    of = owners(ids, owner, prompts)
    canvas.title(
        of[:1].upper() + of[1:],
        counted(total, "tool call"),
        counted(len(every), "tool"),
        f"{bad:,} failed ({bad / total:.0%})" if bad else "none failed",
    )
    return canvas.ax


def _draw_bars(canvas: Canvas, drawn: pd.DataFrame) -> None:
    """Draw the calls that went well, then those that failed, then those without a result."""
    look, rows = canvas.look, np.arange(len(drawn))
    calls, failed, unanswered = (
        drawn[name].to_numpy(float) for name in ("calls", "failed", "unanswered")
    )
    start = np.zeros(len(drawn))
    fills = (look.call, look.failed, look.waiting)
    for number, fill in zip((calls - failed - unanswered, failed, unanswered), fills, strict=True):
        is_there = number > 0
        end = start + number
        canvas.bars(rows[is_there], start[is_there], end[is_there], fill)
        start = end


def _words(tool: Mapping[str, Any]) -> list[str]:
    calls, failed, unanswered = tool["calls"], tool["failed"], tool["unanswered"]
    words = [f"{calls:,}"]
    words += [f"{failed:,} failed ({tool['failure_rate']:.0%})"] if failed else []
    words += [f"{unanswered:,} without a result"] if unanswered else []
    return words


def _where(tool: Mapping[str, Any], prompts: dict[str, str]) -> list[str]:
    """Return where a tool failed most, by short id and prompt."""
    worst = tool["worst"]
    return [] if worst is None else [f"most in {named(worst, prompts.get(worst), _PROMPT_CHARS)}"]


def _largest(tools: pd.DataFrame, limit: int) -> pd.DataFrame:
    """Let all tools but the largest share the last row."""
    if len(tools) <= limit:
        return tools
    kept, rest = tools[: max(limit - 1, 0)], tools[max(limit - 1, 0) :]
    counts = rest[["calls", "failed", "unanswered"]].sum()
    answered = counts["calls"] - counts["unanswered"]
    rate = counts["failed"] / answered if answered else pd.NA
    shared = {"tool": counted(len(rest), "other tool"), **counts, "failure_rate": rate}
    last = pd.DataFrame([shared], columns=tools.columns).astype(tools.dtypes.to_dict())
    return pd.concat([kept, last], ignore_index=True)
