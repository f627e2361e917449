"""Questions to a person: the long poll of a reporting client, and the reply."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec
from msgspec import Meta

from aod_notebook.contract import RUN_ENDED
from aod_notebook.local.agentos import runs
from aod_notebook.local.agentos.call import AgentOSCall, answer, run_answer
from aod_notebook.local.clock import now
from aod_notebook.local.errors import MissingError, RunTimeoutError, WrongStateError

if TYPE_CHECKING:
    import sqlite3

    from starlette.responses import Response

Text = Annotated[str, Meta(min_length=1)]
OPEN = "status = 'pending' AND (expires_at IS NULL OR expires_at > ?)"
"""SQL for a question that can be answered at the time given."""
Seconds = Annotated[float, Meta(gt=0, le=31_536_000)]


class Ask(msgspec.Struct):
    """`human-input/request`."""

    run_id: Text
    prompt: str
    timeout_seconds: Seconds = 3600
    context: dict[str, Any] | None = None
    request_id: Text | None = None


class ReplyBody(msgspec.Struct):
    """An answer: to the question with that id, else to the pending one."""

    response: Text
    request_id: Text | None = None


async def request_input(call: AgentOSCall) -> Response:
    """Ask, or poll again: held until answered or for the hold time, then `pending`."""
    fields = call.fields(Ask)

    def job(connection: sqlite3.Connection) -> str:
        run = runs.find_run(connection, fields.run_id)
        call.key.check_agent(run["agent_id"])
        if fields.request_id is not None:
            return str(_find(connection, fields.run_id, fields.request_id)["id"])
        if run["status"] in RUN_ENDED:
            raise WrongStateError(f"Run {run['id']} has already ended: {run['status']}")
        expires = datetime.now(UTC) + timedelta(seconds=fields.timeout_seconds)
        return runs.insert_question(
            connection,
            fields.run_id,
            fields.prompt,
            context=fields.context,
            expires_at=expires.isoformat(timespec="microseconds"),
        )

    request_id = await call.state.database.write(job)
    return await _hold(call, fields.run_id, request_id)


async def _hold(call: AgentOSCall, run_id: str, request_id: str) -> Response:
    state = call.state
    clock = asyncio.get_running_loop().time
    deadline = clock() + state.config.human_input_hold_s
    with state.feeds.listen(request_id) as event:
        while True:
            event.clear()
            row = _find(state.database.read(), run_id, request_id)
            if row["status"] == "answered":
                return answer({"input": row["response"], "request_id": request_id})
            if row["status"] == "cancelled":
                raise WrongStateError(f"Question {request_id} was cancelled with its run")
            left = _left(row)
            if left <= 0:
                raise RunTimeoutError(f"Question {request_id} was not answered in time")
            if clock() >= deadline or state.feeds.closing:
                return answer({"status": "pending", "request_id": request_id})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, deadline - clock()) + 0.001):
                    await event.wait()


async def reply(call: AgentOSCall) -> Response:
    """Answer a run's question; a hosted run continues to its end or the next pause."""
    call.key.check_control()
    fields = call.fields(ReplyBody)
    run_id = str(call.request.path_params["run_id"])

    def job(connection: sqlite3.Connection) -> tuple[bool, str]:
        run = runs.find_run(connection, run_id)
        question = _pending(connection, run_id, fields.request_id)
        connection.execute(
            "UPDATE question SET status = 'answered', response = ?, answered_at = ? WHERE id = ?",
            (fields.response, now(), question["id"]),
        )
        if run["hosted"]:
            connection.execute("UPDATE run SET status = 'running' WHERE id = ?", (run_id,))
        return bool(run["hosted"]), str(question["id"])

    hosted, request_id = await call.state.database.write(job)
    call.state.feeds.notify(request_id)
    if hosted:
        return run_answer(await asyncio.shield(call.state.hosted.advance(run_id)))
    return answer({"run_id": run_id, "request_id": request_id})


def _find(connection: sqlite3.Connection, run_id: str, request_id: str) -> sqlite3.Row:
    row = connection.execute(
        "SELECT * FROM question WHERE run_id = ? AND id = ?", (run_id, request_id)
    ).fetchone()
    if row is None:
        raise MissingError(f"Question {request_id} not found")
    return cast("sqlite3.Row", row)


def _pending(connection: sqlite3.Connection, run_id: str, request_id: str | None) -> sqlite3.Row:
    row: sqlite3.Row | None
    if request_id is not None:
        row = _find(connection, run_id, request_id)
    else:
        row = connection.execute(
            f"SELECT * FROM question WHERE run_id = ? AND {OPEN} ORDER BY seq LIMIT 1",  # noqa: S608 - our own constant
            (run_id, now()),
        ).fetchone()
    if row is None or row["status"] != "pending" or _left(row) <= 0:
        raise WrongStateError(f"Run {run_id} asks nothing that could be answered")
    return row


def _left(row: sqlite3.Row) -> float:
    if row["expires_at"] is None:
        return float("inf")
    return (datetime.fromisoformat(row["expires_at"]) - datetime.now(UTC)).total_seconds()
