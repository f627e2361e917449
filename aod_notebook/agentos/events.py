"""Reading the stream of a hosted run: bytes in, events out, errors named."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, cast

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
    from collections.abc import Iterator

    from aod_notebook.agentos.results import InvokeStreamEvent


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
