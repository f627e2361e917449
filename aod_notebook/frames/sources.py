"""What a frame can be made of, and how it becomes events."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import pandas as pd

from aod_notebook.frames.events import events_of_bytes, events_of_stream
from aod_notebook.frames.protocols import Event, FollowedSession

Events = pd.DataFrame | Iterable[Event] | Iterable[bytes] | bytes | FollowedSession
"""An events frame, `StreamEvent`s, the bytes of SSE bodies, or a followed session."""


def events_frame(events: Events) -> pd.DataFrame:
    """Make an events frame of anything that holds a session's events.

    Raises:
        TypeError: the argument holds no events.
    """
    if isinstance(events, pd.DataFrame):
        missing = {"session_id", "type", "turn", "stream", "data"} - set(events.columns)
        if missing:
            raise TypeError(f"Not an events frame: it has no column {', '.join(sorted(missing))}")
        return _with_optional(events)
    if isinstance(events, bytes | bytearray | memoryview):
        return events_of_bytes(bytes(events)).frame
    if isinstance(events, FollowedSession):
        received = events.received()
        return events_of_stream(
            [event for event, _ in received], events.id, [time for _, time in received]
        ).frame
    return _of_iterable(iter(events))


def _of_iterable(items: Iterator[Any]) -> pd.DataFrame:
    first = next(items, None)
    if first is None:
        return events_of_bytes(b"").frame
    everything = chain([first], items)
    if isinstance(first, bytes | bytearray | memoryview):
        return events_of_bytes(everything).frame
    if hasattr(first, "type") and hasattr(first, "extra"):
        return events_of_stream(everything).frame
    raise TypeError(f"No events can be made of {type(first).__name__} objects")


def _with_optional(events: pd.DataFrame) -> pd.DataFrame:
    """Add the columns that a frame made with `columns=` or `exclude=` may lack."""
    lacking: dict[str, Any] = {}
    if "event_id" not in events:
        lacking["event_id"] = pd.array([pd.NA] * len(events), dtype="Int64")
    if "received_at" not in events:
        lacking["received_at"] = pd.array([pd.NaT] * len(events), dtype="datetime64[us, UTC]")
    return events.assign(**lacking) if lacking else events
