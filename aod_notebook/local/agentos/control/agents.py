"""Control plane: `agents_*`."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from aod_notebook.local.agentos import runs
from aod_notebook.local.agentos.call import Object  # noqa: TC001 - a struct needs its types
from aod_notebook.local.clock import now
from aod_notebook.local.errors import MissingError, WrongStateError

if TYPE_CHECKING:
    import sqlite3

    from aod_notebook.local.agentos.call import AgentOSCall

Text = Annotated[str, Meta(min_length=1)]
Provider = Literal["anthropic", "openai", "replay"]
Status = Literal["active", "paused", "archived"]


class AgentSettings(msgspec.Struct, kw_only=True):
    """The settings of an agent besides its name and folder."""

    system_prompt: str | UnsetType = UNSET
    role: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    provider_type: Provider | UnsetType = UNSET
    model: str | UnsetType = UNSET
    tools: list[str] | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET
    temperature: float | UnsetType = UNSET
    max_tokens: int | UnsetType = UNSET
    max_iterations: int | UnsetType = UNSET
    prompt_variables: dict[str, str] | UnsetType = UNSET
    input_schema: Object | UnsetType = UNSET
    output_schema: Object | UnsetType = UNSET


class AgentCreateFields(AgentSettings, kw_only=True):
    """`agents_create`."""

    name: Text
    system_prompt: str
    folder_id: Text | UnsetType = UNSET


class AgentUpdateFields(AgentSettings, kw_only=True):
    """`agents_update`; `folder_id` null takes the agent out of its folder."""

    agent_id: Text
    name: Text | UnsetType = UNSET
    pinned_resource_ids: list[str] | UnsetType = UNSET
    folder_id: Text | UnsetType | None = UNSET


class AgentById(msgspec.Struct):
    """`agents_get`, `agents_delete`."""

    agent_id: Text


class SetStatus(msgspec.Struct):
    """`agents_set_status`."""

    agent_id: Text
    status: Status


class AgentList(msgspec.Struct):
    """`agents_list`; `folder_id` `none` means in no folder."""

    status: Status | None = None
    folder_id: str | None = None


_OWN = ("name", "folder_id", "agent_id")


async def create(call: AgentOSCall) -> Object:
    """Create a hosted agent; it runs on its provider's CLI, or on `replay`."""
    fields = call.fields(AgentCreateFields)
    settings = {"provider_type": "anthropic", **_given(fields)}
    folder_id = None if fields.folder_id is UNSET else fields.folder_id

    def job(connection: sqlite3.Connection) -> sqlite3.Row:
        _check_folder(connection, folder_id)
        agent_id = str(uuid.uuid4())
        insert(connection, agent_id, fields.name, settings, folder_id=folder_id)
        return runs.find_agent(connection, agent_id)

    agent = render(await call.state.database.write(job))
    return {**agent, "agent_id": agent["id"]}


async def update(call: AgentOSCall) -> Object:
    """Change the given fields."""
    fields = call.fields(AgentUpdateFields)

    def job(connection: sqlite3.Connection) -> sqlite3.Row:
        agent = runs.find_agent(connection, fields.agent_id)
        settings = {**json.loads(agent["settings"]), **_given(fields)}
        folder_id = agent["folder_id"] if fields.folder_id is UNSET else fields.folder_id
        if folder_id is not None and agent["built_in"]:
            raise WrongStateError("A built-in agent can't be filed in a folder")
        _check_folder(connection, folder_id)
        name = agent["name"] if fields.name is UNSET else fields.name
        connection.execute(
            "UPDATE hosted_agent SET name = ?, folder_id = ?, settings = ?, updated_at = ?"
            " WHERE id = ?",
            (name, folder_id, json.dumps(settings), now(), fields.agent_id),
        )
        return runs.find_agent(connection, fields.agent_id)

    return render(await call.state.database.write(job))


async def set_status(call: AgentOSCall) -> Object:
    """Activate, pause or archive; only an active agent can be invoked."""
    fields = call.fields(SetStatus)

    def job(connection: sqlite3.Connection) -> sqlite3.Row:
        runs.find_agent(connection, fields.agent_id)
        connection.execute(
            "UPDATE hosted_agent SET status = ?, updated_at = ? WHERE id = ?",
            (fields.status, now(), fields.agent_id),
        )
        return runs.find_agent(connection, fields.agent_id)

    return render(await call.state.database.write(job))


async def delete(call: AgentOSCall) -> Object:
    """Delete an agent with its keys; its runs stay."""
    fields = call.fields(AgentById)

    def job(connection: sqlite3.Connection) -> None:
        if runs.find_agent(connection, fields.agent_id)["built_in"]:
            raise WrongStateError("The built-in agent can't be deleted")
        connection.execute("DELETE FROM api_key WHERE agent_id = ?", (fields.agent_id,))
        connection.execute("DELETE FROM hosted_agent WHERE id = ?", (fields.agent_id,))

    await call.state.database.write(job)
    return {"agent_id": fields.agent_id, "deleted": True}


def get(call: AgentOSCall) -> Object:
    """Return one agent."""
    return render(runs.find_agent(call.state.database.read(), call.fields(AgentById).agent_id))


def list_all(call: AgentOSCall) -> list[Object]:
    """Return the agents, newest first; without a status all but the archived ones."""
    fields = call.fields(AgentList)
    rows = call.state.database.read().execute("SELECT * FROM hosted_agent ORDER BY seq DESC")
    agents = [render(row) for row in rows]
    if fields.status is None:
        agents = [agent for agent in agents if agent["status"] != "archived"]
    else:
        agents = [agent for agent in agents if agent["status"] == fields.status]
    if fields.folder_id is not None:
        wanted = None if fields.folder_id == "none" else fields.folder_id
        agents = [agent for agent in agents if agent["folder_id"] == wanted]
    return agents


def insert(
    connection: sqlite3.Connection,
    agent_id: str,
    name: str,
    settings: Object,
    *,
    folder_id: str | None = None,
    built_in: bool = False,
) -> None:
    """Store an agent (inside a write job); an existing one stays unchanged."""
    time = now()
    connection.execute(
        "INSERT OR IGNORE INTO hosted_agent (id, name, status, built_in, folder_id, settings,"
        " created_at, updated_at) VALUES (?, ?, 'active', ?, ?, ?, ?, ?)",
        (agent_id, name, int(built_in), folder_id, json.dumps(settings), time, time),
    )


def render(row: sqlite3.Row) -> Object:
    """Return the agent as a JSON object."""
    return {
        "id": row["id"],
        "name": row["name"],
        "status": row["status"],
        "built_in": bool(row["built_in"]),
        "folder_id": row["folder_id"],
        **json.loads(row["settings"]),
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


def _given(fields: AgentSettings) -> Object:
    values: Object = msgspec.to_builtins(fields)
    return {name: value for name, value in values.items() if name not in _OWN}


def _check_folder(connection: sqlite3.Connection, folder_id: str | None) -> None:
    if folder_id is None:
        return
    if connection.execute("SELECT 1 FROM folder WHERE id = ?", (folder_id,)).fetchone() is None:
        raise MissingError(f"Folder {folder_id} not found")
