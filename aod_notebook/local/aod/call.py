"""Requests and answers of the AoD half: JSON bodies, lists, and the two kinds of 405."""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from aod_notebook.core.text import one_line
from aod_notebook.local.aod.redaction import error_items
from aod_notebook.local.config import MIB
from aod_notebook.local.errors import (
    InvalidError,
    MalformedError,
    MethodNotAllowedError,
    TooLargeError,
    UnauthenticatedError,
)
from aod_notebook.local.http import bearer, read_body
from aod_notebook.local.state import STATE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from aod_notebook.local.state import State

M = TypeVar("M", bound=BaseModel)

MAX_METADATA = MIB
"""Bytes of an agent's metadata as JSON: they are in every answer that has the agent in it."""
_MAX_PART = 4 * MIB  # of any other object or list: twenty skills of 64 KiB, with escapes


@dataclass(frozen=True, slots=True)
class AodCall:
    """One authenticated request."""

    state: State
    owner: str
    request: Request

    @property
    def id(self) -> str:
        """The id in the path."""
        return str(self.request.path_params["id"])

    async def json(self) -> dict[str, Any]:
        """Read the body as a JSON object; `MalformedError` for anything else."""
        body = await read_body(self.request, self.state.config.max_body_bytes)
        _check_parts(body)
        try:
            value = json.loads(
                body.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite
            )
        except (ValueError, RecursionError):
            raise MalformedError("Invalid JSON") from None
        if not isinstance(value, dict):
            raise MalformedError("Invalid JSON")
        return value


def _check_parts(body: bytes) -> None:
    """Refuse, before decoding, a body that takes long to decode or to echo.

    Raises:
        TooLargeError: an object or a list is too large.
        MalformedError: the text is not JSON.
    """
    if len(body) <= MAX_METADATA:
        return
    try:
        parts = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise MalformedError("Invalid JSON") from None
    for name, part in parts.items():
        limit = MAX_METADATA if name == "metadata" else _MAX_PART
        value = bytes(part)
        if len(value) > limit and not value.startswith(b'"'):
            raise TooLargeError(f"{one_line(name)} is larger than {limit} bytes of JSON")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise ValueError(f"{number} is too large: no answer could give it back as JSON")
    return value


def answer(data: Any, status: int = 200) -> Response:
    """Make a JSON answer with Python's default separators and ASCII escapes."""
    return Response(json.dumps(data).encode("ascii"), status, media_type="application/json")


async def listing(
    call: AodCall, query: str, parameters: tuple[Any, ...], render: Callable[[sqlite3.Row], Any]
) -> Response:
    """Answer with the rows of a query, which a thread renders while other calls continue.

    Row by row, because encoding is one step in which no other thread can work.
    """

    def body() -> bytes:
        rows = call.state.database.read().execute(query, parameters)
        items = [json.dumps(render(row)) for row in rows]
        return ('{"data": [' + ", ".join(items) + "]}").encode("ascii")

    return Response(await asyncio.to_thread(body), media_type="application/json")


def validated(model: type[M], body: dict[str, Any], **context: Any) -> M:
    """Check a body's fields; a 422 list without secrets if they are wrong."""
    try:
        return model.model_validate(body, context=context)
    except ValidationError as error:
        raise InvalidError(error_items(error)) from None


async def _not_allowed(_: AodCall) -> NoReturn:
    raise MethodNotAllowedError("Method not allowed")


class ResourceEndpoint:
    """An endpoint that authenticates first and answers 405 in JSON.

    `before` runs between authentication and the method check; `/environments/{id}` looks its
    row up there.
    """

    def __init__(
        self,
        methods: Mapping[str, Callable[[AodCall], Awaitable[ASGIApp]]],
        before: Callable[[AodCall], object] | None = None,
    ) -> None:
        self._methods = methods
        self._before = before

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        app = await self._app(Request(scope, receive))
        await app(scope, receive, send)

    async def _app(self, request: Request) -> ASGIApp:
        call = authenticated(request)
        if self._before is not None:
            self._before(call)
        return await self._methods.get(request.method, _not_allowed)(call)


class ActionEndpoint:
    """An endpoint with one method that answers 405 before authentication."""

    def __init__(self, method: str, endpoint: Callable[[AodCall], Awaitable[ASGIApp]]) -> None:
        self._method = method
        self._resource = ResourceEndpoint({method: endpoint})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] == self._method:
            await self._resource(scope, receive, send)
        else:
            refused = Response(status_code=405, headers={"allow": self._method})
            await refused(scope, receive, send)


def authenticated(request: Request) -> AodCall:
    """Check the token.

    Raises:
        UnauthenticatedError: it is missing or not valid.
    """
    state: State = request.scope[STATE]
    token = bearer(request)
    if token is None:
        raise UnauthenticatedError("Missing or invalid Authorization header")
    owner = state.tokens.check(token)
    state.welcome(request.scope)
    return AodCall(state, owner, request)
