"""Reading a request's body with a limit on its size."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request


class BodyTooLargeError(Exception):
    """The body has more bytes than the service takes."""


async def read_body(request: Request, limit: int) -> bytes:
    """Return the whole body.

    Raises:
        BodyTooLargeError: it has more than `limit` bytes; the rest is not read.
    """
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise BodyTooLargeError(f"Request body is larger than {limit} bytes")
        parts.append(part)
    return b"".join(parts)
