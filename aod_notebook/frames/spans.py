"""The spans frame: the tree of a run's spans, with depths, paths and time of their own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from aod_notebook.frames._deliver import Framed, Report, finish
from aod_notebook.frames._native import Table, completed
from aod_notebook.frames._rows import records
from aod_notebook.frames._signatures import derive_function
from aod_notebook.frames.checks import pandas_frame
from aod_notebook.frames.schema import SCHEMAS

_SCHEMA = SCHEMAS["spans"]
_COPIED = (
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


@dataclass(slots=True, eq=False)
class _Span:
    row: Mapping[Any, Any]
    start: int | None
    end: int | None
    children: list["_Span"] = field(default_factory=list)
    is_orphan: bool = False
    depth: int = 0
    path: str = ""


@derive_function
def spans_from_run_events(
    events: Any, *, columns: Iterable[str] | None = None, exclude: Iterable[str] = ()
) -> Framed:
    """Build the trees of spans in a run_events frame (CONTRACT B.5).

    Args:
        events: a run_events frame, of one run or of several.
        columns: only these columns.
        exclude: all columns but these.
        strict: False returns `(frame, problems)` and warns of nothing.

    Returns:
        The spans frame: each run's spans with parents before their children and siblings in
        order of their start. A span whose parent was never reported, or which is its own
        ancestor, is an orphan and stands at depth 0. A span reported twice is one row.
    """
    return spans_of(events, columns, exclude)


def spans_of(
    events: pd.DataFrame, columns: Iterable[str] | None = None, exclude: Iterable[str] = ()
) -> Framed:
    """Make the spans frame of a run_events frame.

    Raises:
        FrameError: it is none.
    """
    needed = ("run_id", "span_id", "type")
    events = pandas_frame(events, needed, by="A tree of spans", of="frames.run_events_df()")
    events = completed(events, SCHEMAS["run_events"].columns)
    table = Table(_SCHEMA.select(columns, exclude))
    report = Report.of(events)
    with_span = events[events["span_id"].notna()]
    for run_id, rows in with_span.groupby("run_id", sort=False, dropna=False):
        spans = _ordered(_spans(rows))
        table.add(len(spans), _values(run_id if isinstance(run_id, str) else None, spans))
    return finish(table, _SCHEMA, report)


def _spans(rows: pd.DataFrame) -> list[_Span]:
    found: dict[str, _Span] = {}
    for row in records(rows):
        start, end = _micros(row["started_at"]), _micros(row["ended_at"])
        if start is None:
            start = _micros(row["occurred_at"])
        found[row["span_id"]] = _Span(row, start, end)
    return list(found.values())


def _ordered(spans: Sequence[_Span]) -> list[_Span]:
    """Put parents before children; what no root leads to is made an orphan."""
    by_id = {span.row["span_id"]: span for span in spans}
    roots = []
    for span in spans:
        parent = by_id.get(span.row["parent_span_id"] or "")
        if parent is not None:
            parent.children.append(span)
        else:
            span.is_orphan = span.row["parent_span_id"] is not None
            roots.append(span)
    placed = _walk(roots)
    seen = set(map(id, placed))
    for span in sorted(spans, key=_start):
        if id(span) not in seen:
            span.is_orphan = True
            circle = _walk([span], seen)
            placed += circle
            seen.update(map(id, circle))
    return placed


def _walk(roots: Iterable[_Span], seen: Iterable[int] = ()) -> list[_Span]:
    placed: list[_Span] = []
    known = set(seen)
    waiting = [(root, 0, "") for root in sorted(roots, key=_start, reverse=True)]
    while waiting:
        span, depth, above = waiting.pop()
        if id(span) in known:
            continue
        known.add(id(span))
        span.depth = min(depth, _MAX_DEPTH)
        span.path = f"{above}/{span.row['type'] or ''}" if depth else str(span.row["type"] or "")
        placed.append(span)
        children = sorted(span.children, key=_start, reverse=True)
        waiting += [(child, depth + 1, span.path) for child in children]
    return placed


def _start(span: _Span) -> tuple[int, int]:
    return (span.start if span.start is not None else 2**63, span.row["order"] or 0)


def _values(run_id: Any, spans: Sequence[_Span]) -> dict[str, Any]:
    values: dict[str, Any] = {name: [span.row[name] for span in spans] for name in _COPIED}
    first = min((span.start for span in spans if span.start is not None), default=None)
    values["run_id"] = [run_id] * len(spans)
    values["name"] = [span.row["type"] for span in spans]
    values["depth"] = [span.depth for span in spans]
    values["path"] = [span.path for span in spans]
    values["is_root"] = [span.row["parent_span_id"] is None for span in spans]
    values["is_orphan"] = [span.is_orphan for span in spans]
    values["started_at"] = [span.start for span in spans]
    values["ended_at"] = [span.end for span in spans]
    values["offset_ms"] = [_offset(span.start, first) for span in spans]
    values["self_ms"] = [_self_ms(span) for span in spans]
    values["is_error"] = [
        span.row["level"] == "error" or span.row["error"] is not None for span in spans
    ]
    return values


def _offset(start: int | None, first: int | None) -> int | None:
    return None if start is None or first is None else (start - first) // _MS


def _self_ms(span: _Span) -> int | None:
    """The span's duration less the time in which at least one child was running."""
    duration = span.row["duration_ms"]
    if duration is None or span.start is None:
        return None
    end = span.end if span.end is not None else span.start + duration * _MS
    times = sorted(
        (max(child.start, span.start), min(child.end, end))
        for child in span.children
        if child.start is not None and child.end is not None
    )
    covered, until = 0, span.start
    for child_start, child_end in times:
        begin = max(child_start, until)
        if child_end > begin:
            covered += child_end - begin
            until = child_end
    return max(0, int(duration) - round(covered / _MS))


def _micros(value: Any) -> int | None:
    return None if value is None else int(value.as_unit("us").asm8.view("i8"))
