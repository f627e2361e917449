"""API keys of the AgentOS half: agent, workspace and personal keys."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from aod_notebook.core.proof import new_token
from aod_notebook.local.clock import now
from aod_notebook.local.credentials import digest
from aod_notebook.local.errors import ForbiddenError, UnauthenticatedError

if TYPE_CHECKING:
    import sqlite3

    from aod_notebook.local.storage import Database

Kind = Literal["agent", "workspace", "user"]

_PREFIXES: dict[Kind, str] = {"agent": "aos_agent_", "workspace": "aos_ws_", "user": "aos_user_"}
_SHOWN = 24  # with some of the id, which is not secret


@dataclass(frozen=True, slots=True)
class Key:
    """The caller: `agent_id` is set for agent keys only."""

    kind: Kind
    agent_id: str | None

    def check_agent(self, agent_id: str) -> None:
        """Refuse an agent key of another agent."""
        if self.agent_id is not None and self.agent_id != agent_id:
            raise ForbiddenError("This key belongs to another agent")

    def check_control(self) -> None:
        """Refuse agent keys."""
        if self.kind == "agent":
            raise ForbiddenError("An agent key can't do this: use a workspace key")


class Keys:
    """The keys of one data directory. Only digests are stored and looked up."""

    def __init__(self, database: Database, proof_key: bytes) -> None:
        self._database = database
        self._proof_key = proof_key

    def check(self, text: str) -> Key:
        """Return the kind of a key and its agent, and note its use.

        Raises:
            UnauthenticatedError: the key is unknown or revoked.
        """
        found = (
            self._database.read()
            .execute(
                "SELECT seq, kind, agent_id, last_used_at FROM api_key"
                " WHERE digest = ? AND revoked_at IS NULL",
                (digest(text),),
            )
            .fetchone()
        )
        if found is None:
            raise UnauthenticatedError("Invalid or revoked API key")
        self._note_use(found)
        return Key(found["kind"], found["agent_id"])

    def ensure(self, kind: Kind, text: str, agent_id: str | None, name: str) -> None:
        """Make one of the directory's own keys valid, unless it has been revoked."""
        self._database.submit(
            lambda connection: insert(connection, kind, text, agent_id, name)
        ).result()

    def issue(self, kind: Kind, agent_id: str | None = None, *, proved: bool = True) -> str:
        """Create another key; it is returned only once."""
        text = self.new(kind, proved=proved)
        self.ensure(kind, text, agent_id, "issued")
        return text

    def new(self, kind: Kind, *, proved: bool = True) -> str:
        """Return the text of a new key, which is not stored yet."""
        return new_token(_PREFIXES[kind], self._proof_key if proved else None)

    def _note_use(self, row: sqlite3.Row) -> None:
        """Write the time of use, at most once a minute."""
        time = now()
        used = row["last_used_at"]
        if used is None or used[:16] != time[:16]:
            self._database.submit(
                lambda connection: connection.execute(
                    "UPDATE api_key SET last_used_at = ? WHERE seq = ?", (time, row["seq"])
                )
            )


def insert(
    connection: sqlite3.Connection, kind: Kind, text: str, agent_id: str | None, name: str
) -> str:
    """Store a key (inside a write job) and return its id; an existing one stays unchanged."""
    key_id = str(uuid.uuid4())
    connection.execute(
        "INSERT OR IGNORE INTO api_key (id, kind, agent_id, name, prefix, digest, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (key_id, kind, agent_id, name, text[:_SHOWN], digest(text), now()),
    )
    return key_id
