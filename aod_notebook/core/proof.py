"""The proof by an embedded service that it knows a token, before the token is sent to it.

A token of an embedded service says what it is: `aod_local_ID_SECRET`. Whoever connects with one
sends a challenge and the ID. The service makes the SECRET of the ID from a key of its own, and
answers with a code over the challenge, over both ends of this very connection and over the
network that they are in. So a program that has taken the service's port can't answer, and to pass
the challenge on to the real service is of no use: that service answers for another connection.
The network counts because the same two ends can be had on another machine, or in another
container, that shares the home directory.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import socket
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

PATH = "/.aod-proof"
CHALLENGE = "x-aod-challenge"
TOKEN_ID = "x-aod-token-id"  # noqa: S105 - a header's name
PROOF = "x-aod-proof"

TIMEOUT_S = 5.0
"""How long a proof may take where the caller names no limit."""
_MOST = 8192
_ID_BYTES = 12
_TOKEN = re.compile(r"(?:aod|aos_[a-z]+)_local_([0-9a-f]{24})_([A-Za-z0-9_-]{43})")


class NotProvedError(Exception):
    """The other side did not prove that it knows the token."""


@dataclass(frozen=True, slots=True)
class TokenParts:
    """The two parts of an embedded service's token: `id` is public."""

    id: str
    secret: str = field(repr=False)


def known(token: str) -> TokenParts | None:
    """Return the parts of an embedded service's token; None for a token of any other service.

    Example:
        >>> known(new_token("aod_", b"key")).id == known("aod_of_another_service")
        False
    """
    found = _TOKEN.fullmatch(token)
    return TokenParts(*found.groups()) if found else None


def new_token(prefix: str, key: bytes | None) -> str:
    """Make a token; its secret is derived from its id and the key, which stays with the service.

    Without a key it is a token for which no proof is asked.
    """
    if key is None:
        return prefix + secrets.token_urlsafe(32)
    token_id = secrets.token_hex(_ID_BYTES)
    return f"{prefix}local_{token_id}_{secret_of(token_id, key)}"


def secret_of(token_id: str, key: bytes) -> str:
    """Return the secret part of the token with that id."""
    made = hmac.new(key, f"aod-notebook token {token_id}".encode(), "sha256").digest()
    return urlsafe_b64encode(made).decode().rstrip("=")


def code(secret: str, challenge: str, client: Sequence[Any], server: Sequence[Any]) -> str:
    """Return the code that requires the secret, for the connection between these ends."""
    ends = [f"{address[0]} {address[1]}" for address in (client, server)]
    text = "\n".join(["aod-notebook proof", challenge, network(), *ends])
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def network() -> str:
    """Return the scope of the loopback addresses: this boot of this machine, and its network.

    Containers and network namespaces have loopback addresses of their own. Where the system does
    not number its boots (macOS), the host's name stands for it. Nothing is kept: a process may be
    restored elsewhere, and both sides ask in the same moment.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        boot = socket.gethostname()
    try:
        namespace = os.stat("/proc/self/ns/net").st_ino  # noqa: PTH116 - half the time of a Path's
    except OSError:
        namespace = 0
    return f"{boot} {namespace}"


class Handshake:
    """The client's part on one fresh connection: send `request`, then feed the answer until True.

    Args:
        token: the parts of the token.
        host: for the `Host` header.
        client: this side's address, as the socket has it.
        server: the other side's.
    """

    def __init__(
        self, token: TokenParts, host: str, client: Sequence[Any], server: Sequence[Any]
    ) -> None:
        challenge = secrets.token_hex(16)
        self._wanted = code(token.secret, challenge, client, server)
        self._where = f"{server[0]}:{server[1]}"
        self._heard = b""
        self.request = (
            f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\n"
            f"{CHALLENGE}: {challenge}\r\n{TOKEN_ID}: {token.id}\r\n\r\n"
        ).encode("ascii", "replace")

    def feed(self, data: bytes) -> bool:
        """Take bytes of the answer; True once the proof is complete.

        Raises:
            NotProvedError: it does not prove this connection.
        """
        self._heard += data
        head, end, rest = self._heard.partition(b"\r\n\r\n")
        if not end:
            if not data or len(self._heard) > _MOST:
                raise self.failure()
            return False
        status, *lines = head.split(b"\r\n")
        fields = dict(line.lower().split(b":", 1) for line in lines if b":" in line)
        sent = fields.get(PROOF.encode(), b"").strip()
        if rest or not status.startswith(b"HTTP/1.1 204") or not self._is_wanted(sent):
            raise self.failure()
        return True

    def failure(self) -> NotProvedError:
        """Return the error with the problem and the fix."""
        return NotProvedError(
            f"what listens at {self._where} did not prove that it is the local service of this "
            "token, so the token was not sent; the service may have left its port to another "
            "program: connect again"
        )

    def _is_wanted(self, sent: bytes) -> bool:
        return hmac.compare_digest(sent, self._wanted.encode())
