"""The ASGI application of the service, and the checks before its routes."""

from __future__ import annotations

import logging
import re
import sqlite3
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Router

from aod_notebook.core.proof import CHALLENGE, PATH, PROOF, TOKEN_ID, code, secret_of
from aod_notebook.local.agentos.routes import agentos_routes
from aod_notebook.local.aod.routes import aod_routes
from aod_notebook.local.errors import (
    ForbiddenError,
    ServiceError,
    UnavailableError,
    UnexpectedError,
)
from aod_notebook.local.http import refusal
from aod_notebook.local.state import STATE
from aod_notebook.local.storage.database import DatabaseDamagedError, naming_damage

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from aod_notebook.local.state import State

logger = logging.getLogger(__name__)

_HOST = r"(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?"
_OWN_HOST = re.compile(_HOST, re.IGNORECASE)
_OWN_ORIGIN = re.compile(f"https?://{_HOST}", re.IGNORECASE)


def make_app(state: State) -> ASGIApp:
    """Return the application of both halves."""
    router = Router([*aod_routes(), *agentos_routes()], redirect_slashes=False)
    return RequestGuard(router, state)


class RequestGuard:
    """Refuses foreign hosts and origins, and answers every error in the form of its half.

    A web page that resolves its own name to this machine (DNS rebinding) sends its own name as
    `Host`, and a page of another site sends its `Origin`: neither gets further than this.
    """

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app = app
        self._state = state
        self._proof_key = bytes.fromhex(state.credentials.proof_key)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            return
        self._state.visitors.ask(scope["client"])
        foreign = _foreign(Headers(scope=scope))
        if foreign is not None:
            await refusal(ForbiddenError(foreign), scope["path"])(scope, receive, send)
            return
        if scope["path"] == PATH:
            await _proof(scope, self._proof_key)(scope, receive, send)
            return
        scope[STATE] = self._state
        try:
            await self._guarded(scope, receive, send)
        finally:
            self._state.activity.end(scope)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            with naming_damage(self._state.config.database):
                await self._app(scope, receive, noting)
        except ClientDisconnect:
            return  # no client is left to answer
        except ServiceError as error:
            await refusal(error, scope["path"])(scope, receive, send)
        except (sqlite3.OperationalError, DatabaseDamagedError) as error:
            logger.error("%s %s: the database: %s", scope["method"], scope["path"], error)  # noqa: TRY400 - a full or damaged disk needs no traceback
            if begun:
                raise
            text = f"The service's database can't be used at present: {error}"
            await refusal(UnavailableError(text), scope["path"])(scope, receive, send)
        except Exception:
            logger.exception("%s %s", scope["method"], scope["path"])
            if begun:
                raise
            defect = UnexpectedError("Internal server error")
            await refusal(defect, scope["path"])(scope, receive, send)


def _foreign(headers: Headers) -> str | None:
    if not _OWN_HOST.fullmatch(headers.get("host", "")):
        return "Host not allowed: this service answers to localhost only"
    if not all(map(_OWN_ORIGIN.fullmatch, headers.getlist("origin"))):
        return "Origin not allowed: this service answers to this machine's pages only"
    return None


def _proof(scope: Scope, key: bytes) -> Response:
    """Prove the identity of the service on this connection.

    It says nothing of whether a token is valid.
    """
    headers = Headers(scope=scope)
    challenge, token_id = headers.get(CHALLENGE), headers.get(TOKEN_ID)
    if not challenge or not token_id:
        return Response(status_code=400)
    secret = secret_of(token_id, key)
    proof = code(secret, challenge, scope["client"], scope["server"])
    return Response(status_code=204, headers={PROOF: proof})
