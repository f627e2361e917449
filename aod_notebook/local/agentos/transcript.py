"""The transcript of a hosted run in progress: events for the store, pieces for the stream."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from aod_notebook.contract import TOKEN_FIELDS
from aod_notebook.core import clock
from aod_notebook.local.agentos import runs
from aod_notebook.transcripts import Reader

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from concurrent.futures import Future
    from datetime import datetime

    from aod_notebook.local.storage import Database
    from aod_notebook.transcripts import Entry, Result

_TAIL = 2000
Event = dict[str, Any]


class RunTranscript:
    """Takes a runtime's output (a sink), stores its events and passes them to a listener."""

    def __init__(
        self,
        database: Database,
        run: sqlite3.Row,
        listener: asyncio.Queue[Event | None] | None,
    ) -> None:
        self._database = database
        self._run = run
        self._listener = listener
        self._reader = Reader()
        self._tools: dict[str, str] = {}
        self._writes: list[Future[None]] = []
        self._text = ""
        self._result: Result | None = None
        self.result = ""
        self.errors = ""
        self.tokens: dict[str, int] = {}

    @property
    def summary(self) -> str:
        """The agent's result, else its last text."""
        return self.result or self._text

    def write(
        self, stream: Literal["stdout", "stderr"], text: str, recorded_at: datetime | None = None
    ) -> None:
        """Take a piece of output; a run's events get the time at which they are stored."""
        del recorded_at
        if stream == "stderr":
            self.errors = (self.errors + text)[-_TAIL:]
        else:
            self._take(self._reader.feed(text))

    async def room(self) -> None:
        """Output is never held back: a run's transcript is small."""

    async def finish(self) -> None:
        """Take what the last, unfinished line held, and wait until every event is stored.

        Raises:
            sqlite3.OperationalError: the disk did not take one of them.
        """
        self._take(self._reader.flush())
        if self._result is not None:
            self._store([self._finished(self._result)])
        await asyncio.gather(*map(asyncio.wrap_future, self._writes))

    def _take(self, entries: list[Entry]) -> None:
        self._store([event for entry in entries for event in self._events(entry)])

    def _store(self, events: list[Event]) -> None:
        if events:
            rows: list[tuple[str | None, str]] = [
                (None, msgspec.json.encode(event).decode()) for event in events
            ]
            self._writes.append(self._database.submit(_storing(self._run, rows)))

    def _events(self, entry: Entry) -> list[Event]:
        if entry.result is not None:
            self._result = entry.result  # the last one of the run counts
            self.result = entry.result.text or ""
            return []
        if entry.block == "text" and entry.line_type == "assistant" and entry.text:
            if entry.is_error:  # an error of the model's API, not the answer
                return [_event("agent.message", {"text": entry.text}, "error")]
            self._text = entry.text
            self._tell({"type": "chunk", "text": entry.text})
            return [_event("agent.message", {"text": entry.text})]
        if entry.block == "tool_use":
            name = entry.tool or "tool"
            self._tools[entry.tool_use_id or ""] = name
            self._tell({"type": "tool", "status": "calling", "name": name})
            return [_event("tool.called", {"tool": name, "input": entry.input or {}})]
        if entry.block == "tool_result":
            return [self._returned(entry)]
        return []

    def _returned(self, entry: Entry) -> Event:
        name = self._tools.get(entry.tool_use_id or "", entry.tool or "tool")
        status = "failed" if entry.is_error else "returned"
        self._tell({"type": "tool", "status": status, "name": name})
        if entry.is_error:
            return _event("tool.failed", {"tool": name, "error": entry.text or ""}, "error")
        return _event("tool.returned", {"tool": name, "output": entry.text or ""})

    def _finished(self, result: Result) -> Event:
        counts = {name: getattr(result.usage, name, None) for name in TOKEN_FIELDS}
        self.tokens = {name: value for name, value in counts.items() if value is not None}
        models = [used.model for used in result.model_usage]
        model = models[0] if len(models) == 1 else None
        payload = {"model": model, "response": self.summary, **self.tokens}
        return _event("llm.response", payload)

    def _tell(self, event: Event) -> None:
        if self._listener is not None:
            self._listener.put_nowait(event)


def _storing(
    run: sqlite3.Row, rows: list[tuple[str | None, str]]
) -> Callable[[sqlite3.Connection], None]:
    return lambda connection: runs.append_events(connection, run, rows)


def _event(kind: str, payload: dict[str, Any], level: str = "info") -> Event:
    return {"type": kind, "level": level, "payload": payload, "occurred_at": clock.now()}
