"""`/agents`: create, read, update with versions, archive."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from aod_notebook.contract import LOCAL_RUNTIMES
from aod_notebook.local.aod import catalog, versions
from aod_notebook.local.aod.call import MAX_METADATA, AodCall, answer, listing, validated
from aod_notebook.local.aod.models import (
    ProviderAgentCreate,
    ProviderAgentUpdate,
    RuntimeAgentCreate,
    RuntimeAgentUpdate,
)
from aod_notebook.local.clock import now
from aod_notebook.local.errors import (
    InvalidError,
    MissingError,
    TooLargeError,
    WrongStateError,
)
from aod_notebook.local.storage.vault import SealError

if TYPE_CHECKING:
    import sqlite3

    from starlette.responses import Response

    from aod_notebook.local.storage.vault import Vault

Create = RuntimeAgentCreate | ProviderAgentCreate
Update = RuntimeAgentUpdate | ProviderAgentUpdate

_ONE_GENERATION = (
    "Give exactly one of 'runtime' (claude, codex, gemini, opencode, shell, replay) "
    "and 'provider' (anthropic, openai, shell, replay)"
)
_JSON_FIELDS = ("skills", "metadata")


async def list_agents(call: AodCall) -> Response:
    """`GET /agents`: the owner's agents that are not archived, newest first."""
    return await listing(
        call,
        "SELECT * FROM agent WHERE owner = ? AND archived_at IS NULL"
        " ORDER BY created_at DESC, seq DESC",
        (call.owner,),
        lambda row: render(row, call.state.vault),
    )


async def get_agent(call: AodCall) -> Response:
    """`GET /agents/{id}`."""
    return answer(render(find(call.state.database.read(), call.owner, call.id), call.state.vault))


async def create_agent(call: AodCall) -> Response:
    """`POST /agents`, in either generation."""
    body = await call.json()
    kind = _kind(body)
    if kind is None:
        raise InvalidError(_ONE_GENERATION)
    model: type[Create] = RuntimeAgentCreate if kind == "runtime" else ProviderAgentCreate
    strict = call.state.config.strict_models
    fields = validated(model, body, free=_free(body.get(kind)), strict=strict)
    engine = catalog.engine(kind, getattr(fields, kind), fields.model, strict=strict)
    row = await call.state.database.write(
        lambda connection: _insert(connection, call, fields, engine)
    )
    return answer(render(row, call.state.vault), 201)


async def update_agent(call: AodCall) -> Response:
    """`PUT /agents/{id}`: checks in the order of the real service; a new version only if something changed."""
    body = await call.json()
    kind = _kind(body)
    stored = _peek(call)
    generation = kind or (stored["generation"] if stored else "runtime")
    model: type[Update] = RuntimeAgentUpdate if generation == "runtime" else ProviderAgentUpdate
    named = body.get(generation) or (stored[generation] if stored else None)
    # without either, nobody knows which models the missing agent could have
    is_unknown = kind is None and stored is None
    strict = call.state.config.strict_models
    fields = validated(model, body, free=is_unknown or _free(named), strict=strict)
    runtime = getattr(fields, "runtime", None)
    if runtime is not None:
        catalog.check_runtime(runtime)
    row = await call.state.database.write(
        lambda connection: _apply(connection, call, fields, generation, strict=strict)
    )
    return answer(render(row, call.state.vault))


async def archive_agent(call: AodCall) -> Response:
    """`POST /agents/{id}/archive`."""

    def job(connection: sqlite3.Connection) -> sqlite3.Row:
        versions.archive(connection, "agent", find(connection, call.owner, call.id))
        return find(connection, call.owner, call.id)

    return answer(render(await call.state.database.write(job), call.state.vault))


async def list_versions(call: AodCall) -> Response:
    """`GET /agents/{id}/versions`: highest first."""
    find(call.state.database.read(), call.owner, call.id)

    def shown(row: sqlite3.Row) -> dict[str, Any]:
        snapshot: dict[str, Any] = json.loads(row["snapshot"])
        servers = _shown(call.state.vault, json.dumps(snapshot["mcp_servers"]))
        return snapshot | {"mcp_servers": servers}

    return await listing(
        call,
        "SELECT snapshot FROM agent_version WHERE agent_id = ? ORDER BY version DESC",
        (call.id,),
        shown,
    )


def find(connection: sqlite3.Connection, owner: str, agent_id: str) -> sqlite3.Row:
    """Return the agent's row, or raise the 404; another owner's agent counts as missing."""
    row = connection.execute(
        "SELECT * FROM agent WHERE owner = ? AND id = ?", (owner, _text(agent_id))
    ).fetchone()
    if row is None:
        raise MissingError("Agent not found")
    return cast("sqlite3.Row", row)


def render(row: sqlite3.Row, vault: Vault) -> dict[str, Any]:
    """Make the Agent object, with the names of both generations."""
    return _rendered(row) | {"mcp_servers": _shown(vault, row["mcp_servers"])}


def _shown(vault: Vault, stored: str) -> list[dict[str, Any]]:
    """Return the MCP servers; of those that can't be read (another key) name and type."""
    try:
        return vault.open_servers(stored)
    except SealError:
        return [{"name": server["name"], "type": server["type"]} for server in json.loads(stored)]


def _rendered(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "type": "agent",
        "name": row["name"],
        "description": row["description"] or None,
        "system": row["system"] or None,
        "model": row["model"],
        "runtime": row["runtime"],
        "provider": row["provider"],
        "environment_id": row["environment_id"],
        **{name: json.loads(row[name]) for name in (*_JSON_FIELDS, "mcp_servers")},
        "version": row["version"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "archived_at": row["archived_at"],
    }


def check_environment(
    connection: sqlite3.Connection, owner: str, environment_id: str, archived: str
) -> None:
    """Refuse an environment that is missing (404) or archived (409 with the given text)."""
    row = connection.execute(
        "SELECT archived_at FROM environment WHERE owner = ? AND id = ?",
        (owner, _text(environment_id)),
    ).fetchone()
    if row is None:
        raise MissingError("Environment not found")
    if row["archived_at"] is not None:
        raise WrongStateError(archived)


def _text(value: str) -> str:
    return value.encode("utf-8", "replace").decode()


def _kind(body: dict[str, Any]) -> catalog.Generation | None:
    """Return the API generation of the body; None if it names neither."""
    runtime, provider = "runtime" in body, "provider" in body
    if runtime and provider:
        raise InvalidError(_ONE_GENERATION)
    if runtime:
        return "runtime"
    return "provider" if provider else None


def _free(kind: object) -> bool:
    return isinstance(kind, str) and kind.strip() in LOCAL_RUNTIMES


def _peek(call: AodCall) -> sqlite3.Row | None:
    try:
        return find(call.state.database.read(), call.owner, call.id)
    except MissingError:
        return None


def _insert(
    connection: sqlite3.Connection, call: AodCall, fields: Create, engine: catalog.Engine
) -> sqlite3.Row:
    owner = call.owner
    if fields.environment_id is not None:
        _check_assignable(connection, owner, fields.environment_id)
    time = now()
    values = {
        "id": str(uuid.uuid4()),
        "owner": owner,
        "name": fields.name,
        "description": fields.description,
        "system": fields.system,
        "environment_id": fields.environment_id,
        "skills": json.dumps(fields.skills),
        "metadata": _metadata(fields.metadata),
        "mcp_servers": call.state.vault.seal_servers(fields.mcp_servers),
        **asdict(engine),
        "version": 1,
        "created_at": time,
        "updated_at": time,
    }
    names = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    connection.execute(f"INSERT INTO agent ({names}) VALUES ({marks})", values)  # noqa: S608 - our own column names
    row = find(connection, owner, str(values["id"]))
    _snapshot(connection, row)
    return row


def _check_assignable(connection: sqlite3.Connection, owner: str, environment_id: str) -> None:
    check_environment(
        connection, owner, environment_id, "Cannot assign an archived environment to an agent"
    )


def _apply(
    connection: sqlite3.Connection,
    call: AodCall,
    fields: Update,
    generation: catalog.Generation,
    *,
    strict: bool,
) -> sqlite3.Row:
    owner, agent_id = call.owner, call.id
    if fields.environment_id is not None:
        _check_assignable(connection, owner, fields.environment_id)
    row = find(connection, owner, agent_id)
    versions.check_open("agent", row)
    versions.check_version(row, fields.version)
    kind = getattr(fields, generation) or row[generation]
    model = row["model"] if fields.model is None else fields.model
    changes = _changes(row, fields, call.state.vault)
    if kind != row[generation] or model != row["model"]:
        changes |= asdict(catalog.engine(generation, kind, model, strict=strict))
    changes = {name: value for name, value in changes.items() if value != row[name]}
    if not changes:
        return row
    versions.change(connection, "agent", row, changes)
    row = find(connection, owner, agent_id)
    _snapshot(connection, row)
    return row


def _changes(row: sqlite3.Row, fields: Update, vault: Vault) -> dict[str, Any]:
    changes: dict[str, Any] = {
        name: getattr(fields, name)
        for name in ("name", "description", "system")
        if getattr(fields, name) is not None
    }
    if "environment_id" in fields.model_fields_set:
        changes["environment_id"] = fields.environment_id
    if fields.skills is not None and _differs(fields.skills, json.loads(row["skills"])):
        changes["skills"] = json.dumps(fields.skills)
    servers = fields.mcp_servers
    if servers is not None and _differs(servers, _shown(vault, row["mcp_servers"])):
        changes["mcp_servers"] = vault.seal_servers(servers)
    if fields.metadata is not None:
        stored = json.loads(row["metadata"])
        merged = _merge(stored, fields.metadata)
        if _differs(merged, stored):
            changes["metadata"] = _metadata(merged)
    return changes


def _metadata(value: dict[str, Any]) -> str:
    text = json.dumps(value)
    if len(text) > MAX_METADATA:
        raise TooLargeError(f"metadata is larger than {MAX_METADATA} bytes of JSON")
    return text


def _merge(stored: dict[str, Any], sent: dict[str, Any]) -> dict[str, Any]:
    """Merge one level deep; the empty string deletes a key."""
    merged = {**stored, **sent}
    return {key: value for key, value in merged.items() if not _deletes(sent, key)}


def _deletes(sent: dict[str, Any], key: str) -> bool:
    return isinstance(sent.get(key), str) and sent[key] == ""


def _differs(left: Any, right: Any) -> bool:
    """Compare as JSON text, in which `1`, `1.0` and `true` are three values."""
    return json.dumps(left, sort_keys=True) != json.dumps(right, sort_keys=True)


def _snapshot(connection: sqlite3.Connection, row: sqlite3.Row) -> None:
    connection.execute(
        "INSERT INTO agent_version VALUES (?, ?, ?)",
        (row["id"], row["version"], versions.snapshot(_rendered(row))),
    )
