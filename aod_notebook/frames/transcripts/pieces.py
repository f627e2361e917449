"""From an events frame to the entries of its transcripts, turn by turn."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from aod_notebook.frames.native import LINES_PER_BATCH
from aod_notebook.frames.transcripts.line_array import LineArray
from aod_notebook.transcripts import Entry, Reader, Spoken

_Ints = npt.NDArray[np.int64]
_NO_TURN = -1
_BATCH = 1024
"""So many outputs are read together at most, which about fit in the cache."""
_SHORT = 256
"""Chunks of fewer outputs are joined."""
_NAMELESS = frozenset({"codex", "opencode"})
"""Runtimes that name no model in their lines."""
ModelOf = Callable[[str | None], str | None]
"""From a session's id to the model of its agent, None if that is unknown."""
_NOTHING = -(2**63)
NEEDED = (
    "session_id",
    "event_id",
    "type",
    "turn",
    "stream",
    "data",
    "stage",
    "state",
    "recorded_at",
    "created_at",
    "received_at",
)
"""The columns of events that transcripts are read from."""


def _unknown(_: str | None) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Piece:
    """Entries that follow one another in one turn; never empty."""

    session_id: str | None
    turn: int | None
    first_order: int
    """Position of the first entry in its session's transcript, from 1."""
    entries: Sequence[Entry]
    event_ids: Sequence[int | None] | _Ints
    """For each entry, the event that completed its line."""
    times: list[int | None]
    """For each entry, when it came about: as its line says, else when its event was created,
    else when that arrived (microseconds since 1970); None if no time is known."""
    runtime: str | None = None
    """Runtime of the session, as far as it was recognised."""
    model: str | None = None
    """Model of the session's agent, where that is known."""


def pieces(frames: Iterable[pd.DataFrame], model_of: ModelOf = _unknown) -> Iterator[Piece]:
    """Read the agent's stdout in events frames, each session on its own.

    `model_of` gives the model of a session's agent; it is asked for runtimes that name none.

    What a runtime leaves to the end of a turn is read when the turn changes and when the
    session's events end.
    """
    for events in frames:
        yield from _pieces(events, model_of)


def _pieces(events: pd.DataFrame, model_of: ModelOf) -> Iterator[Piece]:
    outputs, sessions = _outputs(events)
    changes = np.flatnonzero(np.diff(outputs.sessions)) + 1
    ends = [*changes.tolist(), len(outputs)] if len(outputs) else []
    for start, stop in pairwise([0, *ends]):
        session = int(outputs.sessions[start])
        read = _Transcript(None if session < 0 else str(sessions[session]), events, model_of)
        yield from read.feed(outputs.part(start, stop))
        yield from read.end_turn()


class GrowingPieces:
    """The pieces of one session, made as frames of its events arrive.

    Args:
        session_id: the session's id.
    """

    def __init__(self, session_id: str) -> None:
        self._session_id = session_id
        self._transcript: _Transcript | None = None
        self._pieces: list[Piece] = []
        self._rest: list[Piece] | None = None

    @property
    def has_begun(self) -> bool:
        """Whether there was any output; until then, `add` needs the events from the first one on."""
        return self._transcript is not None

    def add(self, events: pd.DataFrame) -> None:
        """Read further events."""
        outputs, _ = _outputs(events)
        if not len(outputs):
            return
        if self._transcript is None:
            self._transcript = _Transcript(self._session_id, events)
        self._pieces += self._transcript.feed(outputs)
        self._rest = None

    def so_far(self, model: str | None) -> list[Piece]:
        """Return the pieces that `pieces` would make of all these events.

        `model` is that of the session's agent, for runtimes that name none.
        """
        if self._rest is None:
            self._rest = [] if self._transcript is None else self._transcript.rest()
        read = [*self._pieces, *self._rest]
        if model is None:
            return read
        return [replace(one, model=model) if one.runtime in _NAMELESS else one for one in read]


class _Transcript:
    """Reads the outputs of one session, which may be given in several parts."""

    def __init__(
        self, session_id: str | None, events: pd.DataFrame, model_of: ModelOf = _unknown
    ) -> None:
        self._session_id, self._events, self._model_of = session_id, events, model_of
        self._reader = Reader()
        self._order = 1
        self._turn: int | None = None
        self._model: str | None = None
        self._where = _Places(0)

    def feed(self, outputs: "_Outputs") -> Iterator[Piece]:
        """Read outputs of this session."""
        changes = np.flatnonzero(np.diff(outputs.turns)) + 1
        for start, stop in pairwise([0, *changes.tolist(), len(outputs)]):
            part = outputs.part(start, stop)
            turn = int(part.turns[0])
            if turn != self._turn:
                yield from self._begin(turn)
            self._where.extend(part)
            for texts in part.batches():
                for entries in self._read(texts):
                    yield from self._made(entries)

    def _read(self, texts: pa.ChunkedArray) -> Iterator[Sequence[Entry]]:
        lines = LineArray.of(texts) if self._reader.is_between_lines else None
        if lines is not None:
            self._where.note(np.ones(len(lines), dtype=np.int64))
            yield from self._reader.read_lines(lines)
            return
        chunks = texts.to_pylist()
        self._where.note(np.array([text.count("\n") if text else 0 for text in chunks]))
        yield self._reader.feed("".join(text for text in chunks if text))

    def end_turn(self) -> Iterator[Piece]:
        """Read what the turn has left to its end."""
        yield from self._made(self._reader.flush())

    def rest(self) -> list[Piece]:
        """Return what `end_turn` would return, without ending the turn."""
        order = self._order
        pieces = list(self._made(self._reader.rest()))
        self._order = order
        return pieces

    def _begin(self, turn: int) -> Iterator[Piece]:
        if self._turn is not None:
            yield from self.end_turn()
        elif turn > 1 and not _is_whole(self._events, self._session_id, turn):
            self._reader.account.first_turn = turn
        self._events = self._events.iloc[:0]  # what comes before the first output is known
        self._turn, self._where = turn, _Places(self._reader.line)

    def _made(self, entries: Sequence[Entry]) -> Iterator[Piece]:
        if not entries:
            return
        if self._model is None and self._reader.runtime in _NAMELESS:
            self._model = self._model_of(self._session_id)
        yield Piece(
            self._session_id,
            None if self._turn == _NO_TURN else self._turn,
            self._order,
            entries,
            *self._where.of(entries),
            self._reader.runtime,
            self._model,
        )
        self._order += len(entries)


def pieces_of_lines(
    session_id: str,
    model: str | None,
    turns: Iterable[tuple[Sequence[bytes], Sequence[int | None]]],
) -> Iterator[Piece]:
    """Read a session from its lines, each of them an event, as `pieces` reads an events frame.

    `turns` has the lines of each turn and, in microseconds since 1970, their times.
    """
    reader, order, first = Reader(), 1, 1
    for turn, (lines, times) in enumerate(turns, 1):
        for entries in _in_batches(reader, lines):
            yield Piece(
                session_id,
                turn,
                order,
                entries,
                [one.line for one in entries],
                [
                    times[one.line - first] if (own := one.created_at) is None else own
                    for one in entries
                ],
                reader.runtime,
                model if reader.runtime in _NAMELESS else None,
            )
            order += len(entries)
        first += len(lines)


def _in_batches(reader: Reader, lines: Sequence[bytes]) -> Iterator[Sequence[Entry]]:
    """Read the lines of a turn; what is yielded is never empty."""
    for start in range(0, len(lines), LINES_PER_BATCH):
        batch = lines[start : start + LINES_PER_BATCH]
        # one by one: most lines of logs are of other kinds, which would be decoded twice
        entries = reader.feed_lines(line.decode(errors="replace") for line in batch)
        if entries:
            yield entries
    rest = reader.flush()
    if rest:
        yield rest


def _numbers(entries: Sequence[Entry]) -> _Ints:
    """Return the numbers of the entries' lines."""
    if isinstance(entries, Spoken):
        return np.arange(entries.numbers.start, entries.numbers.stop)
    return np.array([one.line for one in entries])


def _times(entries: Sequence[Entry]) -> list[int | None]:
    return entries.times if isinstance(entries, Spoken) else [one.created_at for one in entries]


def _is_whole(events: pd.DataFrame, session_id: str | None, turn: int) -> bool:
    """Check whether a session's events begin before `turn`, the first one that wrote to stdout."""
    ids = events["session_id"]
    is_mine = ids.isna() if session_id is None else ids == session_id
    mine = events[is_mine.to_numpy(bool, na_value=False)]
    if (mine["turn"] < turn).to_numpy(bool, na_value=False).any():
        return True
    until = int((mine["type"] == "output").to_numpy(bool, na_value=False).argmax())
    stages = mine.iloc[:until]
    starts = (stages["stage"] == "runtime_start") & (stages["state"] == "started")
    return int(starts.sum()) >= turn


@dataclass(frozen=True, slots=True)
class _Outputs:
    """What the agents wrote to stdout, session by session: columns of the same length."""

    sessions: _Ints
    """Numbers of the sessions; negative where there is none."""
    turns: _Ints
    event_ids: _Ints
    times: _Ints | None
    """Microseconds since 1970; None if no time is known at all."""
    rows: _Ints
    """Where their texts stand in `data`; increasing within a session."""
    data: pa.ChunkedArray
    chunk_ends: _Ints
    """The rows of `data` at which its chunks end."""

    def __len__(self) -> int:
        return len(self.turns)

    def part(self, start: int, stop: int) -> "_Outputs":
        """Return some of the outputs; nothing is copied."""
        here = slice(start, stop)
        times = self.times
        return _Outputs(
            self.sessions[here],
            self.turns[here],
            self.event_ids[here],
            None if times is None else times[here],
            self.rows[here],
            self.data,
            self.chunk_ends,
        )

    def batches(self) -> Iterator[pa.ChunkedArray]:
        """Return the texts, some at a time: where it can be, those that stand in one chunk of Arrow."""
        first_chunk, last_chunk = np.searchsorted(self.chunk_ends, self.rows[[0, -1]], "right")
        ends = self.chunk_ends[first_chunk : last_chunk + 1]
        start = 0
        for end in np.searchsorted(self.rows, ends).tolist():
            if end - start < _SHORT and end < len(self):
                continue  # as many looks at a growing session leave them
            for first in range(start, end, _BATCH):
                yield self._texts(first, min(first + _BATCH, end))
            start = end

    def _texts(self, start: int, stop: int) -> pa.ChunkedArray:
        rows = self.rows[start:stop]
        near = self.data.slice(rows[0], rows[-1] + 1 - rows[0])
        return near if len(near) == len(rows) else near.take(rows - rows[0])


def times_of(events: pd.DataFrame) -> "pd.Series[Any]":
    """Return when each event came about: in a replay when it was recorded, else as it is known."""
    made = events["recorded_at"].fillna(events["created_at"])
    return made.fillna(events["received_at"])


def _outputs(events: pd.DataFrame) -> tuple[_Outputs, Any]:
    """Take the outputs out of an events frame; also return the ids of the numbered sessions."""
    is_stdout = ((events["type"] == "output") & (events["stream"] == "stdout")).to_numpy(bool)
    rows = np.flatnonzero(is_stdout)
    codes, ids = pd.factorize(events["session_id"].array.take(rows), use_na_sentinel=True)
    data = pa.chunked_array(events["data"].array.__arrow_array__())
    at = rows
    if (np.diff(codes) < 0).any():  # sessions take turns: let each stand together
        by_session = np.argsort(codes, kind="stable")
        rows, codes = rows[by_session], codes[by_session]
        data, at = data.take(rows), np.arange(len(rows))
    known = times_of(events)
    times = None
    if known.notna().any():
        times = known.to_numpy(dtype="datetime64[us]").astype(np.int64)[rows]
    return _Outputs(
        codes,
        events["turn"].to_numpy(dtype=np.int64, na_value=_NO_TURN)[rows],
        events["event_id"].to_numpy(dtype=np.int64, na_value=_NOTHING)[rows],
        times,
        at,
        data,
        np.cumsum([len(chunk) for chunk in data.chunks]),
    ), ids


class _Places:
    """Knows which event of a turn completed which line."""

    def __init__(self, line: int) -> None:
        self._line = line
        self._last_lines = np.empty(0, dtype=np.int64)
        """For each event of the last batch, the number of the last line that it completed."""
        self._older: list[_Ints] = []
        """The same for earlier batches."""
        self._first = 0
        """How many events those have."""
        self._ids = self._times = np.empty(0, dtype=np.int64)

    def extend(self, outputs: _Outputs) -> None:
        """Take the next events of the turn."""
        times = outputs.times
        if times is None:
            times = np.full(len(outputs), _NOTHING)
        self._ids = _joined(self._ids, outputs.event_ids)
        self._times = _joined(self._times, times)

    def note(self, breaks: _Ints) -> None:
        """Take the numbers of line breaks in the next events."""
        self._older.append(self._last_lines)
        self._first += len(self._last_lines)
        self._last_lines = self._line + np.cumsum(breaks)
        self._line = int(self._last_lines[-1])

    def of(self, entries: Sequence[Entry]) -> tuple[Sequence[int | None] | _Ints, list[int | None]]:
        """Return the ids of the entries' events, and the entries' times."""
        lines = _numbers(entries)
        at = self._first + np.searchsorted(self._last_lines, lines)
        if lines[0] <= (self._older[-1][-1] if len(self._older) > 1 else 0):
            # held back since an earlier batch
            at = np.searchsorted(np.concatenate([*self._older, self._last_lines]), lines)
        at = np.minimum(at, len(self._ids) - 1)
        known: _Ints = self._ids[at]
        ids = _optional(known) if (known == _NOTHING).any() else known
        own = _times(entries)
        if None not in own:
            return ids, own
        of_events = _optional(self._times[at])
        if own.count(None) == len(own):
            return ids, of_events
        return ids, [
            of_event if time is None else time
            for time, of_event in zip(own, of_events, strict=True)
        ]


def _joined(before: _Ints, further: _Ints) -> _Ints:
    return np.concatenate([before, further]) if len(before) else further


def _optional(values: _Ints) -> list[int | None]:
    """Return the values as Python numbers; the smallest one, as in NaT, stands for none."""
    is_missing = values == _NOTHING
    if not is_missing.any():
        return [*values.tolist()]
    if is_missing.all():
        return [None] * len(values)
    return [None if value == _NOTHING else value for value in values.tolist()]
