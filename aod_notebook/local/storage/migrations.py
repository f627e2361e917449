"""The database's schema as numbered steps; `user_version` says how many have been taken."""

from __future__ import annotations

import sqlite3

_TOKENS_AND_AOD = """
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counter VALUES ('log', 0);

CREATE TABLE api_token (
    digest BLOB PRIMARY KEY,
    prefix TEXT NOT NULL,
    owner TEXT NOT NULL,
    active INTEGER NOT NULL DEFAULT 1,
    expires_at TEXT
) WITHOUT ROWID;

CREATE TABLE environment (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    packages TEXT NOT NULL,
    env_vars BLOB NOT NULL,
    setup_script TEXT NOT NULL,
    networking TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    archived_at TEXT
);
CREATE UNIQUE INDEX environment_active_name ON environment (owner, name)
    WHERE archived_at IS NULL;

CREATE TABLE environment_version (
    environment_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    snapshot TEXT NOT NULL,
    env_vars BLOB NOT NULL,
    PRIMARY KEY (environment_id, version)
) WITHOUT ROWID;

CREATE TABLE agent (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    generation TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    system TEXT NOT NULL,
    model TEXT NOT NULL,
    runtime TEXT NOT NULL,
    provider TEXT NOT NULL,
    environment_id TEXT,
    skills TEXT NOT NULL,
    mcp_servers TEXT NOT NULL,
    metadata TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    archived_at TEXT
);

CREATE TABLE agent_version (
    agent_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    snapshot TEXT NOT NULL,
    PRIMARY KEY (agent_id, version)
) WITHOUT ROWID;

CREATE TABLE session (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    agent_id TEXT,
    environment_id TEXT,
    generation TEXT NOT NULL,
    runtime TEXT NOT NULL,
    model TEXT NOT NULL,
    status TEXT NOT NULL,
    exit_code INTEGER,
    resources TEXT NOT NULL,
    setup BLOB NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
CREATE INDEX session_owner_status ON session (owner, status);
CREATE INDEX session_environment ON session (environment_id);

CREATE TABLE turn (
    session_id TEXT NOT NULL,
    turn_number INTEGER NOT NULL,
    prompt TEXT NOT NULL,
    timeout INTEGER NOT NULL,
    status TEXT NOT NULL,
    exit_code INTEGER,
    created_at TEXT NOT NULL,
    started_at TEXT,
    ended_at TEXT,
    PRIMARY KEY (session_id, turn_number)
) WITHOUT ROWID;

CREATE TABLE log_block (
    last_id INTEGER PRIMARY KEY,
    first_id INTEGER NOT NULL,
    session_id TEXT NOT NULL,
    turn INTEGER,
    body BLOB NOT NULL
);
CREATE INDEX log_block_session ON log_block (session_id);
"""

STEPS: tuple[str, ...] = (_TOKENS_AND_AOD,)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to the newest schema; each step is one transaction.

    Raises:
        sqlite3.DatabaseError: the file was written by a newer version of this package.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(STEPS):
        raise sqlite3.DatabaseError(
            f"the service's database has schema {version}, this version knows {len(STEPS)}: "
            "use the newer aod-notebook that wrote it, or another data directory"
        )
    for number, step in enumerate(STEPS[version:], start=version + 1):
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{step}\nPRAGMA user_version = {number};\nCOMMIT;"
        )
