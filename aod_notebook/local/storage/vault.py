"""Seal secrets before they reach the database, with `cryptography.Fernet`.

The key is a 0600 file beside the database and is not part of a backup: a copied database reveals no
secret. It does not protect from a program that runs as the same user.
"""

from __future__ import annotations

import base64
import json
import secrets
from typing import Any


class SealError(ValueError):
    """A stored secret was changed, or sealed under another data directory's key."""


class Vault:
    """Seals JSON values under one key of 32 bytes.

    Example:
        >>> vault = Vault(bytes(32))
        >>> vault.open(vault.seal({"TOKEN": "x"}))
        {'TOKEN': 'x'}
    """

    def __init__(self, key: bytes) -> None:
        from cryptography.fernet import Fernet

        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def seal(self, value: Any) -> bytes:
        """Encrypt a JSON value."""
        return self._fernet.encrypt(json.dumps(value).encode("ascii"))

    def open(self, sealed: bytes) -> Any:
        """Decrypt what `seal` returned.

        Raises:
            SealError: the bytes were changed, or sealed under another key.
        """
        from cryptography.fernet import InvalidToken

        try:
            return json.loads(self._fernet.decrypt(sealed))
        except InvalidToken:
            raise SealError("a stored secret does not fit this data directory's key") from None

    def works(self) -> bool:
        """Check that a value survives the round trip (the `crypto` check of `/health`)."""
        probe = {"probe": secrets.token_hex(4)}
        return bool(self.open(self.seal(probe)) == probe)

    def seal_servers(self, servers: list[dict[str, Any]]) -> str:
        """Return MCP servers as they are stored: names and types are readable, the rest is not.

        Headers, variables, arguments and addresses of a server can all hold keys.
        """
        return json.dumps(
            [
                {
                    "name": server["name"],
                    "type": server.get("type", "url"),
                    "sealed": self.seal(server).decode("ascii"),
                }
                for server in servers
            ]
        )

    def open_servers(self, stored: str) -> list[dict[str, Any]]:
        """Return the MCP servers that `seal_servers` stored.

        Raises:
            SealError: they were sealed under another key.
        """
        return [self.open(server["sealed"].encode("ascii")) for server in json.loads(stored)]
