"""From an events frame to the entries of its transcripts, turn by turn."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from aod_notebook.frames._native import ROWS_PER_BATCH
from aod_notebook.transcripts import Entry, Reader

_NO_TURN = -1


@dataclass(frozen=True, slots=True)
class Piece:
    """Entries that follow one another in one turn; never empty."""

    session_id: str | None
    turn: int | None
    first_order: int
    """Position of the first entry in its session's transcript, from 1."""
    entries: list[Entry]
    event_ids: list[int | None]
    """For each entry, the event that completed its line."""
    received_at: list[Any]
    """For each entry, when that event arrived (microseconds since 1970), or None."""


def pieces(frames: Iterable[pd.DataFrame]) -> Iterator[Piece]:
    """Read the agent's stdout in events frames, each session on its own.

    What a runtime leaves to the end of a turn is read when the turn changes and when the
    session's events end.
    """
    for events in frames:
        yield from _pieces(events)


def _pieces(events: pd.DataFrame) -> Iterator[Piece]:
    is_stdout = ((events["type"] == "output") & (events["stream"] == "stdout")).to_numpy(bool)
    outputs = events.loc[is_stdout, ["session_id", "turn", "event_id", "data", "received_at"]]
    codes, ids = pd.factorize(outputs["session_id"], use_na_sentinel=True)
    by_session = np.argsort(codes, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(codes[by_session])) + 1, len(codes))
    start = 0
    for end in ends[ends > 0].tolist():
        code = codes[by_session[start]]
        session_id = None if code < 0 else str(ids[code])
        yield from _session(session_id, outputs.take(by_session[start:end]))
        start = end


def _session(session_id: str | None, rows: pd.DataFrame) -> Iterator[Piece]:
    turns = rows["turn"].to_numpy(dtype=np.int64, na_value=_NO_TURN)
    changes = [0, *(np.flatnonzero(np.diff(turns)) + 1).tolist(), len(rows)]
    reader = Reader()
    order = 1
    for start, stop in pairwise(changes):
        turn = int(turns[start])
        for entries, event_ids, received_at in _turn(reader, rows.iloc[start:stop]):
            yield Piece(
                session_id,
                None if turn == _NO_TURN else turn,
                order,
                entries,
                event_ids,
                received_at,
            )
            order += len(entries)


def _turn(
    reader: Reader, rows: pd.DataFrame
) -> Iterator[tuple[list[Entry], list[int | None], list[Any]]]:
    data = pa.chunked_array(rows["data"].array.__arrow_array__()).cast(pa.large_string())
    breaks = pc.count_substring(data.fill_null(""), "\n").to_numpy()
    last_line = reader.line + np.cumsum(breaks)
    event_ids = rows["event_id"].array
    received = rows["received_at"].to_numpy(dtype="datetime64[us]").astype(np.int64)
    is_known = rows["received_at"].notna().to_numpy()

    def located(entries: list[Entry]) -> tuple[list[Entry], list[int | None], list[Any]]:
        at = np.searchsorted(last_line, [entry.line for entry in entries])
        at = np.minimum(at, len(rows) - 1)
        ids = [None if value is pd.NA else int(value) for value in event_ids[at]]
        times = [int(received[i]) if is_known[i] else None for i in at]
        return entries, ids, times

    for start in range(0, len(rows), ROWS_PER_BATCH):
        batch = data.slice(start, ROWS_PER_BATCH).to_pylist()
        entries = reader.feed("".join(text for text in batch if text))
        if entries:
            yield located(entries)
    rest = reader.flush()
    if rest:
        yield located(rest)
