"""The session state machine as database jobs.

Each function runs inside one write job, so a check and its change are one step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aod_notebook.contract import ACTIVE_STATUSES
from aod_notebook.local.clock import now
from aod_notebook.local.storage import log
from aod_notebook.local.turns.output import append_if_there

if TYPE_CHECKING:
    import sqlite3

    from aod_notebook.local.processes import Stop

_ABORTED = {
    "terminated": "turn aborted: session terminated before execution started\n",
    "interrupted": "turn aborted: interrupt requested before execution started\n",
}
RECOVERED = "turn failed: the service ended before the turn did\n"


def begin_turn(connection: sqlite3.Connection, session_id: str, turn: int, stop: Stop) -> bool:
    """Set session and turn `running`; False if the session was stopped before that."""
    status = _status(connection, session_id)
    if status != "pending" or stop.reason is not None:
        return False
    time = now()
    _set_session(connection, session_id, "running", None)
    connection.execute(
        "UPDATE turn SET status = 'running', started_at = ?"
        " WHERE session_id = ? AND turn_number = ?",
        (time, session_id, turn),
    )
    append_if_there(connection, session_id, [log.stage("runtime_start", "started")])
    return True


def abort_turn(connection: sqlite3.Connection, session_id: str, turn: int, stop: Stop) -> None:
    """End a turn that never started because it was stopped."""
    reason = stop.reason or "terminated"
    text = _ABORTED.get(reason, RECOVERED)
    append_if_there(connection, session_id, [log.output("stderr", text, turn)])
    if reason == "interrupted":
        _end(connection, session_id, turn, ("interrupted", "completed"), None)
    else:
        status = "terminated" if reason == "terminated" else "failed"
        _end(connection, session_id, turn, ("failed", status), None)


def end_turn(
    connection: sqlite3.Connection, session_id: str, turn: int, exit_code: int | None
) -> None:
    """Record a turn's result; a session that was terminated meanwhile stays so."""
    status = "completed" if exit_code == 0 else "failed"
    _end(connection, session_id, turn, (status, status), exit_code)


def interrupt_turn(
    connection: sqlite3.Connection, session_id: str, turn: int, exit_code: int | None
) -> None:
    """Record an interrupted turn: its session is completed and can continue."""
    _end(connection, session_id, turn, ("interrupted", "completed"), exit_code)


def terminate_turn(connection: sqlite3.Connection, session_id: str, turn: int) -> None:
    """Record the turn of a terminated session, also if the disk was full at the time."""
    _end(connection, session_id, turn, ("failed", "terminated"), None)


def fail_turn(connection: sqlite3.Connection, session_id: str, turn: int, text: str) -> None:
    """End a turn as failed without an exit code, with a line on stderr that says why."""
    append_if_there(connection, session_id, [log.output("stderr", text, turn)])
    end_turn(connection, session_id, turn, None)


def recover(connection: sqlite3.Connection) -> int:
    """Fail what was pending or running when an earlier service ended; return how many."""
    rows = connection.execute(
        "SELECT s.id, t.turn_number FROM session s JOIN turn t ON t.session_id = s.id"
        " WHERE t.status IN ('pending', 'running')"
    ).fetchall()
    for row in rows:
        fail_turn(connection, row["id"], row["turn_number"], RECOVERED)
    return len(rows)


def _end(
    connection: sqlite3.Connection,
    session_id: str,
    turn: int,
    statuses: tuple[str, str],
    exit_code: int | None,
) -> None:
    of_turn, of_session = statuses
    connection.execute(
        "UPDATE turn SET status = ?, exit_code = ?, ended_at = ?"
        " WHERE session_id = ? AND turn_number = ?",
        (of_turn, exit_code, now(), session_id, turn),
    )
    if _status(connection, session_id) in ACTIVE_STATUSES:
        _set_session(connection, session_id, of_session, exit_code)


def _status(connection: sqlite3.Connection, session_id: str) -> str | None:
    row = connection.execute("SELECT status FROM session WHERE id = ?", (session_id,)).fetchone()
    return None if row is None else str(row["status"])


def _set_session(
    connection: sqlite3.Connection, session_id: str, status: str, exit_code: int | None
) -> None:
    connection.execute(
        "UPDATE session SET status = ?, exit_code = ?, updated_at = ? WHERE id = ?",
        (status, exit_code, now(), session_id),
    )
