"""Control plane: `runs_*` and `approvals_*`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, cast

import msgspec
from msgspec import Meta

from aod_notebook.local.agentos import runs
from aod_notebook.local.agentos.call import AgentOSCall, Object, enveloped
from aod_notebook.local.agentos.invoke import RpcInvoke, run_agent
from aod_notebook.local.agentos.questions import OPEN
from aod_notebook.local.clock import now
from aod_notebook.local.errors import MissingError, WrongStateError

if TYPE_CHECKING:
    import sqlite3

    from starlette.types import ASGIApp

Text = Annotated[str, Meta(min_length=1)]
Limit = Annotated[int, Meta(ge=1, le=1_000_000_000)]


class RunById(msgspec.Struct):
    """`runs_get`, `runs_cancel`."""

    run_id: Text


class RunEventsQuery(msgspec.Struct):
    """`runs_get_events`; `after` (ours) continues after a `sequence_number`."""

    run_id: Text
    limit: Limit | None = None
    after: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0


class RunList(msgspec.Struct):
    """`runs_list`."""

    agent_id: Text | None = None
    status: (
        Literal[
            "running", "completed", "failed", "cancelled", "awaiting_input", "awaiting_approval"
        ]
        | None
    ) = None
    limit: Limit = 20


class Decide(msgspec.Struct):
    """`approvals_decide`."""

    approval_id: Text
    decision: Literal["approved", "rejected"]
    decision_note: str | None = None


class ApprovalList(msgspec.Struct):
    """`approvals_list`."""

    agent_id: Text | None = None
    limit: Limit = 20


def get(call: AgentOSCall) -> Object:
    """Return a run with its tasks and its pending question, all of one moment."""
    with call.state.database.snapshot() as connection:
        return _shown(connection, runs.find_run(connection, call.fields(RunById).run_id))


def _shown(connection: sqlite3.Connection, run: sqlite3.Row) -> Object:
    question = connection.execute(
        f"SELECT id, prompt FROM question WHERE run_id = ? AND {OPEN} ORDER BY seq",  # noqa: S608 - our own constant
        (run["id"], now()),
    ).fetchone()
    approval = connection.execute(
        "SELECT id FROM approval WHERE run_id = ? AND status = 'pending'", (run["id"],)
    ).fetchone()
    waiting: Object = {}
    if question is not None:
        asked = {"request_id": question["id"], "question": question["prompt"]}
        waiting["awaiting_input"] = asked
    if approval is not None:
        waiting["awaiting_approval"] = {"approval_id": approval["id"]}
    return {**runs.render_run(run), "tasks": runs.render_tasks(connection, run["id"]), **waiting}


def list_all(call: AgentOSCall) -> list[Object]:
    """Return runs, newest first."""
    fields = call.fields(RunList)
    rows = call.state.database.read().execute(
        "SELECT * FROM run WHERE (:agent IS NULL OR agent_id = :agent)"
        " AND (:status IS NULL OR status = :status) ORDER BY seq DESC LIMIT :limit",
        {"agent": fields.agent_id, "status": fields.status, "limit": fields.limit},
    )
    return [runs.render_run(row) for row in rows]


def events(call: AgentOSCall) -> ASGIApp:
    """Return a run's events; without a limit all of them."""
    fields = call.fields(RunEventsQuery)
    connection = call.state.database.read()
    run = runs.find_run(connection, fields.run_id)
    return enveloped(runs.events_json(connection, run, fields.limit, fields.after))


async def cancel(call: AgentOSCall) -> Object:
    """Cancel a run that has not ended."""
    run_id = call.fields(RunById).run_id

    def job(connection: sqlite3.Connection) -> tuple[sqlite3.Row, list[str]]:
        run = runs.find_run(connection, run_id)
        runs.end_run(connection, run, "cancelled")
        rows = connection.execute("SELECT id FROM question WHERE run_id = ?", (run_id,))
        return runs.find_run(connection, run_id), [str(row["id"]) for row in rows]

    # Readers stop at `cancelled`, so all that the run wrote is stored before its row says that.
    await call.state.hosted.cancel(run_id)
    run, questions = await call.state.database.write(job)
    for question in questions:
        call.state.feeds.notify(question)
    return runs.render_run(run)


async def invoke(call: AgentOSCall) -> ASGIApp:
    """Run an agent; `data` is that of an invoke."""
    fields = call.fields(RpcInvoke)
    return await run_agent(call.state, fields.agent_id, fields, "manual")


def approvals(call: AgentOSCall) -> list[Object]:
    """Return approvals of every status, newest first."""
    fields = call.fields(ApprovalList)
    rows = call.state.database.read().execute(
        "SELECT * FROM approval WHERE :agent IS NULL OR agent_id = :agent"
        " ORDER BY seq DESC LIMIT :limit",
        {"agent": fields.agent_id, "limit": fields.limit},
    )
    return [_render_approval(row) for row in rows]


async def decide(call: AgentOSCall) -> Object:
    """Approve, which continues the run, or reject, which fails it."""
    fields = call.fields(Decide)
    approved = fields.decision == "approved"

    def job(connection: sqlite3.Connection) -> sqlite3.Row:
        approval = _find_approval(connection, fields.approval_id)
        if approval["status"] != "pending":
            raise WrongStateError(f"Approval {approval['id']} is already {approval['status']}")
        connection.execute(
            "UPDATE approval SET status = ?, decision_note = ?, decided_at = ? WHERE id = ?",
            (fields.decision, fields.decision_note, now(), approval["id"]),
        )
        run = runs.find_run(connection, approval["run_id"])
        if approved:
            connection.execute("UPDATE run SET status = 'running' WHERE id = ?", (run["id"],))
        else:
            note = fields.decision_note or "no reason given"
            runs.end_run(connection, run, "failed", error_message=f"approval rejected: {note}")
        return _find_approval(connection, fields.approval_id)

    approval = await call.state.database.write(job)
    if approved:
        call.state.hosted.advance(approval["run_id"])
    return _render_approval(approval)


def _find_approval(connection: sqlite3.Connection, approval_id: str) -> sqlite3.Row:
    row = connection.execute("SELECT * FROM approval WHERE id = ?", (approval_id,)).fetchone()
    if row is None:
        raise MissingError(f"Approval {approval_id} not found")
    return cast("sqlite3.Row", row)


def _render_approval(row: sqlite3.Row) -> Object:
    return {
        "id": row["id"],
        "run_id": row["run_id"],
        "agent_id": row["agent_id"],
        "status": row["status"],
        "request": runs.raw(row["request"]),
        "decision_note": row["decision_note"],
        "created_at": row["created_at"],
        "decided_at": row["decided_at"],
    }
