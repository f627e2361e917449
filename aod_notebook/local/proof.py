"""The service's answer to a client that asks for a proof before it sends a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import Response

from aod_notebook.core.proof import CHALLENGE, PROOF, TOKEN_ID, code, secret_of

if TYPE_CHECKING:
    from starlette.types import Scope


def prove(scope: Scope, key: bytes) -> Response:
    """Answer for this very connection; it says nothing of whether a token is valid."""
    headers = Headers(scope=scope)
    challenge, token_id = headers.get(CHALLENGE), headers.get(TOKEN_ID)
    if not challenge or not token_id:
        return Response(status_code=400)
    secret = secret_of(token_id, key)
    proof = code(secret, challenge, scope["client"], scope["server"])
    return Response(status_code=204, headers={PROOF: proof})
