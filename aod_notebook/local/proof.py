"""The proof by which a launcher knows the service of its data directory."""

from __future__ import annotations

import hmac

CHALLENGE = "x-aod-challenge"
PROOF = "x-aod-proof"


def proof(token: str, challenge: str) -> str:
    """Return what only a service that holds the token can answer to a challenge."""
    return hmac.new(token.encode(), challenge.encode(), "sha256").hexdigest()
