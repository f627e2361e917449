"""The waterfall of a run's spans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aod_notebook.core.text import counted
from aod_notebook.core.words import duration
from aod_notebook.frames.protocols import is_of_sessions
from aod_notebook.frames.rows import records
from aod_notebook.plots._draw import Canvas, PlotError, Start
from aod_notebook.plots._given import only
from aod_notebook.plots._run_spans import spans_of
from aod_notebook.plots._text import count, short, shown, time_unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes

    from aod_notebook.plots._look import Theme

_MOST_ROWS = 60
_LABEL_CHARS = 44
_INDENT = "    "
_DEEPEST = 6


def waterfall_df(source: Any, *, client: Any = None) -> pd.DataFrame:
    """One row per span of a run, parents before their children: what `waterfall` draws.

    Args:
        source: a run id or run object, a spans or run_events frame of one run, or anything else
            that `frames.spans_df` takes.
        client: the `aod_notebook.agentos.AgentOS` to ask.

    Returns:
        The columns of the spans frame that are drawn. A tool call that was reported as events
        (`tool.called`, `tool.returned`, `tool.failed`) is a span of depth 0. A span without a
        start is missing, and counted in `attrs["without_start"]`.

    Raises:
        PlotError: there is more than one run, the frame names none, or it is of sessions.
        AodNotebookError: there is no client, or the run could not be read.

    Example:
        >>> from aod_notebook import frames, plots
        >>> len(plots.waterfall_df(frames.decode_run_events(b'{"data": []}')))
        0
    """
    given = source if isinstance(source, list | tuple) else [source]
    if any(map(is_of_sessions, given)):
        raise PlotError(
            "waterfall draws runs, and a session or its client was given: sessions have timeline"
        )
    spans = spans_of(source, client)
    only(spans, "run_id", "A waterfall")
    drawn = spans.dropna(subset="offset_ms").reset_index(drop=True)
    drawn.attrs = {"without_start": len(spans) - len(drawn)}
    return drawn


def waterfall(
    source: Any,
    *,
    client: Any = None,
    limit: int | None = None,
    ax: Axes | None = None,
    theme: Theme = "auto",
) -> Axes:
    """Draw a run's spans in time, children indented below their parents.

    Beside each span stand its duration, its kind, and what a model read and wrote; a failed
    span is hatched and named. Of more than `limit` spans the longest are drawn, with all that
    is above them, and the rest is counted below.

    Args:
        source: a run id or run object, a spans or run_events frame of one run, or anything else
            that `frames.spans_df` takes.
        client: the `aod_notebook.agentos.AgentOS` to ask.
        limit: most spans that are drawn; by default 60, or what `ax` has room for.
        ax: the Axes to draw on; None makes a figure.
        theme: "light", "dark", or "auto" for what the background asks for.

    Raises:
        PlotError: there is more than one run, the frame names none, or it is of sessions.
        AodNotebookError: there is no client, or the run could not be read.
        MissingMatplotlibError: matplotlib is not installed.

    Example:
        >>> from aod_notebook import frames, plots
        >>> ax = plots.waterfall(frames.decode_run_events(b'{"data": []}'))
    """
    start = Start(ax, theme)
    most = start.most_rows(limit, _MOST_ROWS)
    every = waterfall_df(source, client=client)
    drawn = _longest(every, most)
    canvas = start.of_rows(max(len(drawn), 3))
    if drawn.empty:
        has_spans = bool(every.attrs["without_start"])
        return canvas.nothing(
            "no span of the run says when it began"
            if has_spans
            else "the run has no spans and no tool calls"
        )
    last = float((every["offset_ms"] + every["duration_ms"].fillna(0).clip(lower=0)).max())
    size, unit = time_unit(last / 1000)
    scale = size * 1000
    canvas.ax.set_xlim(0, (last or 1.0) / scale * 1.02)
    canvas.rows([_label(span) for span in records(drawn)])
    canvas.grid("x")
    canvas.axis_label("x", f"{unit} since the run's first span")
    for row, span in enumerate(records(drawn)):
        _draw_span(canvas, row, span, last, scale)
    failed = int(every["is_error"].eq(True).fillna(False).sum())
    canvas.title(
        f"Run {short(every['run_id'].iloc[0])}".rstrip(),
        counted(len(every), "span"),
        duration(last / 1000),
        f"{failed:,} failed" if failed else "",
    )
    missing, rest = every.attrs["without_start"], len(every) - len(drawn)
    canvas.note(
        " · ".join(
            [f"{counted(rest, 'shorter span')} not shown"] * bool(rest)
            + [f"{counted(missing, 'span')} without a start"] * bool(missing)
        )
    )
    return canvas.ax


def _draw_span(
    canvas: Canvas, row: int, span: Mapping[str, Any], last: float, scale: float
) -> None:
    look = canvas.look
    is_open, is_failed = span["duration_ms"] is None, bool(span["is_error"])
    start = span["offset_ms"] / scale
    end = last / scale if is_open else (span["offset_ms"] + span["duration_ms"]) / scale
    usual = look.kinds.get(span["kind"], look.stage)
    fill = look.waiting if is_open else look.failed if is_failed else usual
    canvas.bars([row], [start], [end], fill)
    words = [
        "failed" if is_failed else "",
        "no end" if is_open else duration(span["duration_ms"] / 1000),
        shown(span["kind"], 12),
        _tokens(span),
        "parent unknown" if span["is_orphan"] else "",
    ]
    canvas.beside(end, row, " · ".join(filter(None, words)), is_bad=is_failed)


def _tokens(span: Mapping[str, Any]) -> str:
    known = [(span["input_tokens"], "in"), (span["output_tokens"], "out")]
    return ", ".join(f"{count(number)} {way}" for number, way in known if number is not None)


def _label(span: Mapping[str, Any]) -> str:
    indent = _INDENT * min(int(span["depth"] or 0), _DEEPEST)
    return indent + (shown(span["name"], _LABEL_CHARS - len(indent)) or "?")


def _longest(spans: pd.DataFrame, limit: int) -> pd.DataFrame:
    """Keep the longest spans and all that is above them, in their order."""
    if len(spans) <= limit:
        return spans
    above = dict(zip(spans["span_id"], spans["parent_span_id"], strict=True))
    kept: set[Any] = set()
    longest = spans.sort_values("duration_ms", ascending=False, na_position="first")
    for span_id in longest["span_id"]:
        line, at = set(), span_id
        while at in above and at not in kept and at not in line:
            line.add(at)
            at = above[at]
        if len(kept) + len(line) <= limit:
            kept |= line
    return spans[spans["span_id"].isin(kept)].reset_index(drop=True)
