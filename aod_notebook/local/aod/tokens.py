"""Bearer tokens of the AoD half: the owner of a token, or why it is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aod_notebook.core.proof import new_token
from aod_notebook.local.credentials import digest
from aod_notebook.local.errors import UnauthenticatedError

if TYPE_CHECKING:
    from aod_notebook.local.storage import Database

LOCAL_OWNER = "local"
_PREFIX = 12


class Tokens:
    """The tokens of one data directory. Only digests are stored and looked up."""

    def __init__(self, database: Database, proof_key: bytes) -> None:
        self._database = database
        self._proof_key = proof_key

    def ensure(self, token: str) -> None:
        """Make the directory's own token valid."""
        self._store(token, LOCAL_OWNER, active=True, expires_at=None)

    def issue(
        self,
        owner: str = LOCAL_OWNER,
        *,
        active: bool = True,
        expires_at: datetime | None = None,
        proved: bool = True,
    ) -> str:
        """Create another token, for another owner or one that is refused; it is returned only once."""
        token = new_token("aod_", self._proof_key if proved else None)
        self._store(token, owner, active=active, expires_at=expires_at)
        return token

    def check(self, token: str) -> str:
        """Return the token's owner.

        Raises:
            UnauthenticatedError: it is unknown, inactive or has expired.
        """
        found = (
            self._database.read()
            .execute("SELECT * FROM api_token WHERE digest = ?", (digest(token),))
            .fetchone()
        )
        if found is None:
            raise UnauthenticatedError("Invalid API key")
        if not found["active"]:
            raise UnauthenticatedError("API key is inactive")
        expires_at = found["expires_at"]
        if expires_at is not None and datetime.fromisoformat(expires_at) <= datetime.now(UTC):
            raise UnauthenticatedError("API key has expired")
        return str(found["owner"])

    def _store(self, token: str, owner: str, *, active: bool, expires_at: datetime | None) -> None:
        expiry = expires_at.astimezone(UTC).isoformat() if expires_at else None
        row = (digest(token), token[:_PREFIX], owner, int(active), expiry)
        self._database.submit(
            lambda connection: connection.execute(
                "INSERT OR IGNORE INTO api_token VALUES (?, ?, ?, ?, ?)", row
            )
        ).result()
