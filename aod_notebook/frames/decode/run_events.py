"""The run_events frame: what a reported or hosted run did, event by event."""

import re
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
import numpy as np
import pandas as pd

from aod_notebook.frames.decode.wire import as_chunks
from aod_notebook.frames.exchange import Library, library
from aod_notebook.frames.native import (
    ROWS_PER_BATCH,
    Table,
    bytes_array,
    constant,
    time_array,
)
from aod_notebook.frames.report import Report, deliver, finish
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.transcripts._json import loads

_SCHEMA = SCHEMAS["run_events"]
_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_NOTHING = msgspec.Raw()


class RunEvent(msgspec.Struct, gc=False):
    """One event of a run on the wire; the payload stays undecoded."""

    type: str | None = None
    id: str | int | None = None
    run_id: str | None = None
    sequence_number: _Int64 | None = None
    level: str | None = None
    occurred_at: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    kind: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    duration_ms: _Int64 | None = None
    payload: msgspec.Raw = _NOTHING


class _Payload(msgspec.Struct, gc=False):
    """The fields of a payload that have columns of their own."""

    tool: str | None = None
    model: str | None = None
    input_tokens: _Int64 | None = None
    output_tokens: _Int64 | None = None
    cache_read_tokens: _Int64 | None = None
    cache_creation_tokens: _Int64 | None = None
    error: Any = None


class _Envelope(msgspec.Struct):
    data: list[RunEvent] | msgspec.UnsetType | None = msgspec.UNSET


_PAYLOAD_NAMES = _Payload.__struct_fields__[:-1]
_envelope_decoder = msgspec.json.Decoder(_Envelope)
_list_decoder = msgspec.json.Decoder(list[RunEvent])
_event_decoder = msgspec.json.Decoder(RunEvent)
_payload_decoder = msgspec.json.Decoder(_Payload)
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},]', re.DOTALL)
"""Strings, which may hold brackets, and what shows how JSON is nested."""
_LIST = re.compile(rb"\s*:\s*\[")
_OPENS, _CLOSES = (b"[", b"{"), (b"]", b"}")
_EMPTY = _Payload()


def decode_run_events(
    body: bytes | str | Iterable[bytes],
    run_id: str | None = None,
    *,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    to: Library = "pandas",
) -> pd.DataFrame:
    """Decode the events of a run to the run_events frame.

    Args:
        body: a JSON body `{"data": [...]}`, a JSON list, or one event per line; bytes, text
            or chunks of bytes.
        run_id: run of the rows; by default what the events say.
        columns: only these columns.
        exclude: all columns but these; `exclude=["payload"]` saves most of the memory.
        to: "pandas", "polars" or "arrow".

    Returns:
        One row per event. `order` is the service's `sequence_number`, or the position where
        it gives none. Tool, model, tokens and error are taken from the payload.

    Warns:
        FrameWarning: events could not be read.

    Example:
        >>> body = b'{"data": [{"type": "tool.called", "payload": {"tool": "ls"}}]}'
        >>> decode_run_events(body, "r1")[["run_id", "order", "type", "tool"]]
          run_id  order         type tool
        0     r1      1  tool.called   ls
    """
    library(to)
    report = Report()
    table = Table(_SCHEMA.select(columns, exclude))
    add_run_events(table, _whole(body), run_id, report)
    return deliver(finish(table, _SCHEMA, report), to)


def add_run_events(
    table: Table, body: bytes, run_id: str | None, report: Report, before: int = 0
) -> int | None:
    """Add the events of a body to a table; return the number of the last one, if it has one.

    Args:
        table: where the rows go.
        body: the events.
        run_id: their run.
        report: what could not be read is noted there.
        before: so many events of the run are in the table.
    """
    events = _read(body, report, run_id or "")
    for start in range(0, len(events), ROWS_PER_BATCH):
        batch = events[start : start + ROWS_PER_BATCH]
        table.add(len(batch), _values(batch, before + start, run_id, table))
    return events[-1].sequence_number if events else None


def _whole(body: bytes | str | Iterable[bytes]) -> bytes:
    if isinstance(body, str):
        return body.encode(errors="replace")
    return b"".join(as_chunks(body))


def _read(body: bytes, report: Report, where: str) -> list[RunEvent]:
    """Find the events of a body, whichever of its forms it has."""
    start = body.lstrip()[:1]
    if not start:
        return []
    try:
        if start == b"[":
            return _list_decoder.decode(body)
        data = _envelope_decoder.decode(body).data
        if isinstance(data, list):
            return data
        if data is None:
            report.cut("the service answered with an error", where)
            return []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    return [event for item in _items(body) if (event := _one(item, report, where)) is not None]


def _items(body: bytes) -> list[bytes]:
    """Cut a body that is not plain JSON into its events, without looking into them."""
    start = body.lstrip()[:1]
    if start == b"[":
        return _elements(body, body.index(b"["))[0]
    lines = [line for line in body.split(b"\n") if line.strip()]
    if start != b"{":
        return lines
    end = _elements(body, body.index(b"{"))[1]
    if end is not None and body[end:].strip():
        return lines
    at = _data_list(body)
    if at is not None:
        return _elements(body, at)[0]
    # one object on several lines is one event; a torn line does not take the next ones along
    is_one = end is not None or any(line.lstrip()[:1] != b"{" for line in lines)
    return [body] if is_one else lines


def _data_list(body: bytes) -> int | None:
    """Find where the list in `{"data": [...]}` begins."""
    depth = 0
    for token in _TOKEN.finditer(body):
        kind = token[0]
        if kind in _OPENS:
            depth += 1
        elif kind in _CLOSES:
            depth -= 1
            if not depth:
                return None
        elif depth == 1 and kind == b'"data"':
            found = _LIST.match(body, token.end())
            if found is not None:
                return found.end() - 1
    return None


def _elements(body: bytes, start: int) -> tuple[list[bytes], int | None]:
    """Cut a list into its elements by its brackets; also say where it ends, if it does."""
    depth, begin, items, end = 0, start + 1, [], None
    for token in _TOKEN.finditer(body, start):
        kind = token[0]
        if kind in _OPENS:
            depth += 1
        elif kind in _CLOSES:
            depth -= 1
        if not depth or (depth == 1 and kind == b","):
            items.append(body[begin : token.start()])
            begin = token.end()
        if not depth:
            end = begin
            break
    else:
        items.append(body[begin:])
    return [item for item in items if item.strip()], end


def _one(item: bytes, report: Report, where: str) -> RunEvent | None:
    try:
        return _event_decoder.decode(item)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    value = loads(item.decode(errors="replace"))
    if not isinstance(value, dict):
        report.drop("an event is not a JSON object", where, item.strip())
        return None
    return _fitting(value)


def _fitting(value: dict[str, Any]) -> RunEvent:
    """Take the fields of an event that are of their usual types."""
    event = RunEvent()
    for name in RunEvent.__struct_fields__:
        if name == "payload":
            event.payload = msgspec.Raw(msgspec.json.encode(value.get(name)))
        elif name in value:
            try:
                setattr(event, name, getattr(msgspec.convert({name: value[name]}, RunEvent), name))
            except msgspec.ValidationError:
                continue
    return event


def _values(events: list[RunEvent], start: int, run_id: str | None, table: Table) -> dict[str, Any]:
    count = len(events)
    payloads = [bytes(event.payload) for event in events]
    promoted = _promoted(payloads)
    ids = [event.id for event in events]
    errors = [payload.error for payload in promoted]
    values: dict[str, Any] = {  # by comprehensions: getters take twice as long
        "event_id": [v if v is None or isinstance(v, str) else str(v) for v in ids],
        "type": [event.type for event in events],
        "level": [event.level for event in events],
        "span_id": [event.span_id for event in events],
        "parent_span_id": [event.parent_span_id for event in events],
        "kind": [event.kind for event in events],
        "duration_ms": [event.duration_ms for event in events],
        "tool": [payload.tool for payload in promoted],
        "model": [payload.model for payload in promoted],
        "input_tokens": [payload.input_tokens for payload in promoted],
        "output_tokens": [payload.output_tokens for payload in promoted],
        "cache_read_tokens": [payload.cache_read_tokens for payload in promoted],
        "cache_creation_tokens": [payload.cache_creation_tokens for payload in promoted],
        "error": errors if errors.count(None) == count else [_error(value) for value in errors],
    }
    times = {
        "occurred_at": [event.occurred_at for event in events],
        "started_at": [event.started_at for event in events],
        "ended_at": [event.ended_at for event in events],
    }
    values |= {name: time_array(given) for name, given in times.items() if name in table}
    if run_id is None:
        values["run_id"] = [event.run_id for event in events]
    else:
        values["run_id"] = constant(run_id, count, _SCHEMA["run_id"])
    numbers = [event.sequence_number for event in events]
    if None in numbers:
        values["order"] = np.arange(start + 1, start + count + 1)
    else:
        values["order"] = numbers
    if "payload" in table:
        values["payload"] = _texts(payloads)
    return values


def _texts(payloads: list[bytes]) -> Any:
    if not all(payloads):
        return [text.decode(errors="replace") or None for text in payloads]
    return bytes_array(payloads, _SCHEMA["payload"])


def _promoted(payloads: list[bytes]) -> list[_Payload]:
    # a payload on several lines, or one that is not an object, is read on its own
    try:
        found = _payload_decoder.decode_lines(b"\n".join(payloads))
        if len(found) == len(payloads):
            return found
    except (msgspec.DecodeError, RecursionError):
        pass
    return [_payload(text) for text in payloads]


def _payload(text: bytes) -> _Payload:
    try:
        return _payload_decoder.decode(text)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return _EMPTY
    payload = _Payload()
    for name in (*_PAYLOAD_NAMES, "error") if isinstance(value, dict) else ():
        if name in value:
            try:
                setattr(
                    payload, name, getattr(msgspec.convert({name: value[name]}, _Payload), name)
                )
            except msgspec.ValidationError:
                continue
    return payload


def _error(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict) and isinstance(value.get("message"), str):
        return str(value["message"])
    return msgspec.json.encode(value).decode()
