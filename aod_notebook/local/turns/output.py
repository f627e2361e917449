"""The output of a session, batched while a write to the log is in progress.

While the disk takes nothing, output waits here and then in the program's pipes: none is lost.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

from aod_notebook.local.storage import log

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime

    from aod_notebook.local.storage import Database
    from aod_notebook.local.turns.feeds import Feeds

_HIGH_WATER = 4 * 1024 * 1024  # bytes that may wait for the database


class Output:
    """Takes log rows of one turn and writes them in order, as fast as the database takes them."""

    def __init__(self, database: Database, feeds: Feeds, session_id: str, turn: int) -> None:
        self._database = database
        self._feeds = feeds
        self._session_id = session_id
        self._turn = turn
        self._rows: list[log.LogRow] = []
        self._size = 0
        self._flushing: asyncio.Task[None] | None = None

    def write(
        self, stream: Literal["stdout", "stderr"], text: str, recorded_at: datetime | None = None
    ) -> None:
        """Append a piece of output; of a replay with the time of the recording."""
        self.add(log.output(stream, text, self._turn, recorded_at))

    def add(self, row: log.LogRow) -> None:
        """Append a row."""
        self._rows.append(row)
        self._size += len(row.tail)
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())

    async def room(self) -> None:
        """Wait while much is unwritten; always let other tasks run."""
        await asyncio.sleep(0)
        while self._flushing is not None and self._size > _HIGH_WATER:
            await asyncio.shield(self._flushing)

    async def close(self) -> None:
        """Wait until every row is committed."""
        while self._flushing is not None:
            await self._flushing

    async def _flush(self) -> None:
        try:
            while self._rows:
                rows, self._rows, self._size = self._rows, [], 0
                await self._database.persist(lambda connection: self._append(connection, rows))  # noqa: B023 - awaited within the loop's step
                self._feeds.notify(self._session_id)
        finally:
            self._flushing = None

    def _append(self, connection: sqlite3.Connection, rows: list[log.LogRow]) -> None:
        append_if_there(connection, self._session_id, rows)


def append_if_there(
    connection: sqlite3.Connection, session_id: str, rows: list[log.LogRow]
) -> None:
    """Store rows unless the session has been deleted meanwhile."""
    there = connection.execute("SELECT 1 FROM session WHERE id = ?", (session_id,)).fetchone()
    if there is not None:
        log.append(connection, session_id, rows)
