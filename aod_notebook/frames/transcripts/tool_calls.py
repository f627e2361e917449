"""The tool_calls frame: a row per call, joined with its result."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec
import pandas as pd

from aod_notebook.frames.exchange import Library, library
from aod_notebook.frames.native import LINES_PER_BATCH, Table
from aod_notebook.frames.report import Filled, Report, deliver, finish
from aod_notebook.frames.rows import seconds_between
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.frames.sources import Events, Gathered, derived
from aod_notebook.frames.transcripts.pieces import Piece
from aod_notebook.transcripts import (
    Entry,
    Spoken,
    ToolResult,
    ToolUse,
    arguments,
    one_line,
    summary,
)

_SCHEMA = SCHEMAS["tool_calls"]
_SUMMARY_CHARS = 500
_PLAIN = (
    "session_id",
    "turn",
    "tool_use_id",
    "message_id",
    "parent_tool_use_id",
    "order",
    "result_order",
    "tool",
    "output",
    "is_error",
    "has_result",
    "called_at",
    "returned_at",
)
"""The columns that a call has by the same name."""


class PairedCall(msgspec.Struct, gc=False):
    """A tool call; what is known once its result is there is None until then."""

    session_id: str | None
    turn: int | None
    order: int
    tool_use_id: str | None
    message_id: str | None
    parent_tool_use_id: str | None
    tool: str | None
    input_json: str | None
    called_at: int | None
    has_result: bool = False
    result_order: int | None = None
    output: str | None = None
    is_error: bool | None = None
    returned_at: int | None = None

    @property
    def input(self) -> dict[str, Any] | None:
        """The decoded arguments; None if there are none or they are not an object."""
        return arguments(self.input_json)

    def end(self, result: Entry | ToolResult, order: int, at: int | None) -> None:
        """Take the result, its place in the transcript, and when it came about."""
        self.has_result, self.result_order, self.returned_at = True, order, at
        self.output, self.is_error = result.text, result.is_error


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
        yield bool(call.is_error)


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
        entries = piece.entries
        blocks: Sequence[Any] = entries.blocks if isinstance(entries, Spoken) else entries
        for index, block in enumerate(blocks):
            if block.block == "tool_use":
                call = _call(piece, index, block)
                calls.append(call)
                if call.tool_use_id is not None:
                    waiting[call.tool_use_id] = call
            elif block.block == "tool_result" and block.tool_use_id in waiting:
                call = waiting.pop(block.tool_use_id)
                call.end(block, piece.first_order + index, piece.times[index])
    yield from calls


def _call(piece: Piece, index: int, block: Entry | ToolUse) -> PairedCall:
    entries = piece.entries
    if isinstance(entries, Spoken):
        message_id = entries.messages[index].id
        parent_id = entries.lines[index].parent_tool_use_id
    else:
        message_id, parent_id = entries[index].message_id, entries[index].parent_tool_use_id
    return PairedCall(
        piece.session_id,
        piece.turn,
        piece.first_order + index,
        block.tool_use_id,
        message_id,
        parent_id,
        block.tool,
        block.input_json,
        piece.times[index],
    )


def _values(calls: list[PairedCall], table: Table) -> dict[str, Any]:
    outputs = [call.output for call in calls]
    values: dict[str, Any] = {
        name: [getattr(call, name) for call in calls] for name in _PLAIN if name in table
    }
    values |= {
        "input": [call.input_json for call in calls],
        "output_chars": [None if text is None else len(text) for text in outputs],
        "duration_s": [seconds_between(call.called_at, call.returned_at) for call in calls],
    }
    if "summary" in table:
        values["summary"] = [_summary(call) for call in calls]
    return values


def _summary(call: PairedCall) -> str | None:
    return one_line(summary(call.tool, call.input), _SUMMARY_CHARS) or None
