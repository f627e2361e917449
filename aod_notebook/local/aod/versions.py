"""What agents and environments share: each change is a version, and the archived ones stay as they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from aod_notebook.local.clock import now
from aod_notebook.local.errors import WrongStateError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

Kind: TypeAlias = Literal["agent", "environment"]
"""The name of the resource, and of its table."""


def archive(connection: sqlite3.Connection, kind: Kind, row: sqlite3.Row) -> None:
    """Archive a row; 409 if it is archived already."""
    if row["archived_at"] is not None:
        raise WrongStateError(f"{kind.capitalize()} is already archived")
    time = now()
    _set(connection, kind, row, {"archived_at": time, "updated_at": time})


def check_open(kind: Kind, row: sqlite3.Row) -> None:
    """Raise the 409 for an update of an archived row."""
    if row["archived_at"] is not None:
        raise WrongStateError(f"Cannot update an archived {kind}")


def check_version(row: sqlite3.Row, version: int) -> None:
    """Raise the 409 for an update of another version than the newest."""
    if version != row["version"]:
        raise WrongStateError(f"Version mismatch: expected {row['version']}, got {version}")


def change(
    connection: sqlite3.Connection, kind: Kind, row: sqlite3.Row, changes: Mapping[str, Any]
) -> None:
    """Change a row, which makes the next version of it."""
    _set(connection, kind, row, {**changes, "version": row["version"] + 1, "updated_at": now()})


def snapshot(shown: Mapping[str, Any]) -> str:
    """Return a version as JSON text: the resource as it is shown, made when it was changed."""
    left_out = ("updated_at", "archived_at")
    version = {name: value for name, value in shown.items() if name not in left_out}
    return json.dumps(version | {"created_at": shown["updated_at"]})


def _set(
    connection: sqlite3.Connection, kind: Kind, row: sqlite3.Row, values: Mapping[str, Any]
) -> None:
    marks = ", ".join(f"{name} = :{name}" for name in values)
    connection.execute(f"UPDATE {kind} SET {marks} WHERE id = :id", {**values, "id": row["id"]})  # noqa: S608 - our own column names
