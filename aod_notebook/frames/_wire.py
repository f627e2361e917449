"""Bytes of SSE bodies to Arrow, in bulk (CONTRACT A.12)."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any

import msgspec
import numpy as np

from aod_notebook.core.sse import SSEDecoder
from aod_notebook.frames._deliver import Report
from aod_notebook.frames._native import ROWS_PER_BATCH, Table, constant, nulls
from aod_notebook.frames.schema import EVENT_TYPES, SCHEMAS

_BATCH_BYTES = 1 << 16
NAMELESS = "message"
"""Type of an event whose JSON has none, as the SSE standard calls it."""
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


_INTS = frozenset({"id", "turn", "duration_ms", "code"})
_MAX_INT = 2.0**63
_FIELDS = WireEvent.__struct_fields__
_decoder = msgspec.json.Decoder(WireEvent)
_COLUMNS = {
    "event_id": "id",
    "type": "type",
    "turn": "turn",
    "stream": "stream",
    "data": "data",
    "stage": "stage",
    "state": "state",
    "duration_ms": "duration_ms",
    "exit_code": "code",
    "message": "message",
}


def sized(chunks: Iterable[bytes] | bytes) -> Iterator[bytes]:
    """Re-cut chunks to pieces of about 64 KiB: long ones are sliced, short ones joined."""
    waiting: list[bytes] = []
    length = 0
    for chunk in (chunks,) if isinstance(chunks, bytes | bytearray | memoryview) else chunks:
        if len(chunk) > _BATCH_BYTES:
            yield b"".join(waiting)
            waiting, length = [], 0
            view = memoryview(chunk)
            for start in range(0, len(chunk), _BATCH_BYTES):
                yield bytes(view[start : start + _BATCH_BYTES])
            continue
        waiting.append(bytes(chunk))
        length += len(chunk)
        if length >= _BATCH_BYTES:
            yield b"".join(waiting)
            waiting, length = [], 0
    yield b"".join(waiting)


class EventRows:
    """Collects events and writes them to a table, 8,192 at a time."""

    def __init__(self, table: Table, report: Report, session_id: str | None) -> None:
        self._table = table
        self._report = report
        self._given_id = self._session_id = session_id
        self._rows: list[WireEvent] = []
        self._raws: dict[int, str] = {}
        self._received: list[float] = []
        self._order = 0
        self.last_type: str | None = None

    def add_lines(self, lines: list[bytes]) -> None:
        """Add events given as the JSON of their `data:` lines."""
        try:
            events = _decoder.decode_lines(b"\n".join(lines))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            events = []
        if len(events) != len(lines):
            self._add_one_by_one(lines)
            return
        if not _KNOWN.issuperset({event.type for event in events}):
            first = len(self._rows)
            for index, event in enumerate(events):
                if event.type not in _KNOWN:
                    event.type = event.type or NAMELESS
                    self._raws[first + index] = lines[index].decode(errors="replace")
        self._rows += events
        if len(self._rows) >= ROWS_PER_BATCH:
            self._write()

    def add(self, event: WireEvent, raw: str | None, received_at: float | None) -> None:
        """Add one event; `received_at` is in seconds since 1970."""
        if raw is not None:
            self._raws[len(self._rows)] = raw
        if received_at is not None:
            self._received.append(received_at)
        self._rows.append(event)
        if len(self._rows) >= ROWS_PER_BATCH:
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
        """Take what can be taken of an event whose fields are not of their usual types."""
        try:
            value = json.loads(line.decode(errors="replace"))
        except (ValueError, RecursionError):
            self._report.drop("an event is not JSON", self._session_id or "", line)
            return None
        if not isinstance(value, dict):
            self._report.drop("an event is not a JSON object", self._session_id or "", line)
            return None
        return wire_event(value)

    def _write(self) -> None:
        rows, self._rows = self._rows, []
        if not rows:
            return
        count = len(rows)
        values: dict[str, Any] = {
            column: [getattr(row, name) for row in rows]
            for column, name in _COLUMNS.items()
            if column in self._table
        }
        ids = [row.id for row in rows if row.id is not None and row.type != "turn_start"]
        if ids:
            before = self._report.last_event_id
            self._report.last_event_id = max(ids) if before is None else max(before, *ids)
        values["order"] = np.arange(self._order + 1, self._order + count + 1)
        self._order += count
        values["session_id"] = self._session_ids(rows)
        if self._raws:
            values["raw"] = [self._raws.get(index) for index in range(count)]
            self._raws = {}
        if self._received:
            values["received_at"] = [round(seconds * 1e6) for seconds in self._received]
            self._received = []
        self.last_type = rows[-1].type
        self._table.add(count, values)

    def _session_ids(self, rows: Sequence[WireEvent]) -> Any:
        """Session of each row: as given, else as the last `start` before it says."""
        column = _EVENTS["session_id"]
        starts = []
        if self._given_id is None:
            starts = [i for i, row in enumerate(rows) if row.type == "start" and row.session_id]
        if not starts:
            if self._session_id is None:
                return nulls(len(rows), column)
            return constant(self._session_id, len(rows), column)
        ids: list[str | None] = []
        for position, following in zip(starts, [*starts[1:], len(rows)], strict=True):
            ids += repeat(self._session_id, position - len(ids))
            self._session_id = rows[position].session_id
            ids += repeat(self._session_id, following - position)
        return ids


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
    """Feed the bytes of SSE bodies to the rows."""
    decoder = SSEDecoder()
    for piece in sized(chunks):
        lines = decoder.feed(piece).data
        if lines:
            rows.add_lines(lines)
    rows.close()
