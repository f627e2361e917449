"""Seal what version 0.1 stored under a cipher of its own, or in plain text.

It runs once per data directory, when a service opens the database of 0.1.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from aod_notebook.local.storage.vault import SealError

if TYPE_CHECKING:
    import sqlite3

    from aod_notebook.local.storage.vault import Vault

_NONCE = 16
_TAG = 32
_SEALED = (
    ("environment", "env_vars", ("id",)),
    ("environment_version", "env_vars", ("environment_id", "version")),
    ("session", "setup", ("id",)),
)


def reseal(connection: sqlite3.Connection, vault: Vault, key: bytes) -> bool:
    """Seal every secret of the database with the vault; a second call does nothing.

    What 0.1 sealed under another key stays unchanged: nothing can read it. Returns whether the
    file is one of 0.1: then its free parts hold in plain text what 0.1 deleted or replaced, until
    it is compacted.
    """
    (is_done,) = connection.execute("SELECT is_done FROM sealing").fetchone()
    if is_done:
        return False
    # freed parts of the file are overwritten, so that no plain text stays there
    connection.execute("PRAGMA secure_delete = ON")
    for table, column, names in _SEALED:
        for row in connection.execute(f"SELECT * FROM {table}").fetchall():  # noqa: S608 - our own names
            try:
                sealed = vault.seal(_open_first(key, row[column]))
            except SealError:
                continue
            _set(connection, table, column, sealed, {name: row[name] for name in names})
    for row in connection.execute("SELECT id, mcp_servers FROM agent").fetchall():
        servers = vault.seal_servers(json.loads(row["mcp_servers"]))
        _set(connection, "agent", "mcp_servers", servers, {"id": row["id"]})
    for row in connection.execute("SELECT * FROM agent_version").fetchall():
        snapshot = json.loads(row["snapshot"])
        snapshot["mcp_servers"] = json.loads(vault.seal_servers(snapshot["mcp_servers"]))
        where = {name: row[name] for name in ("agent_id", "version")}
        _set(connection, "agent_version", "snapshot", json.dumps(snapshot), where)
    connection.execute("UPDATE sealing SET is_done = 1")
    connection.execute("PRAGMA secure_delete = OFF")
    # a service stores its own token when it first starts, so a new file has none here
    return connection.execute("SELECT 1 FROM api_token").fetchone() is not None


def _set(
    connection: sqlite3.Connection, table: str, column: str, value: Any, where: dict[str, Any]
) -> None:
    is_row = " AND ".join(f"{name} = :{name}" for name in where)
    connection.execute(
        f"UPDATE {table} SET {column} = :value WHERE {is_row}",  # noqa: S608 - our own names
        {"value": value, **where},
    )


def _open_first(key: bytes, sealed: bytes) -> Any:
    """Decrypt what version 0.1 sealed: HMAC-SHA256 as keystream and as tag."""
    nonce, tag, hidden = sealed[:_NONCE], sealed[_NONCE : _NONCE + _TAG], sealed[_NONCE + _TAG :]
    tag_key, stream_key = (hmac.digest(key, use, "sha256") for use in (b"tag", b"stream"))
    if not hmac.compare_digest(tag, hmac.digest(tag_key, nonce + hidden, "sha256")):
        raise SealError("a stored secret does not fit this data directory's key")
    blocks = (len(hidden) + _TAG - 1) // _TAG
    stream = b"".join(
        hmac.digest(stream_key, nonce + index.to_bytes(8, "big"), hashlib.sha256)
        for index in range(blocks)
    )
    return json.loads(bytes(one ^ other for one, other in zip(hidden, stream, strict=False)))
