"""`/environments`: create, read, update with versions, archive, delete."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, cast

from aod_notebook.local.aod import versions
from aod_notebook.local.aod.call import AodCall, answer, listing, validated
from aod_notebook.local.aod.models import EnvironmentCreateBody, EnvironmentUpdateBody
from aod_notebook.local.clock import now
from aod_notebook.local.errors import MissingError, WrongStateError
from aod_notebook.local.storage.vault import SealError

if TYPE_CHECKING:
    import sqlite3

    from starlette.responses import Response

    from aod_notebook.local.storage.vault import Vault


async def list_environments(call: AodCall) -> Response:
    """`GET /environments`: the owner's environments that are not archived, newest first."""
    return await listing(
        call,
        "SELECT * FROM environment WHERE owner = ? AND archived_at IS NULL"
        " ORDER BY created_at DESC, seq DESC",
        (call.owner,),
        render,
    )


async def get_environment(call: AodCall) -> Response:
    """`GET /environments/{id}`."""
    return answer(render(find(call.state.database.read(), call.owner, call.id)))


async def create_environment(call: AodCall) -> Response:
    """`POST /environments`."""
    fields = validated(EnvironmentCreateBody, await call.json())
    vault = call.state.vault

    def job(connection: sqlite3.Connection) -> sqlite3.Row:
        _check_name(connection, call.owner, fields.name)
        environment_id, time = str(uuid.uuid4()), now()
        connection.execute(
            "INSERT INTO environment (id, owner, name, packages, env_vars, setup_script,"
            " networking, version, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?)",
            (
                environment_id,
                call.owner,
                fields.name,
                json.dumps(fields.packages),
                vault.seal(fields.env_vars),
                fields.setup_script,
                json.dumps(fields.networking),
                time,
                time,
            ),
        )
        row = find(connection, call.owner, environment_id)
        _snapshot(connection, row)
        return row

    return answer(render(await call.state.database.write(job)), 201)


async def update_environment(call: AodCall) -> Response:
    """`PUT /environments/{id}`: archived before the body, the name last."""
    versions.check_open("environment", find(call.state.database.read(), call.owner, call.id))
    fields = validated(EnvironmentUpdateBody, await call.json())
    row = await call.state.database.write(
        lambda connection: _apply(connection, call, fields, call.state.vault)
    )
    return answer(render(row))


async def archive_environment(call: AodCall) -> Response:
    """`POST /environments/{id}/archive`."""

    def job(connection: sqlite3.Connection) -> sqlite3.Row:
        versions.archive(connection, "environment", find(connection, call.owner, call.id))
        return find(connection, call.owner, call.id)

    return answer(render(await call.state.database.write(job)))


async def delete_environment(call: AodCall) -> Response:
    """`DELETE /environments/{id}/delete`: refused while any session row refers to it."""

    def job(connection: sqlite3.Connection) -> None:
        find(connection, call.owner, call.id)
        used = connection.execute(
            "SELECT 1 FROM session WHERE environment_id = ? LIMIT 1", (call.id,)
        ).fetchone()
        if used is not None:
            raise WrongStateError("Cannot delete environment with existing sessions")
        connection.execute("DELETE FROM environment_version WHERE environment_id = ?", (call.id,))
        connection.execute(
            "UPDATE agent SET environment_id = NULL WHERE environment_id = ?", (call.id,)
        )
        connection.execute("DELETE FROM environment WHERE id = ?", (call.id,))

    await call.state.database.write(job)
    return answer({"detail": "Environment deleted"})


async def list_versions(call: AodCall) -> Response:
    """`GET /environments/{id}/versions`: highest first."""
    find(call.state.database.read(), call.owner, call.id)
    return await listing(
        call,
        "SELECT snapshot FROM environment_version WHERE environment_id = ? ORDER BY version DESC",
        (call.id,),
        lambda row: json.loads(row["snapshot"]),
    )


def check_exists(call: AodCall) -> None:
    """Raise the 404 of `/environments/{id}`, which comes before its 405."""
    find(call.state.database.read(), call.owner, call.id)


def find(connection: sqlite3.Connection, owner: str, environment_id: str) -> sqlite3.Row:
    """Return the environment's row, or raise the 404."""
    row = connection.execute(
        "SELECT * FROM environment WHERE owner = ? AND id = ?", (owner, environment_id)
    ).fetchone()
    if row is None:
        raise MissingError("Environment not found")
    return cast("sqlite3.Row", row)


def render(row: sqlite3.Row) -> dict[str, Any]:
    """Make the Environment object; `env_vars` is never in it."""
    return {
        "id": row["id"],
        "type": "environment",
        "name": row["name"],
        "packages": json.loads(row["packages"]),
        "setup_script": row["setup_script"] or None,
        "networking": _shown_networking(json.loads(row["networking"])),
        "version": row["version"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "archived_at": row["archived_at"],
    }


def _shown_networking(networking: dict[str, Any]) -> dict[str, Any]:
    if networking.get("type") == "limited":
        return networking
    return {"type": "unrestricted"}


def _check_name(connection: sqlite3.Connection, owner: str, name: str) -> None:
    taken = connection.execute(
        "SELECT 1 FROM environment WHERE owner = ? AND name = ? AND archived_at IS NULL",
        (owner, name),
    ).fetchone()
    if taken is not None:
        raise WrongStateError(f"An active environment named '{name}' already exists")


def _apply(
    connection: sqlite3.Connection, call: AodCall, fields: EnvironmentUpdateBody, vault: Vault
) -> sqlite3.Row:
    row = find(connection, call.owner, call.id)
    versions.check_open("environment", row)
    versions.check_version(row, fields.version)
    changes: dict[str, Any] = {}
    for name in ("name", "setup_script"):
        value = getattr(fields, name)
        if value is not None and value != row[name]:
            changes[name] = value
    for name in ("packages", "networking"):
        value = getattr(fields, name)
        if value is not None and value != json.loads(row[name]):
            changes[name] = json.dumps(value)
    if fields.env_vars is not None and _opened(vault, row) != fields.env_vars:
        changes["env_vars"] = vault.seal(fields.env_vars)
    if not changes:
        return row
    if "name" in changes:
        _check_name(connection, call.owner, changes["name"])
    versions.change(connection, "environment", row, changes)
    row = find(connection, call.owner, call.id)
    _snapshot(connection, row)
    return row


def _opened(vault: Vault, row: sqlite3.Row) -> Any:
    """Return the stored variables; None if they can't be read and have to be replaced."""
    try:
        return vault.open(row["env_vars"])
    except SealError:
        return None


def _snapshot(connection: sqlite3.Connection, row: sqlite3.Row) -> None:
    connection.execute(
        "INSERT INTO environment_version VALUES (?, ?, ?, ?)",
        (row["id"], row["version"], versions.snapshot(render(row)), row["env_vars"]),
    )
