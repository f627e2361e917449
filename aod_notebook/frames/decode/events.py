"""The events frame."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pandas as pd

from aod_notebook.aod.events import MALFORMED
from aod_notebook.contract import EVENT_TYPES, FINAL_EVENTS
from aod_notebook.frames.checks import FrameError, shown
from aod_notebook.frames.decode.wire import (
    EventRows,
    read_blocks,
    read_bodies,
    wire_event,
)
from aod_notebook.frames.exchange import Library, library
from aod_notebook.frames.native import Table
from aod_notebook.frames.report import Framed, Report, deliver, finish
from aod_notebook.frames.schema import SCHEMAS

_SCHEMA = SCHEMAS["events"]


def events_of_bytes(
    chunks: Iterable[bytes] | bytes,
    session_id: str | None = None,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
) -> Framed:
    """Decode the bytes of one or more SSE bodies, cut anywhere, to the events frame."""
    rows = EventRows(Table(_SCHEMA.select(columns, exclude)), Report(), session_id)
    read_bodies(chunks, rows)
    return _finished(rows)


def events_of_blocks(blocks: Iterable[bytes], session_id: str) -> Framed:
    """Decode blocks of whole events, as a stream's `chunks` gives them, to the events frame."""
    rows = EventRows(Table(_SCHEMA.columns), Report(), session_id)
    read_blocks(blocks, rows)
    return _finished(rows)


def _finished(rows: EventRows) -> Framed:
    rows.report.complete = rows.last_type in FINAL_EVENTS
    return finish(rows.table, _SCHEMA, rows.report)


def events_of_stream(
    events: Iterable[Any],
    session_id: str | None = None,
    received_at: Sequence[float] | None = None,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
) -> Framed:
    """Make the events frame of `StreamEvent` objects; `received_at` in seconds since 1970."""
    decoded = Decoded(session_id, columns, exclude)
    decoded.add(events, received_at)
    return finish(decoded.table, _SCHEMA, decoded.report)


class Decoded:
    """`StreamEvent` objects as a table that grows with them.

    Attributes:
        table: the events so far.
        report: what is missing of them.
    """

    def __init__(
        self,
        session_id: str | None = None,
        columns: Iterable[str] | None = None,
        exclude: Iterable[str] = (),
    ) -> None:
        self.report = Report()
        self.table = Table(_SCHEMA.select(columns, exclude))
        self._session_id = session_id
        self._rows = EventRows(self.table, self.report, session_id)

    def add(self, events: Iterable[Any], received_at: Sequence[float] | None = None) -> None:
        """Add events; `received_at` is in seconds since 1970."""
        for index, event in enumerate(events):
            if not (hasattr(event, "type") and hasattr(event, "extra")):
                raise FrameError(f"events must be StreamEvent objects, not {shown(event)}")
            if event.type == MALFORMED:
                where, text = self._session_id or "", _raw(event.extra)
                self.report.drop("an event is not a JSON object", where, text)
                continue
            fields = {**event.extra, "type": event.type, "id": event.id}
            raw = None if event.type in EVENT_TYPES else _text(fields)
            came = None if received_at is None else received_at[index]
            self._rows.add(wire_event(fields), raw, came)
        self._rows.close()
        self.report.complete = self._rows.last_type in FINAL_EVENTS


def _raw(extra: dict[str, Any]) -> str:
    raw = extra.get("raw")
    return raw if isinstance(raw, str) else ""


def _text(fields: dict[str, Any]) -> str:
    return msgspec.json.encode({k: v for k, v in fields.items() if v is not None}).decode()


def decode_events(
    chunks: Iterable[bytes] | bytes,
    session_id: str | None = None,
    *,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    to: Library = "pandas",
) -> pd.DataFrame:
    r"""Decode the bytes of SSE bodies to the events frame.

    Args:
        chunks: bytes, or an iterable of bytes, cut anywhere.
        session_id: session of the rows; by default what the stream's `start` events say.
        columns: only these columns.
        exclude: all columns but these.
        to: "pandas", "polars" or "arrow".

    Returns:
        One row per event. `df.attrs["complete"]` says whether the stream reached the
        session's end, `["dropped"]` how many events could not be read.

    Warns:
        FrameWarning: events could not be read.

    Example:
        >>> body = b'id: 7\ndata: {"type": "output", "id": 7, "data": "hi"}\n\n'
        >>> decode_events([body], session_id="s1")[["order", "event_id", "type", "data"]]
           order  event_id    type data
        0      1         7  output   hi
    """
    library(to)
    return deliver(events_of_bytes(chunks, session_id, columns, exclude), to)
