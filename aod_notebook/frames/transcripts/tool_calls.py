"""The tool_calls frame: a row per call, joined with its result."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pandas as pd

from aod_notebook.frames.exchange import Library, library
from aod_notebook.frames.native import LINES_PER_BATCH, Table
from aod_notebook.frames.report import Filled, Report, deliver, finish
from aod_notebook.frames.rows import seconds_between
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.frames.sources import Events, Gathered, derived
from aod_notebook.frames.transcripts.pieces import Piece
from aod_notebook.transcripts import Entry, Spoken, one_line, summary

_SCHEMA = SCHEMAS["tool_calls"]
_SUMMARY_CHARS = 500
_CALL_BLOCKS = frozenset({"tool_use", "tool_result"})


@dataclass(slots=True)
class PairedCall:
    """A tool call and its result."""

    session_id: str | None
    turn: int | None
    order: int
    entry: Entry
    called_at: int | None
    result: Entry | None = None
    result_order: int | None = None
    returned_at: int | None = None


def tool_calls_of(
    pieces: Iterable[Piece],
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
) -> Filled:
    """Make the tool_calls frame of transcripts, one session after the other."""
    table = Table(_SCHEMA.select(columns, exclude))
    calls = calls_of(pieces)
    while batch := list(islice(calls, LINES_PER_BATCH)):
        table.add(len(batch), _values(batch, table))
    return finish(table, _SCHEMA, Report())


def call_turns(pieces: Iterable[Piece]) -> Iterator[tuple[str | None, int | None]]:
    """Return session and turn of every call."""
    for call in calls_of(pieces):
        yield call.session_id, call.turn


def call_failures(pieces: Iterable[Piece]) -> Iterator[bool]:
    """Return for every call whether it is known to have failed."""
    for call in calls_of(pieces):
        yield call.result is not None and bool(call.result.is_error)


def tool_calls_df(
    source: Any = None,
    *,
    client: Any = None,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    since: int | None = None,
    jobs: int = 8,
    progress: bool = False,
    to: Library = "pandas",
) -> pd.DataFrame:
    """Return the tool calls of sessions: one row per call, joined with its result.

    Arguments, errors and warnings are those of `events_df`.
    """
    library(to)
    gathered = Gathered(source, client=client, since=since, jobs=jobs, progress=progress)
    return deliver(gathered.read("tool_calls", tool_calls_of, columns, exclude), to)


def tool_calls_from_events(
    events: Events,
    *,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    to: Library = "pandas",
) -> pd.DataFrame:
    """Find the tool calls in events, each with its result.

    Args:
        events: an events frame, `StreamEvent` objects, or bytes of SSE bodies.
        columns: only these columns.
        exclude: all columns but these.
        to: "pandas", "polars" or "arrow".

    Returns:
        The tool_calls frame. A call without a result has `has_result` False and `is_error`
        NA; a result without a call is in messages only. Times are those of the lines
        where the agent writes any, else of the events: of their creation, which the embedded
        service adds, or of their arrival, which a followed session knows.
    """
    library(to)
    return deliver(derived(tool_calls_of, events, columns, exclude), to)


def calls_of(pieces: Iterable[Piece]) -> Iterator[PairedCall]:
    """Find the tool calls of transcripts, each with its result, when its turn is read."""
    calls: list[PairedCall] = []
    waiting: dict[str, PairedCall] = {}
    at: tuple[str | None, int | None] | None = None
    for piece in pieces:
        if at != (piece.session_id, piece.turn):
            # ids are unique within a turn only: Codex counts from 0 in each
            waiting.clear()
            yield from calls
            calls = []
            at = (piece.session_id, piece.turn)
        for index, entry in _calls_and_results(piece.entries):
            order, time = piece.first_order + index, piece.times[index]
            if entry.block == "tool_use":
                call = PairedCall(piece.session_id, piece.turn, order, entry, time)
                calls.append(call)
                if entry.tool_use_id is not None:
                    waiting[entry.tool_use_id] = call
            elif entry.block == "tool_result" and entry.tool_use_id in waiting:
                call = waiting.pop(entry.tool_use_id)
                call.result, call.result_order, call.returned_at = entry, order, time
    yield from calls


def _calls_and_results(entries: Sequence[Entry]) -> Iterator[tuple[int, Entry]]:
    """Return the entries of calls and results, and where they stand."""
    if not isinstance(entries, Spoken):
        yield from ((i, one) for i, one in enumerate(entries) if one.block in _CALL_BLOCKS)
        return
    found = entries.blocks
    yield from ((i, entries.entry(i)) for i, one in enumerate(found) if one.type in _CALL_BLOCKS)


def _values(calls: list[PairedCall], table: Table) -> dict[str, Any]:
    outputs = [None if call.result is None else call.result.text for call in calls]
    values: dict[str, Any] = {
        "session_id": [call.session_id for call in calls],
        "turn": [call.turn for call in calls],
        "tool_use_id": [call.entry.tool_use_id for call in calls],
        "message_id": [call.entry.message_id for call in calls],
        "parent_tool_use_id": [call.entry.parent_tool_use_id for call in calls],
        "order": [call.order for call in calls],
        "result_order": [call.result_order for call in calls],
        "tool": [call.entry.tool for call in calls],
        "input": [call.entry.input_json for call in calls],
        "output": outputs,
        "output_chars": [None if text is None else len(text) for text in outputs],
        "is_error": [None if call.result is None else call.result.is_error for call in calls],
        "has_result": [call.result is not None for call in calls],
        "called_at": [call.called_at for call in calls],
        "returned_at": [call.returned_at for call in calls],
        "duration_s": [seconds_between(call.called_at, call.returned_at) for call in calls],
    }
    if "summary" in table:
        values["summary"] = [_summary(call.entry) for call in calls]
    return values


def _summary(entry: Entry) -> str | None:
    return one_line(summary(entry.tool, entry.input), _SUMMARY_CHARS) or None
