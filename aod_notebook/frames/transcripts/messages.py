"""The messages frame: a row per content block of the transcripts."""

from collections.abc import Iterable, Sequence
from itertools import compress
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from aod_notebook.frames.exchange import Library, library
from aod_notebook.frames.native import LINES_PER_BATCH, Table, constant, text_array
from aod_notebook.frames.report import Filled, Report, deliver, finish
from aod_notebook.frames.schema import SCHEMAS, TOKENS
from aod_notebook.frames.sources import Events, Gathered, Models, derived
from aod_notebook.frames.transcripts.line_array import LineArray
from aod_notebook.frames.transcripts.pieces import Piece
from aod_notebook.transcripts import Entry, Message, Spoken, Usage

_SCHEMA = SCHEMAS["messages"]
_COLUMNS = {column.name: column for column in _SCHEMA.columns}
_FROM_ENTRY = {
    name: attrgetter(name)
    for name in (
        "line_type",
        "subtype",
        "message_id",
        "uuid",
        "parent_tool_use_id",
        "model",
        "block_index",
        "block",
        "text",
        "tool_use_id",
        "tool",
        "is_error",
        "stop_reason",
    )
}


def messages_of(
    pieces: Iterable[Piece],
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
) -> Filled:
    """Make the messages frame of transcripts, one session after the other."""
    table = Table(_SCHEMA.select(columns, exclude))
    tokens = _MessageTokens()
    waiting: list[Piece] = []
    count = 0
    for piece in pieces:
        tokens.note(piece.session_id, table.count + count, piece.entries)
        if isinstance(piece.entries, Spoken):
            table.add(count, _values(waiting, table))
            table.add(len(piece.entries), _spoken(piece, piece.entries, table))
            waiting, count = [], 0
            continue
        waiting.append(piece)
        count += len(piece.entries)
        if count >= LINES_PER_BATCH:
            table.add(count, _values(waiting, table))
            waiting, count = [], 0
    table.add(count, _values(waiting, table))
    for name, values in tokens.columns(table.count).items():
        if name in table:
            table.set(name, values)
    return finish(table, _SCHEMA, Report())


def messages_df(
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
    """Return the messages of sessions: one row per content block of their transcripts.

    Arguments, errors and warnings are those of `events_df`.
    `exclude=["raw"]` halves the size.
    """
    library(to)
    gathered = Gathered(source, client=client, since=since, jobs=jobs, progress=progress)
    return deliver(gathered.read("messages", messages_of, columns, exclude), to)


def messages_from_events(
    events: Events,
    *,
    models: Models = None,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    to: Library = "pandas",
) -> pd.DataFrame:
    """Read the transcripts in events: a row per content block.

    Args:
        events: an events frame, `StreamEvent` objects, or bytes of SSE bodies.
        models: the model where the runtime names none (Codex, opencode): one for all, or a
            mapping or a frame from `session_id` to `model`.
        columns: only these columns.
        exclude: all columns but these; `exclude=["raw"]` halves the size.
        to: "pandas", "polars" or "arrow".

    Returns:
        The messages frame. A line without content blocks is one row with `block` NA; a
        line that is not JSON has `line_type` "text". The token columns hold the usage of a
        message on its last row only, so that their sums are right.
    """
    library(to)
    return deliver(derived(messages_of, events, columns, exclude, models), to)


def _values(pieces: list[Piece], table: Table) -> dict[str, Any]:
    entries = [entry for piece in pieces for entry in piece.entries]
    values: dict[str, Any] = {
        name: list(map(read, entries)) for name, read in _FROM_ENTRY.items() if name in table
    }
    counted = [(piece, len(piece.entries)) for piece in pieces]
    values["order"] = [p.first_order + index for p, count in counted for index in range(count)]
    values["event_id"] = [number for piece in pieces for number in piece.event_ids]
    values["session_id"] = [p.session_id for p, count in counted for _ in range(count)]
    values["turn"] = [p.turn for p, count in counted for _ in range(count)]
    if any(piece.model is not None for piece in pieces):
        values["model"] = [_model(entry, piece) for piece in pieces for entry in piece.entries]
    values["created_at"] = [time for piece in pieces for time in piece.times]
    if "raw" in table:
        values["raw"] = [_raw(entry) for entry in entries]
    return values


def _spoken(piece: Piece, spoken: Spoken, table: Table) -> dict[str, Any]:
    """Return the columns of lines that hold a block each; none of their entries is made."""
    count, lines, messages, blocks = len(spoken), spoken.lines, spoken.messages, spoken.blocks
    values: dict[str, Any] = {
        "order": np.arange(piece.first_order, piece.first_order + count),
        "event_id": piece.event_ids,
        "created_at": piece.times,
        "line_type": [line.type for line in lines],
        "subtype": [line.subtype for line in lines],
        "uuid": [line.uuid for line in lines],
        "parent_tool_use_id": [line.parent_tool_use_id for line in lines],
        "message_id": [message.id for message in messages],
        "model": [message.model for message in messages],
        "stop_reason": [message.stop_reason for message in messages],
        "block": [block.block for block in blocks],
        "text": [block.text for block in blocks],
        "tool_use_id": [block.tool_use_id for block in blocks],
        "tool": [block.tool for block in blocks],
        "is_error": [block.is_error for block in blocks],
    }
    repeated = {"session_id": piece.session_id, "turn": piece.turn, "block_index": 0}
    for name, value in repeated.items():
        if name in table and value is not None:
            values[name] = constant(value, count, _COLUMNS[name])
    if "raw" in table:
        raws = spoken.raws
        values["raw"] = (
            raws.array() if isinstance(raws, LineArray) else text_array(raws, _COLUMNS["raw"])
        )
    return values


def _model(entry: Entry, piece: Piece) -> str | None:
    """Return the model that the line names, else the agent's, for the agent's own words."""
    is_own = entry.model is None and entry.line_type == "assistant"
    return piece.model if is_own else entry.model


def _raw(entry: Entry) -> str | None:
    if entry.block_index or entry.line_type == "text":
        return None
    return entry.raw or None


def _counts(report: Entry | Message) -> Usage:
    counts = report.counts if isinstance(report, Message) else report.usage
    return counts or Usage()


class _MessageTokens:
    """Finds the last row and the last usage of each message."""

    def __init__(self) -> None:
        self._session_id: str | None = None
        self._last_row: dict[str | None, int] = {}
        self._usages: dict[str | None, Usage] = {}
        self._rows: list[int] = []
        self._found: list[Usage] = []

    def note(self, session_id: str | None, first_row: int, entries: Sequence[Entry]) -> None:
        """Take the entries that become the rows from `first_row` on."""
        if session_id != self._session_id:
            self._end_session()
            self._session_id = session_id
        reports: Sequence[Entry | Message] = entries
        if isinstance(entries, Spoken):
            reports = entries.messages
            ids = [one.id for one in entries.messages]
        else:
            ids = [one.message_id for one in entries]
        usages = [one.usage for one in reports]
        if None in ids:  # such lines are messages of their own
            for row, one in enumerate(reports, first_row):
                if ids[row - first_row] is None and one.usage is not None:
                    self._rows.append(row)
                    self._found.append(_counts(one))
        self._last_row.update(zip(ids, range(first_row, first_row + len(ids)), strict=True))
        last = dict(compress(zip(ids, reports, strict=True), usages))
        self._usages.update({key: _counts(one) for key, one in last.items()})

    def columns(self, count: int) -> dict[str, pa.Array]:
        """Make the token columns, `count` rows long."""
        self._end_session()
        places, is_missing = np.zeros(count, dtype=np.int64), np.ones(count, dtype=bool)
        places[self._rows] = np.arange(len(self._rows))
        is_missing[self._rows] = False
        where = pa.array(places, mask=is_missing)
        return {
            name: pa.array(list(map(attrgetter(name), self._found)), pa.int64()).take(where)
            for name in TOKENS
        }

    def _end_session(self) -> None:
        self._usages.pop(None, None)
        self._rows += [self._last_row[key] for key in self._usages]
        self._found += self._usages.values()
        self._last_row.clear()
        self._usages.clear()
