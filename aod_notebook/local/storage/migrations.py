"""The database's schema as numbered steps; `user_version` counts the steps that were applied."""

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

_AGENTOS = """
CREATE TABLE hosted_agent (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    built_in INTEGER NOT NULL,
    folder_id TEXT,
    settings TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);

CREATE TABLE folder (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL
);

CREATE TABLE api_key (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    agent_id TEXT,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    last_used_at TEXT,
    revoked_at TEXT
);

CREATE TABLE run (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    agent_id TEXT NOT NULL,
    external_run_id TEXT,
    hosted INTEGER NOT NULL,
    status TEXT NOT NULL,
    trigger_type TEXT NOT NULL,
    parent_run_id TEXT,
    conversation_id TEXT,
    test INTEGER NOT NULL DEFAULT 0,
    input TEXT NOT NULL,
    plan TEXT NOT NULL DEFAULT '{}',
    output TEXT,
    error_message TEXT,
    error_detail TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cache_read_tokens INTEGER,
    cache_creation_tokens INTEGER,
    event_count INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL,
    ended_at TEXT,
    UNIQUE (agent_id, external_run_id)
);
CREATE INDEX run_status ON run (status);

CREATE TABLE run_event (
    run INTEGER NOT NULL,
    sequence_number INTEGER NOT NULL,
    event_id TEXT,
    body TEXT NOT NULL,
    PRIMARY KEY (run, sequence_number)
) WITHOUT ROWID;
CREATE UNIQUE INDEX run_event_id ON run_event (run, event_id) WHERE event_id IS NOT NULL;

CREATE TABLE task (
    run_id TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    input TEXT,
    output TEXT,
    error_message TEXT,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    PRIMARY KEY (run_id, id)
) WITHOUT ROWID;

CREATE TABLE question (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    run_id TEXT NOT NULL,
    status TEXT NOT NULL,
    prompt TEXT NOT NULL,
    context TEXT,
    options TEXT,
    response TEXT,
    expires_at TEXT,
    created_at TEXT NOT NULL,
    answered_at TEXT
);
CREATE INDEX question_run ON question (run_id);

CREATE TABLE approval (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    run_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    status TEXT NOT NULL,
    request TEXT NOT NULL,
    decision_note TEXT,
    created_at TEXT NOT NULL,
    decided_at TEXT
);

CREATE TABLE conversation (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    agent_id TEXT NOT NULL,
    external_user_id TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);

CREATE TABLE message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    role TEXT NOT NULL,
    content TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE INDEX message_conversation ON message (conversation_id);
"""

# 0: secrets are as version 0.1 stored them; 1: sealed by this one (`local.resealing`). A step of its
# own, so that 0.1 refuses a database that it could not read.
_SEALING = """
CREATE TABLE sealing (is_done INTEGER NOT NULL);
INSERT INTO sealing VALUES (0);
"""

# By its key a repeated create finds the session that the first one made.
_CREATED_ONCE = """
ALTER TABLE session ADD COLUMN idempotency_key TEXT;
CREATE UNIQUE INDEX session_idempotency ON session (owner, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
"""

STEPS: tuple[str, ...] = (_TOKENS_AND_AOD, _AGENTOS, _SEALING, _CREATED_ONCE)


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
