"""The events of a run: read from the stream of an invoke, and matched with what is recorded."""

from __future__ import annotations

import json
import time
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import msgspec

from aod_notebook.agentos.errors import (
    AgentOSDecodeError,
    AgentOSError,
    AgentOSRunError,
    AgentOSStreamInterrupted,
    AgentOSTransientError,
    describe,
)
from aod_notebook.agentos.results import LAST_TYPES
from aod_notebook.core.redact import redact
from aod_notebook.core.sse import SSEDecoder
from aod_notebook.core.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aod_notebook.agentos.results import InvokeStreamEvent


CALLS = {"tool.called": "calling", "tool.returned": "returned", "tool.failed": "failed"}
"""The status of a tool in the stream of an invoke, by the event that is recorded for it."""
MESSAGE = "agent.message"
"""What is recorded of the stream's chunks of text."""


class InvokeReader:
    """Reads one stream: its run, its text so far, whether its last event came."""

    def __init__(self, agent_id: str, seconds: float) -> None:
        self.run_id: str | None = None
        self.text_parts: list[str] = []
        self.is_over = False
        self._agent_id = agent_id
        self._seconds = seconds
        self._deadline = float("inf")
        self._decoder = SSEDecoder()

    @property
    def text(self) -> str:
        """The agent's text so far."""
        return "".join(self.text_parts)

    def begin(self) -> None:
        """Start the time limit of the whole stream."""
        self._deadline = time.monotonic() + self._seconds

    def feed(self, chunk: bytes) -> Iterator[InvokeStreamEvent]:
        """Return the events that the next bytes complete.

        Raises:
            AgentOSRunError: the run failed.
            AgentOSDecodeError: an event is not a JSON object.
            AgentOSTransientError: the time for the whole stream is up.
        """
        for data in self._decoder.feed(chunk).data:
            event = self._decoded(data)
            if isinstance(event.get("run_id"), str):
                self.run_id = event["run_id"]
            kind = str(event.get("type"))
            if kind == "error":
                raise self._failed(event)
            if kind == "chunk" and isinstance(event.get("text"), str):
                self.text_parts.append(event["text"])
            self.is_over = self.is_over or kind in LAST_TYPES
            yield cast("InvokeStreamEvent", event)
        if time.monotonic() > self._deadline and not self.is_over:
            raise AgentOSTransientError(
                f"No end of the stream within {self._seconds:g} s. {self.advice()}",
                "REQUEST_TIMEOUT",
                run_id=self.run_id,
            )

    def finish(self) -> Iterator[InvokeStreamEvent]:
        """Return what an unfinished last event holds: a body may end without a blank line."""
        yield from self.feed(b"\n\n")

    def interrupted(self, reason: str) -> AgentOSStreamInterrupted:
        """Make the error for a stream that ended before its last event."""
        which = f"run {self.run_id}" if self.run_id else f"a run of agent {self._agent_id}"
        return AgentOSStreamInterrupted(
            f"The stream of {which} was interrupted: {one_line(reason)}. {self.advice()}",
            text=self.text,
            run_id=self.run_id,
        )

    def advice(self) -> str:
        """Explain how to find out what became of the run."""
        if self.run_id:
            return f"The run may continue: client.runs.get(run_id={self.run_id!r}) shows it"
        return unknown_run(self._agent_id)

    def located(self, error: AgentOSError) -> AgentOSError:
        """Note in an error which run it is about."""
        error.run_id = error.run_id or self.run_id
        return error

    def _decoded(self, data: bytes) -> dict[str, Any]:
        try:
            event = json.loads(data)
        except (ValueError, RecursionError):
            event = data.decode("utf-8", "replace")
        if not isinstance(event, dict):
            raise AgentOSDecodeError(
                f"The stream of run {self.run_id} has an event that is not a JSON object:"
                f" {describe(event)}. {self.advice()}",
                "INVALID_ANSWER",
                run_id=self.run_id,
            )
        return event

    def _failed(self, event: dict[str, Any]) -> AgentOSRunError:
        message = event.get("message")
        code = event.get("code")
        return AgentOSRunError(
            one_line(redact(str(message))) if message else "Invoke failed",
            str(code) if code else "INTERNAL_ERROR",
            run_id=self.run_id,
        )


def unknown_run(agent_id: str) -> str:
    """Explain how to find a run when its id never arrived."""
    return (
        f"The run may continue: client.runs.list(agent_id={agent_id!r}, limit=5) shows the latest"
    )


# -- the stream, and what the service records ---------------------------------------------------


class StreamedEvent(msgspec.Struct, frozen=True):
    """An event of a run, as it is shown: streamed, recorded, or an answer to it.

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
