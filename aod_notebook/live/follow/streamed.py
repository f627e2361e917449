"""Events of a run: as its service records them, and as the stream of an invoke sends them."""

from __future__ import annotations

import time
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


CALLS = {"tool.called": "calling", "tool.returned": "returned", "tool.failed": "failed"}
"""The status of a tool in the stream of an invoke, by the event that is recorded for it."""
MESSAGE = "agent.message"
"""What is recorded of the stream's chunks of text."""


class StreamedEvent(msgspec.Struct, frozen=True):
    """An event of a run, of one of the kinds that `viewers.run_rows` knows.

    Attributes:
        type: `tool.called`, `chunk`, `task`, `run`, ….
        extra: its other fields.
    """

    type: str
    extra: dict[str, Any]


class Streamed:
    """What the stream of an invoke has shown without a matching recorded event so far.

    A stream has no ids. Its calls of a tool are in the same order as the recorded
    ones, and its chunks one after another are the recorded messages.
    """

    def __init__(self) -> None:
        self._words = ""
        self._calls: dict[tuple[str, str], deque[int]] = {}  # their places, in order

    def take(self, event: StreamedEvent, place: int) -> None:
        """Record that the stream has shown an event, number `place` of the run."""
        if event.type == "chunk":
            self._words += str(event.extra.get("text") or "")
        elif event.type == "tool":
            key = str(event.extra.get("status")), str(event.extra.get("name"))
            self._calls.setdefault(key, deque()).append(place)

    def matched(
        self, events: Iterable[tuple[float, StreamedEvent]]
    ) -> tuple[dict[int, StreamedEvent], list[tuple[float, StreamedEvent]]]:
        """Separate the recorded events that the stream has shown from the others.

        What is recorded of other things is known to be shown no better than by its place: up to
        the last event that the stream has shown, it is what streams leave out.

        Args:
            events: the recorded events with their times, in their order.

        Returns:
            The calls that were shown, by their places in the story; what was missed, which begins
            with the rest of a message that the stream broke off in.
        """
        calls: dict[int, StreamedEvent] = {}
        missed: list[tuple[float, StreamedEvent]] = []
        for at, event in events:
            if event.type == MESSAGE:
                left = self._unsent(event)
                is_shown = left is not event
            else:
                left, place = event, self._place(event)
                is_shown = place is not None
                if place is not None:
                    calls[place], left = event, None
            if is_shown:
                missed = [each for each in missed if each[1].type in (*CALLS, MESSAGE)]
            if left is not None:
                missed.append((at, left))
        return calls, missed

    def _place(self, event: StreamedEvent) -> int | None:
        places = self._calls.get((CALLS.get(event.type, ""), str(_payload(event).get("tool"))))
        return places.popleft() if places else None

    def _unsent(self, event: StreamedEvent) -> StreamedEvent | None:
        """Return the part of a message that the stream has not sent: all, a chunk, or nothing."""
        text, words = str(_payload(event).get("text") or "").strip(), self._words.strip()
        if text and words.startswith(text):
            self._words = words[len(text) :]
            return None
        if words and text.startswith(words):
            self._words = ""
            return StreamedEvent("chunk", {"text": text[len(words) :]})
        return event


def recorded(event: Mapping[str, Any]) -> tuple[float, StreamedEvent]:
    """Return a recorded event or span with its time."""
    extra = {"payload": {}, **event}
    at = extra.get("ended_at") or extra.get("occurred_at")
    return seconds(at), StreamedEvent(str(extra.pop("type", "")), extra)


def seconds(text: object) -> float:
    """Return a wire time in seconds since 1970; now, if it can't be read."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return time.time()


def merged(
    tasks: Iterable[tuple[float, StreamedEvent]], events: Iterable[tuple[float, StreamedEvent]]
) -> Iterator[tuple[float, StreamedEvent]]:
    """Put the tasks between the events by their times; the events keep the service's order."""
    waiting = sorted(tasks, key=lambda each: each[0])
    for at, event in events:
        while waiting and waiting[0][0] <= at:
            yield waiting.pop(0)
        yield at, event
    yield from waiting


def _payload(event: StreamedEvent) -> Mapping[str, Any]:
    payload = event.extra.get("payload")
    return payload if isinstance(payload, dict) else {}
