"""`/sessions`: create, prompt, turns, terminate, interrupt, delete."""

from __future__ import annotations

import json
import sqlite3
import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from aod_notebook.contract import ACTIVE_STATUSES, AGENT_RUNTIMES
from aod_notebook.local.aod import agents, catalog
from aod_notebook.local.aod.call import AodCall, answer, listing, validated
from aod_notebook.local.aod.models import PromptBody, SessionCreateBody
from aod_notebook.local.clock import now
from aod_notebook.local.errors import (
    InvalidError,
    MissingError,
    SessionLimitError,
    UnavailableError,
    WrongStateError,
)
from aod_notebook.local.runtimes import Setup
from aod_notebook.local.storage import log
from aod_notebook.local.storage.vault import SealError

if TYPE_CHECKING:
    from starlette.responses import Response

    from aod_notebook.local.storage.vault import Vault

_SELECT = (
    "SELECT s.*, a.provider AS current_provider,"
    " (SELECT count(*) FROM turn t WHERE t.session_id = s.id) AS turn_count,"
    " (SELECT max(turn_number) FROM turn t WHERE t.session_id = s.id) AS current_turn"
    " FROM session s LEFT JOIN agent a ON a.id = s.agent_id WHERE s.owner = ?"
)
_NOT_PROMPTABLE = {
    "running": "Session is already running",
    "terminated": "Session has been terminated",
    "failed": "Session has failed and cannot be resumed. Start a new session.",
}
_NOT_INTERRUPTIBLE = {
    "completed": "Session has no active turn to interrupt",
    "terminated": "Session has been terminated",
    "failed": "Session has failed",
}


async def list_sessions(call: AodCall) -> Response:
    """`GET /sessions`: every status, newest first."""
    query = f"{_SELECT} ORDER BY s.created_at DESC, s.seq DESC"
    return await listing(call, query, (call.owner,), render)


async def get_session(call: AodCall) -> Response:
    """`GET /sessions/{id}`, with the id of the last row in the session's log.

    By that a reader knows when it has all that the session had at this moment.
    """
    connection = call.state.database.read()
    row = find(connection, call.owner, call.id)
    last = log.last_id(connection, call.id)
    return answer({**render(row), "last_event_id": last})


async def create_session(call: AodCall) -> Response:
    """`POST /sessions`: the limit is counted where the row is made.

    A repeat with the same `Idempotency-Key` answers with the session that there is.
    """
    fields = validated(SessionCreateBody, await call.json())
    state = call.state
    available = state.worker.available()
    key = call.request.headers.get("idempotency-key")

    def job(connection: sqlite3.Connection) -> tuple[dict[str, Any], bool]:
        made = None if key is None else _made_before(connection, call.owner, key, fields)
        if made is not None:
            return made, False
        agent = agents.find(connection, call.owner, fields.agent_id)
        if agent["archived_at"] is not None:
            raise WrongStateError("Cannot create session with archived agent")
        environment_id = fields.environment_id
        if environment_id is None:
            environment_id = agent["environment_id"]
        if environment_id is not None:
            agents.check_environment(
                connection,
                call.owner,
                environment_id,
                "Cannot create session with archived environment",
            )
        _check_engine(agent, strict=state.config.strict_models)
        if not available:
            raise UnavailableError("Session backend is not configured")
        _check_limit(connection, call.owner, state.config.max_active_sessions)
        setup = _setup(connection, state.vault, agent, environment_id, fields)
        ack = _insert(
            connection,
            call,
            agent=agent,
            environment_id=environment_id,
            fields=fields,
            sealed=state.vault.seal(setup),
        )
        return ack, True

    ack, is_new = await state.database.write(job)
    if is_new:
        state.worker.start(ack["id"], 1, fields.local_env_vars)
    return answer(ack, 202)


async def prompt_session(call: AodCall) -> Response:
    """`POST /sessions/{id}/prompt`: state errors win over body errors."""
    state = call.state
    _check_promptable(find(state.database.read(), call.owner, call.id))
    fields = validated(PromptBody, await call.json())
    if not state.worker.available():
        raise UnavailableError("Session backend token is not configured")
    if not state.worker.has_sandbox(call.id):
        raise WrongStateError("Session backend is no longer available; start a new session.")

    def job(connection: sqlite3.Connection) -> int:
        row = find(connection, call.owner, call.id)
        _check_promptable(row)
        if row["status"] == "pending":
            raise WrongStateError("Session already has a pending turn")
        number = int(row["current_turn"]) + 1
        connection.execute(
            "UPDATE session SET status = 'pending', exit_code = NULL, updated_at = ? WHERE id = ?",
            (now(), call.id),
        )
        _insert_turn(connection, call.id, number, fields)
        return number

    number = await state.database.write(job)
    state.worker.start(call.id, number, fields.local_env_vars)
    ack = {
        "id": call.id,
        "status": "pending",
        "stream_url": f"/sessions/{call.id}/stream",
        "current_turn": number,
    }
    return answer(ack, 202)


async def list_turns(call: AodCall) -> Response:
    """`GET /sessions/{id}/turns`: in order."""
    find(call.state.database.read(), call.owner, call.id)
    return await listing(
        call,
        "SELECT turn_number, prompt, status, exit_code, created_at, started_at, ended_at"
        " FROM turn WHERE session_id = ? ORDER BY turn_number",
        (call.id,),
        dict,
    )


async def terminate_session(call: AodCall) -> Response:
    """`POST /sessions/{id}/terminate`: from any status but `terminated`.

    What is at work ends even while the disk takes nothing; its session is terminated later then.
    """
    find(call.state.database.read(), call.owner, call.id)

    def job(connection: sqlite3.Connection) -> None:
        if find(connection, call.owner, call.id)["status"] == "terminated":
            raise WrongStateError("Session is already terminated")
        connection.execute(
            "UPDATE session SET status = 'terminated', updated_at = ? WHERE id = ?",
            (now(), call.id),
        )

    try:
        await call.state.database.write(job)
    except sqlite3.OperationalError:
        call.state.worker.stop(call.id)
        raise
    call.state.worker.stop(call.id)
    return answer({"id": call.id, "status": "terminated"})


async def interrupt_session(call: AodCall) -> Response:
    """`POST /sessions/{id}/interrupt`: ends the turn in flight, the session can continue."""
    status = find(call.state.database.read(), call.owner, call.id)["status"]
    if status in _NOT_INTERRUPTIBLE:
        raise WrongStateError(_NOT_INTERRUPTIBLE[status])
    call.state.worker.interrupt(call.id)
    return answer({"id": call.id, "status": status}, 202)


async def delete_session(call: AodCall) -> Response:
    """`DELETE /sessions/{id}/delete`: row, turns, log and directory go."""

    def job(connection: sqlite3.Connection) -> None:
        if find(connection, call.owner, call.id)["status"] in ACTIVE_STATUSES:
            raise WrongStateError("Cannot delete an active session")
        connection.execute("DELETE FROM log_block WHERE session_id = ?", (call.id,))
        connection.execute("DELETE FROM turn WHERE session_id = ?", (call.id,))
        connection.execute("DELETE FROM session WHERE id = ?", (call.id,))

    await call.state.database.write(job)
    call.state.worker.discard(call.id)
    return answer({"detail": "Session deleted"})


def find(connection: sqlite3.Connection, owner: str, session_id: str) -> sqlite3.Row:
    """Return the session's row with its agent's provider and turn counts, or raise the 404."""
    row = connection.execute(f"{_SELECT} AND s.id = ?", (owner, session_id)).fetchone()
    if row is None:
        raise MissingError("Session not found")
    return cast("sqlite3.Row", row)


def provider_of(row: sqlite3.Row) -> str:
    """Return the agent's current provider, else one derived from the runtime."""
    return str(row["current_provider"] or catalog.provider_name(row["runtime"]))


def render(row: sqlite3.Row) -> dict[str, Any]:
    """Make the Session object, with the names of both generations."""
    return {
        "id": row["id"],
        "agent_id": row["agent_id"],
        "environment_id": row["environment_id"],
        "runtime": row["runtime"],
        "provider": provider_of(row),
        "status": row["status"],
        "exit_code": row["exit_code"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "resources": json.loads(row["resources"]),
        "turn_count": row["turn_count"],
        "current_turn": row["current_turn"],
        "idempotency_key": row["idempotency_key"],
    }


def _made_before(
    connection: sqlite3.Connection, owner: str, key: str, fields: SessionCreateBody
) -> dict[str, Any] | None:
    """Return the answer to the create that made a session with this key; None if none did."""
    row = connection.execute(f"{_SELECT} AND s.idempotency_key = ?", (owner, key)).fetchone()
    if row is None:
        return None
    (prompt,) = connection.execute(
        "SELECT prompt FROM turn WHERE session_id = ? AND turn_number = 1", (row["id"],)
    ).fetchone()
    if (row["agent_id"], prompt) != (fields.agent_id, fields.prompt):
        raise WrongStateError("This Idempotency-Key has made another session")
    return _ack(row["id"], row["environment_id"], json.loads(row["resources"]))


def _ack(session_id: str, environment_id: str | None, resources: list[Any]) -> dict[str, Any]:
    return {
        "id": session_id,
        "status": "pending",
        "stream_url": f"/sessions/{session_id}/stream",
        "environment_id": environment_id,
        "resources": resources,
        "current_turn": 1,
    }


def _check_promptable(row: sqlite3.Row) -> None:
    if row["status"] in _NOT_PROMPTABLE:
        raise WrongStateError(_NOT_PROMPTABLE[row["status"]])


def _check_engine(agent: sqlite3.Row, *, strict: bool) -> None:
    """Check a stored agent again, as the runtime API does."""
    if agent["generation"] == "runtime":
        catalog.check_runtime(agent["runtime"])
        is_cli = agent["runtime"] in AGENT_RUNTIMES
        if strict and is_cli and agent["model"] not in catalog.MODELS:
            raise InvalidError(f"Unknown model: {agent['model']}")
    kind = agent[agent["generation"]]
    catalog.engine(agent["generation"], kind, agent["model"], strict=strict)


def _check_limit(connection: sqlite3.Connection, owner: str, limit: int) -> None:
    (active,) = connection.execute(
        "SELECT count(*) FROM session WHERE owner = ? AND status IN ('pending', 'running')",
        (owner,),
    ).fetchone()
    if active >= limit:
        raise SessionLimitError(
            f"Concurrent session limit reached ({active}/{limit}). "
            "Terminate an active session before starting a new one.",
            limit=limit,
            active=active,
        )


def _setup(
    connection: sqlite3.Connection,
    vault: Vault,
    agent: sqlite3.Row,
    environment_id: str | None,
    fields: SessionCreateBody,
) -> dict[str, Any]:
    try:
        servers = vault.open_servers(agent["mcp_servers"])
    except SealError as error:
        raise UnavailableError(f"Session backend is not configured: {error}") from None
    setup = Setup(
        system=agent["system"],
        skills=json.loads(agent["skills"]),
        mcp_servers=servers,
        options=json.loads(agent["metadata"]),
        secret_env_vars=fields.secret_env_vars,
        resources=[
            {
                "url": resource.url,
                "mount_path": resource.mounted,
                "token": resource.authorization_token,
            }
            for resource in fields.resources
        ],
        **_environment(connection, vault, environment_id),
    )
    return asdict(setup)


def _environment(
    connection: sqlite3.Connection, vault: Vault, environment_id: str | None
) -> dict[str, Any]:
    if environment_id is None:
        return {}
    row = connection.execute("SELECT * FROM environment WHERE id = ?", (environment_id,)).fetchone()
    try:
        env_vars = vault.open(row["env_vars"])
    except SealError as error:
        raise UnavailableError(f"Session backend is not configured: {error}") from None
    return {
        "packages": json.loads(row["packages"]),
        "networking": json.loads(row["networking"]),
        "setup_script": row["setup_script"],
        "env_vars": env_vars,
    }


def _insert(
    connection: sqlite3.Connection,
    call: AodCall,
    *,
    agent: sqlite3.Row,
    environment_id: str | None,
    fields: SessionCreateBody,
    sealed: bytes,
) -> dict[str, Any]:
    session_id, time = str(uuid.uuid4()), now()
    shown = [
        {"type": resource.type, "url": resource.url, "mount_path": resource.mounted}
        for resource in fields.resources
    ]
    connection.execute(
        "INSERT INTO session (id, owner, agent_id, environment_id, generation, runtime, model,"
        " status, resources, setup, created_at, updated_at, idempotency_key)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 'pending', ?, ?, ?, ?, ?)",
        (
            session_id,
            call.owner,
            agent["id"],
            environment_id,
            agent["generation"],
            agent["runtime"],
            agent["model"],
            json.dumps(shown),
            sealed,
            time,
            time,
            call.request.headers.get("idempotency-key"),
        ),
    )
    _insert_turn(connection, session_id, 1, fields)
    return _ack(session_id, environment_id, shown)


def _insert_turn(
    connection: sqlite3.Connection,
    session_id: str,
    number: int,
    fields: SessionCreateBody | PromptBody,
) -> None:
    connection.execute(
        "INSERT INTO turn (session_id, turn_number, prompt, timeout, status, created_at)"
        " VALUES (?, ?, ?, ?, 'pending', ?)",
        (session_id, number, fields.prompt, fields.timeout, now()),
    )
