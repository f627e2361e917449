"""From an events frame to the entries of its transcripts, turn by turn."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from aod_notebook.frames._native import ROWS_PER_BATCH
from aod_notebook.transcripts import Entry, Reader

_NO_TURN = -1
_NOTHING = -(2**63)


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
    data = pa.chunked_array(rows["data"].array.__arrow_array__())
    where = _Places(reader.line, rows)
    for start in range(0, len(rows), ROWS_PER_BATCH):
        batch = data.slice(start, ROWS_PER_BATCH).to_pylist()
        where.note([text.count("\n") if text else 0 for text in batch])
        entries = reader.feed("".join(text for text in batch if text))
        if entries:
            yield entries, *where.of(entries)
    rest = reader.flush()
    if rest:
        yield rest, *where.of(rest)


class _Places:
    """Knows which event of a turn completed which line."""

    def __init__(self, line: int, rows: pd.DataFrame) -> None:
        self._line = line
        self._last_lines = np.empty(0, dtype=np.int64)
        """For each event so far, the number of the last line that it completed."""
        self._older: list[npt.NDArray[np.int64]] = []
        self._ids = rows["event_id"].to_numpy(dtype=np.int64, na_value=_NOTHING)
        times = rows["received_at"]
        self._times = None
        if times.notna().any():
            self._times = times.to_numpy(dtype="datetime64[us]").astype(np.int64)

    def note(self, breaks: list[int]) -> None:
        """Take the numbers of line breaks in the next events."""
        lines = self._line + np.cumsum(breaks)
        self._older.append(self._last_lines)
        self._last_lines = lines
        self._line = int(lines[-1])

    def of(self, entries: list[Entry]) -> tuple[list[int | None], list[Any]]:
        """Give the ids of the entries' events, and the times of their receipt."""
        lines = np.array([entry.line for entry in entries])
        first = sum(len(part) for part in self._older)
        at = first + np.searchsorted(self._last_lines, lines)
        if entries[0].line <= (self._older[-1][-1] if len(self._older) > 1 else 0):
            # held back since an earlier batch
            at = np.searchsorted(np.concatenate([*self._older, self._last_lines]), lines)
        at = np.minimum(at, len(self._ids) - 1)
        ids = _optional(self._ids[at])
        return ids, [None] * len(ids) if self._times is None else _optional(self._times[at])


def _optional(values: npt.NDArray[np.int64]) -> list[int | None]:
    """The values as Python numbers; the smallest one, as in NaT, stands for none."""
    return [None if value == _NOTHING else value for value in values.tolist()]
