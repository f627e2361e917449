"""Control plane: `api_keys_*`, `conversations_*`, `folders_*`, `workspaces_list`."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, cast

import msgspec
from msgspec import Meta

from aod_notebook.local.agentos import keys, runs
from aod_notebook.local.clock import now
from aod_notebook.local.errors import MissingError, WrongStateError

if TYPE_CHECKING:
    import sqlite3

    from aod_notebook.local.agentos.call import AgentOSCall, Object

Text = Annotated[str, Meta(min_length=1)]
Limit = Annotated[int, Meta(ge=1, le=1_000_000_000)]

WORKSPACE = {"id": "local", "slug": "local", "name": "This machine"}


class CreateKey(msgspec.Struct):
    """`api_keys_create`."""

    agent_id: Text
    name: Text


class ListKeys(msgspec.Struct):
    """`api_keys_list`."""

    agent_id: Text | None = None
    include_revoked: bool = False


class RevokeKey(msgspec.Struct):
    """`api_keys_revoke`."""

    key_id: Text


class GetConversation(msgspec.Struct):
    """`conversations_get`; the newest messages within the limit."""

    conversation_id: Text
    message_limit: Limit | None = None


class ListConversations(msgspec.Struct):
    """`conversations_list`."""

    agent_id: Text | None = None
    external_user_id: Text | None = None
    limit: Limit = 20


class DeleteConversation(msgspec.Struct):
    """`conversations_delete`."""

    conversation_id: Text


class CreateFolder(msgspec.Struct):
    """`folders_create`."""

    name: Text


class DeleteFolder(msgspec.Struct):
    """`folders_delete`."""

    folder_id: Text


async def create_key(call: AgentOSCall) -> Object:
    """Create an agent key; its text is returned only once."""
    fields = call.fields(CreateKey)
    text = call.state.keys.new("agent")

    def job(connection: sqlite3.Connection) -> str:
        runs.find_agent(connection, fields.agent_id)
        return keys.insert(connection, "agent", text, fields.agent_id, fields.name)

    key_id = await call.state.database.write(job)
    row = _find(call.state.database.read(), "api_key", key_id, "Key")
    return {**_render_key(row), "key_id": key_id, "api_key_id": key_id, "api_key": text}


def list_keys(call: AgentOSCall) -> list[Object]:
    """Return agent keys, newest first; never their text."""
    fields = call.fields(ListKeys)
    rows = call.state.database.read().execute(
        "SELECT * FROM api_key WHERE kind = 'agent' AND (:agent IS NULL OR agent_id = :agent)"
        " AND (:revoked OR revoked_at IS NULL) ORDER BY seq DESC",
        {"agent": fields.agent_id, "revoked": fields.include_revoked},
    )
    return [_render_key(row) for row in rows]


async def revoke_key(call: AgentOSCall) -> Object:
    """Revoke a key: it is refused from now on."""
    key_id = call.fields(RevokeKey).key_id

    def job(connection: sqlite3.Connection) -> sqlite3.Row:
        _find(connection, "api_key", key_id, "Key")
        connection.execute(
            "UPDATE api_key SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?", (now(), key_id)
        )
        return _find(connection, "api_key", key_id, "Key")

    return _render_key(await call.state.database.write(job))


def get_conversation(call: AgentOSCall) -> Object:
    """Return a conversation with its messages, oldest first."""
    fields = call.fields(GetConversation)
    connection = call.state.database.read()
    row = _find(connection, "conversation", fields.conversation_id, "Conversation")
    limit = -1 if fields.message_limit is None else fields.message_limit
    messages = connection.execute(
        "SELECT * FROM message WHERE conversation_id = ? ORDER BY seq DESC LIMIT ?",
        (fields.conversation_id, limit),
    ).fetchall()
    shown = [
        {
            "id": message["seq"],
            "role": message["role"],
            "content": runs.raw(message["content"]),
            "run_id": message["run_id"],
            "created_at": message["created_at"],
        }
        for message in reversed(messages)
    ]
    return {**_render_conversation(row), "messages": shown}


def list_conversations(call: AgentOSCall) -> list[Object]:
    """Return conversations, newest first."""
    fields = call.fields(ListConversations)
    rows = call.state.database.read().execute(
        "SELECT * FROM conversation WHERE (:agent IS NULL OR agent_id = :agent)"
        " AND (:user IS NULL OR external_user_id = :user) ORDER BY seq DESC LIMIT :limit",
        {"agent": fields.agent_id, "user": fields.external_user_id, "limit": fields.limit},
    )
    return [_render_conversation(row) for row in rows]


async def delete_conversation(call: AgentOSCall) -> Object:
    """Delete a conversation and its messages."""
    conversation_id = call.fields(DeleteConversation).conversation_id

    def job(connection: sqlite3.Connection) -> None:
        _find(connection, "conversation", conversation_id, "Conversation")
        connection.execute("DELETE FROM message WHERE conversation_id = ?", (conversation_id,))
        connection.execute("DELETE FROM conversation WHERE id = ?", (conversation_id,))

    await call.state.database.write(job)
    return {"conversation_id": conversation_id, "deleted": True}


async def create_folder(call: AgentOSCall) -> Object:
    """Create a folder; its name is unique."""
    name = call.fields(CreateFolder).name

    def job(connection: sqlite3.Connection) -> str:
        if connection.execute("SELECT 1 FROM folder WHERE name = ?", (name,)).fetchone():
            raise WrongStateError(f"A folder named '{name}' already exists")
        folder_id = str(uuid.uuid4())
        connection.execute(
            "INSERT INTO folder (id, name, created_at) VALUES (?, ?, ?)", (folder_id, name, now())
        )
        return folder_id

    folder_id = await call.state.database.write(job)
    return {"id": folder_id, "folder_id": folder_id, "name": name}


def list_folders(call: AgentOSCall) -> list[Object]:
    """Return folders with the number of their agents, newest first."""
    rows = call.state.database.read().execute(
        "SELECT f.id, f.name, f.created_at, count(a.id) AS agent_count FROM folder f"
        " LEFT JOIN hosted_agent a ON a.folder_id = f.id GROUP BY f.seq ORDER BY f.seq DESC"
    )
    return [dict(row) for row in rows]


async def delete_folder(call: AgentOSCall) -> Object:
    """Delete a folder; its agents stay, in no folder."""
    folder_id = call.fields(DeleteFolder).folder_id

    def job(connection: sqlite3.Connection) -> None:
        _find(connection, "folder", folder_id, "Folder")
        connection.execute(
            "UPDATE hosted_agent SET folder_id = NULL WHERE folder_id = ?", (folder_id,)
        )
        connection.execute("DELETE FROM folder WHERE id = ?", (folder_id,))

    await call.state.database.write(job)
    return {"folder_id": folder_id, "deleted": True}


def list_workspaces(call: AgentOSCall) -> list[Object]:
    """Return the one workspace of a data directory."""
    role = {"role": "owner"} if call.key.kind == "user" else {}
    return [{**WORKSPACE, **role}]


def _find(connection: sqlite3.Connection, table: str, row_id: str, noun: str) -> sqlite3.Row:
    row = connection.execute(f"SELECT * FROM {table} WHERE id = ?", (row_id,)).fetchone()  # noqa: S608 - our own table names
    if row is None:
        raise MissingError(f"{noun} {row_id} not found")
    return cast("sqlite3.Row", row)


def _render_key(row: sqlite3.Row) -> Object:
    return {
        "id": row["id"],
        "name": row["name"],
        "prefix": row["prefix"],
        "agent_id": row["agent_id"],
        "revoked": row["revoked_at"] is not None,
        "last_used_at": row["last_used_at"],
        "created_at": row["created_at"],
    }


def _render_conversation(row: sqlite3.Row) -> Object:
    return {
        "id": row["id"],
        "agent_id": row["agent_id"],
        "external_user_id": row["external_user_id"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }
