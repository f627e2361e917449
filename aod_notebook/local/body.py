"""Reading a request's body, with limits on its size and on how long its JSON takes to read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request


MAX_CONTAINERS = 200_000
"""So many objects and lists are read in a tenth of a second, in which nothing else goes on."""


class BodyTooLargeError(Exception):
    """The body has more bytes, or more objects and lists, than the service takes."""


async def read_body(request: Request, limit: int) -> bytes:
    """Return the whole body.

    Raises:
        BodyTooLargeError: it has more than `limit` bytes, of which the rest is not read, or more
            objects and lists than can be read without holding up every other call.
    """
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise BodyTooLargeError(f"Request body is larger than {limit} bytes")
        parts.append(part)
    body = b"".join(parts)
    if await _has_many_containers(body):
        raise BodyTooLargeError(f"Request body has more than {MAX_CONTAINERS} objects and lists")
    return body


async def _has_many_containers(body: bytes) -> bool:
    if _containers(body) <= MAX_CONTAINERS:
        return False  # all bodies but a few end here, the strings being counted too
    return await asyncio.to_thread(_containers_outside_strings, body) > MAX_CONTAINERS


def _containers(text: bytes) -> int:
    return text.count(b"{") + text.count(b"[")


def _containers_outside_strings(body: bytes) -> int:
    """Count piece by piece, so that other threads can go on meanwhile."""
    text = body.replace(rb"\\", b"").replace(rb"\"", b"")  # what is escaped ends no string
    count = at = 0
    while count <= MAX_CONTAINERS and (start := text.find(b'"', at)) >= 0:
        count += _containers(text[at:start])
        end = text.find(b'"', start + 1)
        at = end + 1 if end >= 0 else len(text)
    return count + _containers(text[at:])
