"""Sealing of secrets before they reach the database, with the standard library alone.

Encrypt-then-MAC with HMAC-SHA256 as keystream and as tag, a fresh 16-byte nonce per seal. The
key is a 0600 file beside the database and is no part of a backup: a copied database gives no
secret away. It is no protection from a program that runs as the same user.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from typing import Any

_NONCE = 16
_TAG = 32


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
        self._stream_key = hmac.digest(key, b"stream", "sha256")
        self._tag_key = hmac.digest(key, b"tag", "sha256")

    def seal(self, value: Any) -> bytes:
        """Encrypt a JSON value."""
        nonce = secrets.token_bytes(_NONCE)
        hidden = self._mask(json.dumps(value).encode("ascii"), nonce)
        return nonce + hmac.digest(self._tag_key, nonce + hidden, "sha256") + hidden

    def open(self, sealed: bytes) -> Any:
        """Decrypt what `seal` returned.

        Raises:
            SealError: the bytes were changed, or sealed under another key.
        """
        nonce, tag, hidden = (
            sealed[:_NONCE],
            sealed[_NONCE : _NONCE + _TAG],
            sealed[_NONCE + _TAG :],
        )
        if not hmac.compare_digest(tag, hmac.digest(self._tag_key, nonce + hidden, "sha256")):
            raise SealError("a stored secret does not fit this data directory's key")
        return json.loads(self._mask(hidden, nonce))

    def works(self) -> bool:
        """Tell whether a value survives the round trip (the `crypto` check of `/health`)."""
        probe = {"probe": secrets.token_hex(4)}
        return bool(self.open(self.seal(probe)) == probe)

    def _mask(self, data: bytes, nonce: bytes) -> bytes:
        blocks = (len(data) + _TAG - 1) // _TAG
        stream = b"".join(
            hmac.digest(self._stream_key, nonce + index.to_bytes(8, "big"), hashlib.sha256)
            for index in range(blocks)
        )[: len(data)]
        return (int.from_bytes(data, "big") ^ int.from_bytes(stream, "big")).to_bytes(
            len(data), "big"
        )
