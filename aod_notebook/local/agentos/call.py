"""Requests and answers of the AgentOS half: envelope and bodies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from aod_notebook.local.errors import (
    InvalidError,
    MethodNotAllowedError,
    UnauthenticatedError,
)
from aod_notebook.local.http import bearer, read_body
from aod_notebook.local.state import STATE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from aod_notebook.local.agentos.keys import Key
    from aod_notebook.local.state import State

T = TypeVar("T")
Object = dict[str, Any]
"""A JSON object."""


@dataclass(frozen=True, slots=True)
class AgentOSCall:
    """One authenticated request: the key and the undecoded body."""

    state: State
    key: Key
    request: Request
    body: bytes

    def fields(self, kind: type[T]) -> T:
        """Decode the body; `InvalidError` with the place of the first failure."""
        try:
            return msgspec.json.decode(self.body or b"{}", type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidError(f"Invalid request body: {error}") from None


def answer(data: Any, status: int = 200) -> Response:
    """Return a success answer."""
    return enveloped(msgspec.json.encode(data), status)


def enveloped(data: bytes, status: int = 200) -> Response:
    """Return a success answer from JSON text."""
    body = b'{"data": ' + data + b', "error": null}'
    return Response(body, status, media_type="application/json")


def run_answer(data: Object) -> Response:
    """Return the answer of invoke and reply; a paused run answers 202."""
    paused = "awaiting_input" in data or "awaiting_approval" in data
    return answer(data, 202 if paused else 200)


class Endpoint:
    """A path that takes authenticated POSTs only."""

    def __init__(self, endpoint: Callable[[AgentOSCall], Awaitable[ASGIApp]]) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        app = await self._endpoint(await _call(Request(scope, receive)))
        await app(scope, receive, send)


async def _call(request: Request) -> AgentOSCall:
    if request.method != "POST":
        raise MethodNotAllowedError("Every call is a POST")
    state: State = request.scope[STATE]
    token = bearer(request)
    if token is None:
        raise UnauthenticatedError("Missing or invalid authorization header")
    key = state.keys.check(token)
    state.welcome(request.scope)
    body = await read_body(request, state.config.max_body_bytes)
    return AgentOSCall(state, key, request, body)
