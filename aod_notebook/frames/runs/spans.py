"""The spans frame: the tree of a run's spans, with depths, paths and self time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from aod_notebook.frames.exchange import Library, library, pandas_frame
from aod_notebook.frames.native import Table, completed
from aod_notebook.frames.report import Framed, Report, deliver, finish
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.frames.trees import covered, forest

_SCHEMA = SCHEMAS["spans"]
_COPIED = (
    "run_id",
    "level",
    "kind",
    "model",
    "tool",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_creation_tokens",
    "error",
    "payload",
    "duration_ms",
    "parent_span_id",
    "span_id",
)
_MS = 1000
_MAX_DEPTH = 2**15 - 1
_PATH_NAMES = 100
"""Most names in a path: whole paths would grow with the square of a chain's length."""
_NO_TIME = np.iinfo(np.int64).min


@dataclass(slots=True, eq=False)
class _Span:
    row: int
    """Where it stands among the events."""
    span_id: str
    parent: str | None
    name: str
    start: int | None
    end: int | None
    duration: int | None
    place: tuple[int, int]
    """Where it stands among its siblings."""
    first: int | None = None
    """The earliest start of its run."""
    is_orphan: bool = False
    depth: int = 0
    path: str = ""
    covered: int = 0
    """For how much of its time a child was running."""

    @property
    def until(self) -> int | None:
        """When it ended, as reported or by its duration."""
        if self.end is not None or self.start is None or self.duration is None:
            return self.end
        return self.start + self.duration * _MS


def spans_from_run_events(
    events: Any,
    *,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    to: Library = "pandas",
) -> pd.DataFrame:
    """Build the trees of spans in a run_events frame.

    Args:
        events: a run_events frame, of one run or of several.
        columns: only these columns.
        exclude: all columns but these.
        to: "pandas", "polars" or "arrow".

    Returns:
        The spans frame: each run's spans with parents before their children and siblings in
        order of their start. A span without a reported parent, or which is its own
        ancestor, is an orphan and stands at depth 0. A span reported twice is one row.
    """
    library(to)
    return deliver(spans_of(events, columns, exclude), to)


def spans_of(
    events: Any, columns: Iterable[str] | None = None, exclude: Iterable[str] = ()
) -> Framed:
    """Make the spans frame of a run_events frame.

    Raises:
        FrameError: it is not one.
    """
    needed = ("run_id", "span_id", "type")
    events = pandas_frame(events, needed, by="A tree of spans", of="frames.run_events_df()")
    events = completed(events, SCHEMAS["run_events"].columns)
    table = Table(_SCHEMA.select(columns, exclude))
    with_span = events[events["span_id"].notna()]
    spans = [span for run in _runs(with_span) for span in _ordered(run)]
    table.add(len(spans), _values(with_span, spans))
    return finish(table, _SCHEMA, Report.of(events))


def _runs(events: pd.DataFrame) -> list[list[_Span]]:
    """Make the spans of each run; of a span reported twice the last row counts."""
    runs: dict[str | None, dict[str, _Span]] = {}
    started = _micros(events["started_at"].fillna(events["occurred_at"]))
    orders = _plain(events["order"])
    rows = zip(
        _plain(events["run_id"]),
        _plain(events["span_id"]),
        _plain(events["parent_span_id"]),
        _plain(events["type"]),
        started,
        _micros(events["ended_at"]),
        _plain(events["duration_ms"]),
        strict=True,
    )
    for row, (run_id, span_id, parent, name, start, end, duration) in enumerate(rows):
        place = (2**63 if start is None else start, orders[row] or 0)
        span = _Span(row, span_id, parent, name or "", start, end, duration, place)
        runs.setdefault(run_id, {})[span_id] = span
    return [list(spans.values()) for spans in runs.values()]


def _ordered(spans: Sequence[_Span]) -> list[_Span]:
    """Put parents before children, and note of each span where it stands."""
    made = forest(
        [span.span_id for span in spans],
        [span.parent for span in spans],
        [span.place for span in spans],
    )
    starts = [span.start for span in spans]
    known = covered(starts, [span.until for span in spans], made.parents)
    first = min((start for start in starts if start is not None), default=None)
    names: list[str] = []
    for row in made.order:
        span, depth = spans[row], made.depths[row]
        names[depth:] = [span.name]
        span.depth, span.path = min(depth, _MAX_DEPTH), _path(names)
        span.first, span.is_orphan, span.covered = first, made.orphans[row], known[row]
    return [spans[row] for row in made.order]


def _path(names: Sequence[str]) -> str:
    if len(names) <= _PATH_NAMES:
        return "/".join(names)
    half = _PATH_NAMES // 2
    return "/".join([*names[:half], "…", *names[-half:]])


def _values(events: pd.DataFrame, spans: Sequence[_Span]) -> dict[str, Any]:
    rows = [span.row for span in spans]
    placed = events.take(rows)
    values: dict[str, Any] = {name: _plain(placed[name]) for name in _COPIED}
    is_failed = (placed["level"] == "error") | placed["error"].notna()
    values["name"] = _plain(placed["type"])
    values["depth"] = [span.depth for span in spans]
    values["path"] = [span.path for span in spans]
    values["is_root"] = [span.parent is None for span in spans]
    values["is_orphan"] = [span.is_orphan for span in spans]
    values["started_at"] = [span.start for span in spans]
    values["ended_at"] = [span.end for span in spans]
    values["offset_ms"] = [_offset(span.start, span.first) for span in spans]
    values["self_ms"] = [_self_ms(span) for span in spans]
    values["is_error"] = is_failed.to_numpy(bool).tolist()
    return values


def _offset(start: int | None, first: int | None) -> int | None:
    return None if start is None or first is None else (start - first) // _MS


def _self_ms(span: _Span) -> int | None:
    """Return the span's duration less the time in which at least one child was running."""
    if span.duration is None or span.start is None:
        return None
    return max(0, span.duration - round(span.covered / _MS))


def _plain(column: "pd.Series[Any]") -> list[Any]:
    """Return the values as Python's own; what is missing is None."""
    values: list[Any] = column.astype(object).where(column.notna(), None).tolist()
    return values


def _micros(column: "pd.Series[Any]") -> list[int | None]:
    """Return the times as microseconds since 1970."""
    times = column.to_numpy(dtype="datetime64[us]").astype(np.int64).tolist()
    return [None if time == _NO_TIME else time for time in times]
