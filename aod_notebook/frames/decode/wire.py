"""Bytes of SSE bodies to Arrow, in bulk."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from itertools import repeat
from operator import attrgetter
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aod_notebook.contract import EVENT_TYPES
from aod_notebook.core.sse import BlockCutter, SSEDecoder
from aod_notebook.frames.native import (
    ROWS_PER_BATCH,
    Table,
    arrow_array,
    constant,
    nulls,
    text_array,
    time_array,
)
from aod_notebook.frames.report import Report
from aod_notebook.frames.schema import SCHEMAS, Column

_BATCH_BYTES = 1 << 16
NAMELESS = "message"
"""Type of an event without one in its JSON, as the SSE standard calls it."""
_KNOWN = frozenset(EVENT_TYPES)
_EVENTS = SCHEMAS["events"]


class WireEvent(msgspec.Struct, gc=False):
    """Any event of the stream: the fields of all types side by side."""

    type: str | None = None
    id: int | None = None
    turn: int | None = None
    stream: str | None = None
    data: str | None = None
    stage: str | None = None
    state: str | None = None
    duration_ms: int | None = None
    code: int | None = None
    message: str | None = None
    session_id: str | None = None
    created_at: str | None = None
    recorded_at: str | None = None


_INTS = frozenset({"id", "turn", "duration_ms", "code"})
_MAX_INT = 2.0**63


class _UsualEvent(WireEvent, gc=False):
    """An event of known words only; these are shared, not made again for every event."""

    type: Literal["start", "stage", "turn_start", "output", "exit", "error", "terminated", "stale"]
    stream: Literal["stdout", "stderr"] | None = None


_FIELDS = WireEvent.__struct_fields__
_decoder = msgspec.json.Decoder(WireEvent)
_usual_decoder = msgspec.json.Decoder(_UsualEvent)
_ELSEWHERE = {
    "stage": attrgetter("stage"),
    "state": attrgetter("state"),
    "duration_ms": attrgetter("duration_ms"),
    "exit_code": attrgetter("code"),
    "message": attrgetter("message"),
}
_type_of = attrgetter("type")
_FRAMING = re.compile(rb"\n\n(?:: heartbeat\n\n)*(?:id: \d+\n)?data: (?=\{)")
"""What stands before the JSON of a usual event; anything else stays, and is not JSON."""


def as_chunks(value: Iterable[bytes] | bytes) -> Iterable[bytes]:
    """Return chunks of bytes of what may be bytes itself."""
    return [bytes(value)] if isinstance(value, bytes | bytearray | memoryview) else value


def sliced(chunks: Iterable[bytes] | bytes) -> Iterator[bytes]:
    """Cut chunks of more than 512 KiB into slices of 64 KiB."""
    for chunk in as_chunks(chunks):
        if len(chunk) <= 8 * _BATCH_BYTES:
            yield chunk
            continue
        view = memoryview(chunk)
        for start in range(0, len(chunk), _BATCH_BYTES):
            yield bytes(view[start : start + _BATCH_BYTES])


def joined(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Join pieces to at least 32 KiB each, but the last."""
    waiting: list[bytes] = []
    length = 0
    for piece in pieces:
        waiting.append(piece)
        length += len(piece)
        if 2 * length >= _BATCH_BYTES:
            yield b"".join(waiting)
            waiting, length = [], 0
    yield b"".join(waiting)


_WRITTEN_BYTES = 2**20


class EventRows:
    """Collects events and writes them to a table, 8,192 or 1 MiB at a time."""

    def __init__(self, table: Table, report: Report, session_id: str | None) -> None:
        self.table = table
        self.report = report
        self._given_id = self._session_id = session_id
        self._rows: list[WireEvent] = []
        self._bytes = 0
        self._raws: dict[int, str] = {}
        self._received: list[float] = []
        self._order = 0
        self.last_type: str | None = None

    def add_block(self, block: bytes) -> bool:
        """Add the events of a block of SSE lines, if all have the usual form and types."""
        text, count = _json_lines(block)
        try:
            events = _usual_decoder.decode_lines(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False
        if len(events) != count:
            return False
        self._bytes += len(block)
        self._take(events)
        return True

    def add_lines(self, lines: list[bytes]) -> None:
        """Add events given as the JSON of their `data:` lines."""
        if not lines:
            return
        try:
            events = _decoder.decode_lines(b"\n".join(lines))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            events = []
        if len(events) != len(lines):
            self._add_one_by_one(lines)
            return
        if not _KNOWN.issuperset(map(_type_of, events)):
            first = len(self._rows)
            for index, event in enumerate(events):
                if event.type not in _KNOWN:
                    event.type = event.type or NAMELESS
                    self._raws[first + index] = lines[index].decode(errors="replace")
        self._take(events)

    def add(self, event: WireEvent, raw: str | None, received_at: float | None) -> None:
        """Add one event; `received_at` is in seconds since 1970."""
        if raw is not None:
            self._raws[len(self._rows)] = raw
        if received_at is not None:
            self._received.append(received_at)
        self._take([event])

    def _take(self, events: Sequence[WireEvent]) -> None:
        self._rows += events
        if len(self._rows) >= ROWS_PER_BATCH or self._bytes >= _WRITTEN_BYTES:
            self._write()

    def close(self) -> None:
        """Write what is left."""
        self._write()

    def _add_one_by_one(self, lines: list[bytes]) -> None:
        for line in lines:
            try:
                event = _decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                odd = self._odd(line)
                if odd is None:
                    continue
                event = odd
            if event.type is None:
                event.type = NAMELESS
            known = event.type in _KNOWN
            self.add(event, None if known else line.decode(errors="replace"), None)

    def _odd(self, line: bytes) -> WireEvent | None:
        """Return the usable fields of an event with some of unexpected types."""
        try:
            value = json.loads(line.decode(errors="replace"))
        except (ValueError, RecursionError):
            self.report.drop("an event is not JSON", self._session_id or "", line)
            return None
        if not isinstance(value, dict):
            self.report.drop("an event is not a JSON object", self._session_id or "", line)
            return None
        return wire_event(value)

    def _write(self) -> None:
        rows, self._rows, self._bytes = self._rows, [], 0
        if not rows:
            return
        count = len(rows)
        types = [row.type for row in rows]
        others = []
        if types.count("output") != count:
            others = [(i, rows[i]) for i, kind in enumerate(types) if kind != "output"]
        values: dict[str, Any] = {"order": np.arange(self._order + 1, self._order + count + 1)}
        values["event_id"] = arrow_array([row.id for row in rows], _EVENTS["event_id"])
        values |= self._everywhere(rows)
        self._note_last_id(values["event_id"], others)
        if others:
            values |= self._sparse(count, others)
        values["type"] = _steady(types, _EVENTS["type"])
        values["session_id"] = self._session_ids(count, others)
        if self._raws:
            values["raw"] = [self._raws.get(index) for index in range(count)]
            self._raws = {}
        if self._received:
            values["received_at"] = [round(seconds * 1e6) for seconds in self._received]
            self._received = []
        self._order += count
        self.last_type = rows[-1].type
        self.table.add(count, values)

    def _everywhere(self, rows: list[WireEvent]) -> dict[str, Any]:
        """Return the columns that any event may have, by comprehensions: getters take twice as long."""
        values: dict[str, Any] = {}
        if "turn" in self.table:
            values["turn"] = _steady([row.turn for row in rows], _EVENTS["turn"])
        if "stream" in self.table:
            values["stream"] = _steady([row.stream for row in rows], _EVENTS["stream"])
        if "data" in self.table:
            values["data"] = text_array([row.data for row in rows], _EVENTS["data"])
        if "created_at" in self.table:
            values["created_at"] = time_array([row.created_at for row in rows])
        if "recorded_at" in self.table:
            values["recorded_at"] = time_array([row.recorded_at for row in rows])
        return values

    def _sparse(self, count: int, others: list[tuple[int, WireEvent]]) -> dict[str, list[Any]]:
        """Return the columns that an output leaves empty."""
        values = {}
        for column, read in _ELSEWHERE.items():
            given = [(index, read(row)) for index, row in others]
            if column in self.table and any(value is not None for _, value in given):
                values[column] = [None] * count
                for index, value in given:
                    values[column][index] = value
        return values

    def _note_last_id(self, ids: pa.Array, others: list[tuple[int, WireEvent]]) -> None:
        # turn_start borrows the id of the output that follows it, which may never come
        borrowed = [index for index, row in others if row.type == "turn_start"]
        if borrowed:
            owned = np.ones(len(ids), dtype=bool)
            owned[borrowed] = False
            ids = ids.filter(pa.array(owned))
        last = pc.max(ids).as_py()
        if last is not None:
            before = self.report.last_event_id
            self.report.last_event_id = last if before is None else max(before, last)

    def _session_ids(self, count: int, others: list[tuple[int, WireEvent]]) -> Any:
        """Session of each row: as given, else as the last `start` before it says."""
        starts = []
        if self._given_id is None:
            starts = [(i, row.session_id) for i, row in others if row.type == "start"]
            starts = [(i, session_id) for i, session_id in starts if session_id]
        if not starts:
            return _constant(self._session_id, count, _EVENTS["session_id"])
        ids: list[str | None] = []
        ends = [*(i for i, _ in starts[1:]), count]
        for (position, session_id), end in zip(starts, ends, strict=True):
            ids += repeat(self._session_id, position - len(ids))
            self._session_id = session_id
            ids += repeat(session_id, end - position)
        return ids


def _json_lines(block: bytes) -> tuple[bytes, int]:
    """Return the JSON of the events of a block of SSE lines, a line each, and their number."""
    lines = BytesIO(block).readlines()  # by memchr, so faster than an expression
    marks, data, blanks = lines[0::3], lines[1::3], lines[2::3]
    count = len(data)
    if len(lines) == 3 * count and blanks.count(b"\n") == count:
        # what sorts between these begins with the first, and no mark is more data
        has_objects = min(data) >= b"data: {" and max(data) < b"data: |"
        if has_objects and min(marks) >= b"id: ":
            return b"".join([line[6:] for line in data]), count
    return _FRAMING.subn(b"\n", b"\n\n" + block)


def _steady(values: list[Any], column: Column) -> pa.Array:
    """Make an Arrow array of what is mostly one value repeated, which is made at once."""
    first = values[0]
    if values.count(first) == len(values):
        return _constant(first, len(values), column)
    return arrow_array(values, column)


def _constant(value: Any, count: int, column: Column) -> pa.Array:
    return nulls(count, column) if value is None else constant(value, count, column)


def wire_event(value: dict[str, Any]) -> WireEvent:
    """Make an event of a decoded object; fields of an unexpected type are left out."""
    try:
        return msgspec.convert(value, WireEvent)
    except msgspec.ValidationError:
        pass
    event = WireEvent()
    for name in _FIELDS:
        given = value.get(name)
        wants_int = name in _INTS
        if wants_int and isinstance(given, float) and abs(given) < _MAX_INT:
            given = int(given)
        if isinstance(given, int if wants_int else str) and not isinstance(given, bool):
            setattr(event, name, given)
    return event


def read_bodies(chunks: Iterable[bytes] | bytes, rows: EventRows) -> None:
    """Feed the bytes of SSE bodies, cut anywhere, to the rows."""
    cutter = BlockCutter()
    read_blocks((cutter.feed(piece) for piece in joined(sliced(chunks))), rows)


def read_blocks(blocks: Iterable[bytes], rows: EventRows) -> None:
    """Feed blocks of whole events to the rows.

    Events of the usual form (an id, one `data:` line with an object, a blank line) are
    decoded a block at a time; a block with anything else in it goes through `SSEDecoder`.
    """
    for block in joined(blocks):
        if block and not rows.add_block(block):
            rows.add_lines(SSEDecoder().feed(block).data)
    rows.close()
