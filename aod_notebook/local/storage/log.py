"""The event log of sessions: stored as ready-made SSE frames in blocks, replayed unchanged.

Every log row (`stage` and `output`) has an id from one counter shared by all
sessions. Consecutive rows of one turn are stored together as a block of bytes that the stream can
send unchanged, which is what makes a replay cheap. Stage rows have no turn.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Literal, NamedTuple

from aod_notebook.local import clock

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator
    from datetime import datetime

_BLOCK_ROWS = 2048
_BLOCK_BYTES = 256 * 1024
MAX_ID = 2**63 - 1
_TIMES = re.compile(
    rb'(?:"recorded_at": "(?P<recorded_at>[^"\\\n]+)", )?"created_at": "(?P<created_at>[^"\\\n]+)"}\n'
)
_TIMES_BYTES = 128  # of both times together
"""Every row ends with its time, but those that an earlier version stored."""


class LogRow(NamedTuple):
    """A log row before it has an id: the event's fields around the id, as JSON text.

    `head` is the JSON before the id, `tail` what follows it, to the closing brace.
    """

    head: str
    tail: str
    turn: int | None


@dataclass(frozen=True, slots=True)
class LogBlock:
    """A stored run of rows: `body` holds the frames `first_id`..`last_id` of one turn."""

    first_id: int
    last_id: int
    turn: int | None
    body: bytes

    @property
    def times(self) -> dict[str, str]:
        """`created_at` and `recorded_at` of the first row, as far as they were stored."""
        end = self.body.index(b"\n\n") + 1
        found = _TIMES.search(self.body, max(0, end - _TIMES_BYTES), end)
        times = {} if found is None else found.groupdict()
        return {name: at.decode("ascii") for name, at in times.items() if at is not None}


def output(
    stream: Literal["stdout", "stderr"], data: str, turn: int, recorded_at: datetime | None = None
) -> LogRow:
    """Return an `output` row; a replayed one also has the time of its recording."""
    recorded = "" if recorded_at is None else f'"recorded_at": "{recorded_at.isoformat()}", '
    text, created = encode_basestring_ascii(data), clock.now()
    tail = f', "stream": "{stream}", "data": {text}, "turn": {turn}, {recorded}"created_at": "{created}"}}'
    return LogRow('{"type": "output", "id": ', tail, turn)


def stage(
    name: str, state: str, *, duration_ms: int | None = None, message: str | None = None
) -> LogRow:
    """Return a `stage` row; `duration_ms` and `message` are left out when None or empty."""
    fields: dict[str, object] = {"stage": name, "state": state}
    if duration_ms is not None:
        fields["duration_ms"] = duration_ms
    if message:
        fields["message"] = message
    fields["created_at"] = clock.now()
    return LogRow('{"type": "stage", "id": ', ", " + json.dumps(fields)[1:], None)


def append(connection: sqlite3.Connection, session_id: str, rows: Iterable[LogRow]) -> None:
    """Assign ids to the rows and store them (inside a write job)."""
    (last,) = connection.execute("SELECT value FROM counter WHERE name = 'log'").fetchone()
    blocks: list[tuple[int, int, str, int | None, bytes]] = []
    for block in _blocks(rows, last):
        blocks.append((block.last_id, block.first_id, session_id, block.turn, block.body))
        last = block.last_id
    connection.executemany(
        "INSERT INTO log_block (last_id, first_id, session_id, turn, body) VALUES (?, ?, ?, ?, ?)",
        blocks,
    )
    connection.execute("UPDATE counter SET value = ? WHERE name = 'log'", (last,))


def last_id(connection: sqlite3.Connection, session_id: str) -> int:
    """Return the id of a session's last row; 0 if it has none."""
    (last,) = connection.execute(
        "SELECT coalesce(max(last_id), 0) FROM log_block WHERE session_id = ?", (session_id,)
    ).fetchone()
    return int(last)


def after(
    connection: sqlite3.Connection, session_id: str, cursor: int, enough: int = _BLOCK_BYTES
) -> list[LogBlock]:
    """Return the next blocks with rows above the cursor, cut so that only those rows are left.

    At least one block if there is one, and no more once they have `enough` bytes.
    """
    rows = connection.execute(
        "SELECT first_id, last_id, turn, body FROM log_block"
        " WHERE session_id = ? AND last_id > ? ORDER BY last_id",
        (session_id, min(cursor, MAX_ID)),
    )
    blocks: list[LogBlock] = []
    size = 0
    for row in rows:
        block = LogBlock(*row)
        blocks.append(block if block.first_id > cursor else _cut(block, cursor))
        size += len(block.body)
        if size >= enough:
            break
    rows.close()
    return blocks


def _blocks(rows: Iterable[LogRow], last: int) -> Iterator[LogBlock]:
    frames: list[str] = []
    size, first, turn = 0, last + 1, None
    for row in rows:
        if frames and (row.turn != turn or len(frames) >= _BLOCK_ROWS or size >= _BLOCK_BYTES):
            yield LogBlock(first, last, turn, "".join(frames).encode("ascii"))
            frames, size, first = [], 0, last + 1
        last += 1
        turn = row.turn
        frame = f"id: {last}\ndata: {row.head}{last}{row.tail}\n\n"
        frames.append(frame)
        size += len(frame)
    if frames:
        yield LogBlock(first, last, turn, "".join(frames).encode("ascii"))


def _cut(block: LogBlock, cursor: int) -> LogBlock:
    frames = block.body.split(b"\n\n")[:-1]
    kept = [frame for frame in frames if int(frame[4 : frame.index(b"\n")]) > cursor]
    first = int(kept[0][4 : kept[0].index(b"\n")])
    return LogBlock(first, block.last_id, block.turn, b"\n\n".join(kept) + b"\n\n")
