"""`GET /sessions/{id}/stream`: the event stream of a session.

Rows are sent as they are stored. A connection waits for a notification, not for a clock, so
output is seen as soon as it is committed. Every event has a `created_at`, which
hosted services do not send and clients ignore.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aod_notebook.contract import SESSION_ENDED
from aod_notebook.local import clock
from aod_notebook.local.aod import sessions
from aod_notebook.local.errors import MalformedError
from aod_notebook.local.storage import log

if TYPE_CHECKING:
    import sqlite3

    from starlette.types import ASGIApp, Receive, Scope, Send

    from aod_notebook.local.aod.call import AodCall
    from aod_notebook.local.state import State

_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
_HEARTBEAT = b": heartbeat\n\n"


async def stream_session(call: AodCall) -> ASGIApp:
    """Check the session, then the cursor; the answer streams until a terminal event."""
    row = sessions.find(call.state.database.read(), call.owner, call.id)
    return StreamResponse(call.state, row, _cursor(call))


def _cursor(call: AodCall) -> int:
    text = call.request.headers.get("last-event-id") or call.request.query_params.get("since", "0")
    try:
        return max(0, int(text))
    except ValueError:
        raise MalformedError("since must be an integer") from None


@dataclass(slots=True)
class _StreamPosition:
    """How far one connection is: the cursor, the turn announced last, its clocks."""

    cursor: int
    turn: int | None
    last_row: float
    last_heartbeat: float


class StreamResponse:
    """The body of one stream connection."""

    def __init__(self, state: State, row: sqlite3.Row, cursor: int) -> None:
        self._state = state
        self._session_id = str(row["id"])
        self._owner = str(row["owner"])
        self._start = _frame(
            {
                "type": "start",
                "runtime": row["runtime"],
                "provider": sessions.provider_of(row),
                "session_id": row["id"],
                "created_at": row["created_at"],
            }
        )
        self._cursor = cursor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream until its end, the client's or the service's."""
        del scope  # the endpoint has read it
        # A damaged log is an error's answer, as long as nothing has been sent.
        log.after(self._state.database.read(), self._session_id, self._cursor, 1)
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        with self._state.feeds.listen(self._session_id) as event:
            left = asyncio.Event()
            watcher = asyncio.create_task(_watch(receive, left, event))
            try:
                await self._send_all(send, event, left)
            finally:
                watcher.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watcher

    async def _send_all(self, send: Send, event: asyncio.Event, left: asyncio.Event) -> None:
        clock = asyncio.get_running_loop().time
        position = _StreamPosition(self._cursor, None, clock(), clock())
        await _send(send, self._start)
        while not left.is_set():
            event.clear()
            # Asked in this order: once the turn is over and its end is stored, no row comes any
            # more, so rows that are read after that are all there are.
            at_work = self._state.worker.is_at_work(self._session_id)
            status = self._status()
            chunk = self._next(position)
            if chunk:
                position.last_row = clock()
                await _send(send, chunk)
            elif status is None:
                break  # deleted meanwhile: the body ends without a terminal event
            elif status["status"] in SESSION_ENDED and not at_work:
                await _send(send, _terminal(status, position.cursor))
                break
            elif clock() - position.last_row > self._state.config.stale_s:
                await _send(send, self._stale(position.cursor))
                break
            if clock() - position.last_heartbeat >= self._state.config.heartbeat_s:
                position.last_heartbeat = clock()
                await _send(send, _HEARTBEAT)
            if not chunk:
                if self._state.feeds.closing:
                    break
                await self._wait(event, position, clock())
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _status(self) -> sqlite3.Row | None:
        row: sqlite3.Row | None = (
            self._state.database.read()
            .execute(
                "SELECT status, exit_code, updated_at FROM session WHERE id = ?",
                (self._session_id,),
            )
            .fetchone()
        )
        return row

    def _next(self, position: _StreamPosition) -> bytes:
        """Return the frames of the next rows, with `turn_start` before a turn's first output."""
        parts: list[bytes] = []
        connection = self._state.database.read()
        for block in log.after(connection, self._session_id, position.cursor):
            if block.turn is not None and block.turn != position.turn:
                position.turn = block.turn
                turn_start = {"type": "turn_start", "id": block.first_id, "turn": block.turn}
                parts.append(_frame(turn_start | block.times))
            parts.append(block.body)
            position.cursor = block.last_id
        return b"".join(parts)

    async def _wait(self, event: asyncio.Event, position: _StreamPosition, time: float) -> None:
        config = self._state.config
        until = min(
            position.last_heartbeat + config.heartbeat_s, position.last_row + config.stale_s
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - time) + 0.001):
                await event.wait()

    def _stale(self, cursor: int) -> bytes:
        seconds = f"{self._state.config.stale_s:g}"
        return _numbered(
            {
                "type": "stale",
                "message": f"No output for {seconds}s",
                "created_at": clock.now(),
            },
            cursor,
        )


async def _watch(receive: Receive, left: asyncio.Event, event: asyncio.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    left.set()
    event.set()


async def _send(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


def _terminal(row: sqlite3.Row, cursor: int) -> bytes:
    """Choose the terminal event."""
    if row["status"] == "terminated":
        event = {"type": "terminated", "message": "Session terminated"}
    elif row["status"] == "failed" and row["exit_code"] is None:
        event = {"type": "error", "message": "Session failed"}
    else:
        event = {"type": "exit", "code": row["exit_code"]}
    return _numbered({**event, "created_at": row["updated_at"]}, cursor)


def _numbered(event: dict[str, Any], cursor: int) -> bytes:
    """Make a frame that owns no row: its id is the cursor, with an `id:` line unless 0."""
    kind = event.pop("type")
    frame = _frame({"type": kind, "id": cursor, **event})
    return b"id: %d\n" % cursor + frame if cursor else frame


def _frame(event: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(event).encode("ascii") + b"\n\n"
