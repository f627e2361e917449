"""Rows of runs, their events and tasks, and their JSON form."""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import msgspec

from aod_notebook.contract import RUN_ENDED, TOKEN_FIELDS
from aod_notebook.local.clock import now
from aod_notebook.local.errors import MissingError, WrongStateError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

RECOVERED = "the service ended before the run did"


def find_run(connection: sqlite3.Connection, run_id: str) -> sqlite3.Row:
    """Return the run's row, or raise 404 `NOT_FOUND`."""
    row = connection.execute("SELECT * FROM run WHERE id = ?", (run_id,)).fetchone()
    if row is None:
        raise MissingError(f"Run {run_id} not found")
    return cast("sqlite3.Row", row)


def find_agent(connection: sqlite3.Connection, agent_id: str) -> sqlite3.Row:
    """Return the agent's row, or raise 404 `NOT_FOUND`."""
    row = connection.execute("SELECT * FROM hosted_agent WHERE id = ?", (agent_id,)).fetchone()
    if row is None:
        raise MissingError(f"Agent {agent_id} not found")
    return cast("sqlite3.Row", row)


def insert_run(connection: sqlite3.Connection, agent_id: str, **columns: Any) -> sqlite3.Row:
    """Store a new running run (inside a write job)."""
    values = {
        "id": str(uuid.uuid4()),
        "agent_id": agent_id,
        "status": "running",
        "created_at": now(),
        **columns,
    }
    names = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    connection.execute(f"INSERT INTO run ({names}) VALUES ({marks})", values)  # noqa: S608 - our own column names
    return find_run(connection, str(values["id"]))


def append_events(
    connection: sqlite3.Connection, run: sqlite3.Row, events: Iterable[tuple[str | None, str]]
) -> None:
    """Store events (id or None, JSON text) under the next sequence numbers.

    An event with an id that the run already has is dropped: a repeated delivery changes nothing.
    """
    (count,) = connection.execute(
        "SELECT event_count FROM run WHERE seq = ?", (run["seq"],)
    ).fetchone()
    plain = [
        (run["seq"], number, event_id, body) for number, (event_id, body) in _count(count, events)
    ]
    if any(row[2] is not None for row in plain):
        count = _append_once(connection, plain, count)
    else:
        connection.executemany("INSERT INTO run_event VALUES (?, ?, ?, ?)", plain)
        count += len(plain)
    connection.execute("UPDATE run SET event_count = ? WHERE seq = ?", (count, run["seq"]))


def _count(
    start: int, events: Iterable[tuple[str | None, str]]
) -> Iterable[tuple[int, tuple[str | None, str]]]:
    return enumerate(events, start=start + 1)


def _append_once(
    connection: sqlite3.Connection, rows: list[tuple[int, int, str | None, str]], count: int
) -> int:
    for run, _, event_id, body in rows:
        done = connection.execute(
            "INSERT OR IGNORE INTO run_event VALUES (?, ?, ?, ?)", (run, count + 1, event_id, body)
        )
        count += done.rowcount
    return count


def end_run(connection: sqlite3.Connection, run: sqlite3.Row, status: str, **columns: Any) -> None:
    """End a run; the same end again changes nothing, another one is a 409."""
    if run["status"] == status:
        return
    if run["status"] in RUN_ENDED:
        raise WrongStateError(f"Run {run['id']} has already ended: {run['status']}")
    changes = {"status": status, "ended_at": now(), **columns}
    marks = ", ".join(f"{name} = :{name}" for name in changes)
    connection.execute(
        f"UPDATE run SET {marks} WHERE seq = :seq",  # noqa: S608 - our own column names
        {**changes, "seq": run["seq"]},
    )
    connection.execute(
        "UPDATE question SET status = 'cancelled' WHERE run_id = ? AND status = 'pending'",
        (run["id"],),
    )
    connection.execute(
        "UPDATE approval SET status = 'cancelled' WHERE run_id = ? AND status = 'pending'",
        (run["id"],),
    )


def recover(connection: sqlite3.Connection) -> int:
    """Fail the hosted runs that were in progress when an earlier service ended."""
    rows = connection.execute(
        "SELECT * FROM run WHERE hosted = 1 AND status = 'running'"
    ).fetchall()
    for row in rows:
        end_run(connection, row, "failed", error_message=RECOVERED)
    return len(rows)


def duration_ms(run: Mapping[str, Any] | sqlite3.Row) -> int | None:
    """Return the run's length; None while it has not ended."""
    if run["ended_at"] is None:
        return None
    length = datetime.fromisoformat(run["ended_at"]) - datetime.fromisoformat(run["created_at"])
    return int(length.total_seconds() * 1000)


def render_run(run: sqlite3.Row) -> dict[str, Any]:
    """Return a run as a JSON object."""
    return {
        "id": run["id"],
        "run_id": run["id"],
        "agent_id": run["agent_id"],
        "external_run_id": run["external_run_id"],
        "parent_run_id": run["parent_run_id"],
        "session_id": run["conversation_id"],
        "status": run["status"],
        "trigger_type": run["trigger_type"],
        "test": bool(run["test"]),
        "input": raw(run["input"]),
        "output": raw(run["output"]),
        "error_message": run["error_message"],
        "error_detail": raw(run["error_detail"]),
        **{name: run[name] for name in TOKEN_FIELDS},
        "event_count": run["event_count"],
        "created_at": run["created_at"],
        "started_at": run["created_at"],
        "ended_at": run["ended_at"],
        "duration_ms": duration_ms(run),
    }


def render_tasks(connection: sqlite3.Connection, run_id: str) -> list[dict[str, Any]]:
    """Return the run's tasks as JSON objects, in the order of their start."""
    rows = connection.execute(
        "SELECT * FROM task WHERE run_id = ? ORDER BY started_at, id", (run_id,)
    )
    return [
        {
            "id": row["id"],
            "run_id": row["run_id"],
            "name": row["name"],
            "status": row["status"],
            "input": raw(row["input"]),
            "output": raw(row["output"]),
            "error_message": row["error_message"],
            "started_at": row["started_at"],
            "ended_at": row["ended_at"],
        }
        for row in rows
    ]


def events_json(
    connection: sqlite3.Connection, run: sqlite3.Row, limit: int | None, after: int
) -> bytes:
    """Return the run's events as a JSON list, in `sequence_number` order; no limit, no cut."""
    rows = connection.execute(
        "SELECT sequence_number, body FROM run_event WHERE run = ? AND sequence_number > ?"
        " ORDER BY sequence_number LIMIT ?",
        (run["seq"], after, -1 if limit is None else limit),
    )
    head = f'{{"id": "{run["id"]}:'
    items = [f'{head}{number}", "sequence_number": {number}, {body[1:]}' for number, body in rows]
    return ("[" + ",".join(items) + "]").encode()


def raw(text: str | None) -> msgspec.Raw | None:
    """Return stored JSON unchanged, for an answer; None stays None."""
    return None if text is None else msgspec.Raw(text.encode())


def loads(text: str | None) -> Any:
    """Decode stored JSON; None stays None."""
    return None if text is None else json.loads(text)


def dumps(value: Any) -> str | None:
    """Encode a value for storing; None stays None."""
    return None if value is None else msgspec.json.encode(value).decode()


def insert_question(
    connection: sqlite3.Connection,
    run_id: str,
    prompt: str,
    *,
    context: dict[str, Any] | None = None,
    options: list[str] | None = None,
    expires_at: str | None = None,
) -> str:
    """Store a pending question and return its id."""
    request_id = str(uuid.uuid4())
    connection.execute(
        "INSERT INTO question (id, run_id, status, prompt, context, options, expires_at,"
        " created_at) VALUES (?, ?, 'pending', ?, ?, ?, ?, ?)",
        (
            request_id,
            run_id,
            prompt,
            dumps(context),
            dumps(options),
            expires_at,
            now(),
        ),
    )
    return request_id
