"""`/api/ingest/v1`: runs that a client reports.

Every call may come twice: a start is known by its `external_run_id`, a task by its id, an event
by its `event_id` if it has one. The answer to `run/start` announces the last (`accepts`).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from aod_notebook.contract import TOKEN_FIELDS, TaskStatus
from aod_notebook.local.agentos import runs
from aod_notebook.local.agentos.call import AgentOSCall, Object, answer
from aod_notebook.local.clock import now
from aod_notebook.local.errors import InvalidError, ServiceError

if TYPE_CHECKING:
    import sqlite3

    from starlette.responses import Response

Text = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]

MAX_EVENTS = 1000


class RunStart(msgspec.Struct):
    """`run/start`."""

    agent_id: Text
    trigger_type: Text = "sdk"
    input: Object = {}
    external_run_id: Text | None = None
    parent_run_id: str | None = None


class ReportedEvent(msgspec.Struct, omit_defaults=True):
    """One event; the last six fields are a span's."""

    type: Text
    level: Literal["debug", "info", "warn", "error"]
    payload: Object
    occurred_at: str
    event_id: Text | UnsetType = UNSET
    span_id: Text | UnsetType = UNSET
    started_at: str | UnsetType = UNSET
    ended_at: str | UnsetType = UNSET
    duration_ms: Count | UnsetType = UNSET
    parent_span_id: Text | UnsetType = UNSET
    kind: str | UnsetType = UNSET


class ReportedEvents(msgspec.Struct):
    """`events`."""

    run_id: Text
    events: Annotated[list[ReportedEvent], Meta(min_length=1, max_length=MAX_EVENTS)]


class TaskFields(msgspec.Struct):
    """A task as it starts or ends."""

    id: Text
    name: str
    status: TaskStatus
    input: Object | None = None
    output: Object | None = None
    error_message: str | None = None


class ReportedTask(msgspec.Struct):
    """`tasks`."""

    run_id: Text
    task: TaskFields


class Complete(msgspec.Struct):
    """`run/complete`."""

    run_id: Text
    output: Object | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_read_tokens: Count | None = None
    cache_creation_tokens: Count | None = None


class Fail(msgspec.Struct):
    """`run/fail`."""

    run_id: Text
    error_message: str
    error_detail: Object | None = None


class Cancel(msgspec.Struct):
    """`run/cancel`."""

    run_id: Text
    reason: str | None = None


async def start_run(call: AgentOSCall) -> Response:
    """`run/start`: the same `external_run_id` returns the same run."""
    fields = call.fields(RunStart)
    call.key.check_agent(fields.agent_id)

    def job(connection: sqlite3.Connection) -> str:
        runs.find_agent(connection, fields.agent_id)
        known = connection.execute(
            "SELECT id FROM run WHERE agent_id = ? AND external_run_id = ?",
            (fields.agent_id, fields.external_run_id),
        ).fetchone()
        if known is not None:
            return str(known["id"])
        run = runs.insert_run(
            connection,
            fields.agent_id,
            hosted=0,
            trigger_type=fields.trigger_type,
            external_run_id=fields.external_run_id,
            parent_run_id=fields.parent_run_id,
            input=runs.dumps(fields.input),
        )
        return str(run["id"])

    run_id = await call.state.database.write(job)
    return answer({"run_id": run_id, "accepts": ["event_id"]})


async def add_events(call: AgentOSCall) -> Response:
    """`events`: all of a batch or none."""
    fields = call.fields(ReportedEvents)
    bodies = [_body(index, event) for index, event in enumerate(fields.events)]

    def job(connection: sqlite3.Connection) -> None:
        runs.append_events(connection, _own_run(connection, call, fields.run_id), bodies)

    await call.state.database.write(job)
    return answer({"accepted": len(bodies)})


async def put_task(call: AgentOSCall) -> Response:
    """`tasks`: creates the task, or updates the one with this id."""
    fields = call.fields(ReportedTask)
    task = fields.task
    time = now()
    row = {
        "run_id": fields.run_id,
        "id": task.id,
        "name": task.name,
        "status": task.status,
        "input": runs.dumps(task.input),
        "output": runs.dumps(task.output),
        "error_message": task.error_message,
        "started_at": time,
        "ended_at": time if task.status in ("completed", "failed", "skipped") else None,
    }

    def job(connection: sqlite3.Connection) -> None:
        _own_run(connection, call, fields.run_id)
        connection.execute(
            "INSERT INTO task VALUES (:run_id, :id, :name, :status, :input, :output,"
            " :error_message, :started_at, :ended_at) ON CONFLICT DO UPDATE SET"
            " name = excluded.name, status = excluded.status,"
            " input = coalesce(excluded.input, input), output = excluded.output,"
            " error_message = excluded.error_message, ended_at = excluded.ended_at",
            row,
        )

    await call.state.database.write(job)
    return answer({"task_id": task.id})


async def complete_run(call: AgentOSCall) -> Response:
    """`run/complete`."""
    fields = call.fields(Complete)
    tokens = {name: getattr(fields, name) for name in TOKEN_FIELDS}
    return await _end(call, fields.run_id, "completed", output=runs.dumps(fields.output), **tokens)


async def fail_run(call: AgentOSCall) -> Response:
    """`run/fail`."""
    fields = call.fields(Fail)
    detail = runs.dumps(fields.error_detail)
    return await _end(
        call, fields.run_id, "failed", error_message=fields.error_message, error_detail=detail
    )


async def cancel_run(call: AgentOSCall) -> Response:
    """`run/cancel`: pending questions are cancelled with it."""
    fields = call.fields(Cancel)
    return await _end(call, fields.run_id, "cancelled", error_message=fields.reason)


def _own_run(connection: sqlite3.Connection, call: AgentOSCall, run_id: str) -> sqlite3.Row:
    run = runs.find_run(connection, run_id)
    call.key.check_agent(run["agent_id"])
    return run


def _body(index: int, event: ReportedEvent) -> tuple[str | None, str]:
    for name in ("occurred_at", "started_at", "ended_at"):
        time = getattr(event, name)
        if time is not UNSET:
            _check_time(time, f"$.events[{index}].{name}")
    event_id = None if event.event_id is UNSET else str(event.event_id)
    return event_id, msgspec.json.encode(event).decode()


def _check_time(text: str, place: str) -> None:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise _invalid(f"Expected an ISO 8601 time - at `{place}`") from None


def _invalid(text: str) -> ServiceError:
    return InvalidError(f"Invalid request body: {text}")


async def _end(call: AgentOSCall, run_id: str, status: str, **columns: Any) -> Response:
    def job(connection: sqlite3.Connection) -> list[str]:
        run = _own_run(connection, call, run_id)
        runs.end_run(connection, run, status, **columns)
        rows = connection.execute("SELECT id FROM question WHERE run_id = ?", (run_id,))
        return [str(row["id"]) for row in rows]

    for question in await call.state.database.write(job):
        call.state.feeds.notify(question)
    return answer({"run_id": run_id, "status": status})
