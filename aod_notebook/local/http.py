"""HTTP for both halves: how errors are answered, the token of a request, and its body."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from starlette.responses import Response

from aod_notebook.local import errors
from aod_notebook.local.errors import ServiceError, SessionLimitError, TooLargeError

if TYPE_CHECKING:
    from starlette.requests import Request

MAX_CONTAINERS = 200_000
"""So many objects and lists are read in a tenth of a second, during which nothing else runs."""

_ANSWERS: dict[type[ServiceError], tuple[int, str]] = {
    errors.MissingError: (404, "NOT_FOUND"),
    errors.HostedOnlyError: (404, "NOT_AVAILABLE_LOCALLY"),
    errors.WrongStateError: (409, "CONFLICT"),
    errors.InvalidError: (422, "VALIDATION_ERROR"),
    errors.UnknownRuntimeError: (400, "VALIDATION_ERROR"),
    errors.MalformedError: (400, "VALIDATION_ERROR"),
    errors.TooLargeError: (413, "PAYLOAD_TOO_LARGE"),
    errors.MethodNotAllowedError: (405, "METHOD_NOT_ALLOWED"),
    errors.UnauthenticatedError: (401, "UNAUTHENTICATED"),
    errors.ForbiddenError: (403, "FORBIDDEN"),
    errors.SessionLimitError: (429, "CONFLICT"),
    errors.UnavailableError: (503, "INTERNAL_ERROR"),
    errors.RunTimeoutError: (408, "TIMEOUT"),
    errors.AgentFailedError: (422, "RUN_FAILED"),
    errors.RuntimeNotInstalledError: (422, "RUNTIME_NOT_INSTALLED"),
    errors.UnexpectedError: (500, "INTERNAL_ERROR"),
}
"""Each error's status, and the AgentOS half's code for it."""


def code_of(error: ServiceError) -> str:
    """Return the AgentOS half's code for an error."""
    return _ANSWERS[type(error)][1]


def refusal(error: ServiceError, path: str) -> Response:
    """Make an error's answer in the form of the half that has the path."""
    status, code = _ANSWERS[type(error)]
    body: dict[str, object]
    if path.startswith("/api/"):
        body = {"data": None, "error": {"code": code, "message": error.detail}}
        status = 400 if code == "VALIDATION_ERROR" else status
    else:
        body = {"detail": error.detail}
        if isinstance(error, SessionLimitError):
            body |= {"limit": error.limit, "active": error.active}
    return Response(json.dumps(body), status, media_type="application/json")


def bearer(request: Request) -> str | None:
    """Return the token of the `Authorization` header, if it has one."""
    kind, space, token = request.headers.get("authorization", "").partition(" ")
    return token if kind == "Bearer" and space else None


async def read_body(request: Request, limit: int) -> bytes:
    """Return the whole body.

    Raises:
        TooLargeError: it has more than `limit` bytes, of which the rest is not read, or more
            objects and lists than can be read without holding up every other call.
    """
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLargeError(f"Request body is larger than {limit} bytes")
        parts.append(part)
    body = b"".join(parts)
    if await _has_many_containers(body):
        raise TooLargeError(f"Request body has more than {MAX_CONTAINERS} objects and lists")
    return body


async def _has_many_containers(body: bytes) -> bool:
    if _containers(body) <= MAX_CONTAINERS:
        return False  # all bodies but a few end here, the strings being counted too
    return await asyncio.to_thread(_containers_outside_strings, body) > MAX_CONTAINERS


def _containers(text: bytes) -> int:
    return text.count(b"{") + text.count(b"[")


def _containers_outside_strings(body: bytes) -> int:
    """Count piece by piece, so that other threads can run meanwhile."""
    text = body.replace(rb"\\", b"").replace(rb"\"", b"")  # what is escaped ends no string
    count = at = 0
    while count <= MAX_CONTAINERS and (start := text.find(b'"', at)) >= 0:
        count += _containers(text[at:start])
        end = text.find(b'"', start + 1)
        at = end + 1 if end >= 0 else len(text)
    return count + _containers(text[at:])
