"""Bodies of answers that pass httpcore by: it reads their heads and keeps their connections.

httpcore hands every piece of a body to h11, which copies it four times, and needs 15 µs for each
chunk, of which a service may send one an event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from aod_notebook.core.framing import FramingError, read_head

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from aod_notebook.core.framing import Head

_READ_BYTES = 1 << 18
"""On the loopback device so much has mostly come already; httpcore asks for 64 KiB."""
_LONGEST_HEAD = 1 << 16
PASSED_BY = "aod_notebook.passed_by"
_END_S = 0.05
"""The end of a body comes with its last event, or at once after it."""


class AsyncPassingStream(httpcore.AsyncNetworkStream):
    """A connection that keeps large bodies, and those in chunks, to itself.

    httpcore gets their heads as if no body followed. So it takes the connection for free as soon
    as the body is read, but not before: that is read by `read_body`.

    Attributes:
        head: the head of the answer whose body is kept; None if httpcore reads the body.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._rest = b""  # came with the head
        self._awaits_head = False
        self.head: Head | None = None

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
    ) -> bytes:
        heard = b""
        while self._awaits_head:
            data = await self._next(max_bytes, timeout)
            heard += data
            head, blank, rest = heard.partition(b"\r\n\r\n")
            if blank:
                self._rest = rest
                self._awaits_head = head.startswith(b"HTTP/1.1 1")  # another one follows
                self.head = read_head(head + blank)
                return head + blank if self.head is None else self.head.as_empty
            if not data or len(heard) > _LONGEST_HEAD:
                self._awaits_head = False
                return heard
        return await self._next(max_bytes, timeout)

    async def read_body(self, seconds: float | None) -> bytes:
        return await self._next(_READ_BYTES, seconds)

    async def _next(self, most: int, seconds: float | None) -> bytes:
        rest, self._rest = self._rest, b""
        return rest or await self._stream.read(max(most, _READ_BYTES), seconds)

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> None:
        self._awaits_head = True
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> httpcore.AsyncNetworkStream:
        secure = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        return AsyncPassingStream(secure)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class AsyncPassingBody(httpx.AsyncByteStream):
    """The body of an answer, read past httpcore.

    Args:
        stream: the connection.
        head: the head of the answer.
        empty: the body as httpcore sees it; when it has ended, the connection is free.
        seconds: how long a read may take.
    """

    def __init__(
        self,
        stream: AsyncPassingStream,
        head: Head,
        empty: httpx.AsyncByteStream,
        seconds: float | None,
    ) -> None:
        self._stream = stream
        self._body = head.body
        self._empty = empty
        self._seconds = seconds

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while not self._body.has_ended:
            data = await self._read(self._seconds)
            if data:
                yield data
        await self.finish()

    async def finish(self) -> None:
        """Read the end of the body if it has come, so that the connection can be used again."""
        try:
            if not self._body.has_ended:
                await self._read(_END_S)
        except httpx.TransportError:
            return
        if self._body.has_ended and not self._body.has_excess:
            async for _ in self._empty:
                pass

    async def _read(self, seconds: float | None) -> bytes:
        try:
            data = await self._stream.read_body(seconds)
            if not data:
                raise httpx.RemoteProtocolError("the connection was closed before the body's end")
            return self._body.feed(data)
        except httpcore.TimeoutException as error:
            raise httpx.ReadTimeout(str(error)) from error
        except httpcore.NetworkError as error:
            raise httpx.ReadError(str(error)) from error
        except FramingError as error:
            raise httpx.RemoteProtocolError(str(error)) from error

    async def aclose(self) -> None:
        await self._empty.aclose()


def passing(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    """Return the answer with the body that its connection keeps, if it keeps one."""
    stream = response.extensions.get("network_stream")
    if not isinstance(stream, AsyncPassingStream) or stream.head is None:
        return response
    head, stream.head = stream.head, None
    response.headers.pop("content-length", None)
    response.headers[head.name] = head.value
    empty = response.stream
    assert isinstance(empty, httpx.AsyncByteStream)  # noqa: S101 - for the type checker
    seconds = request.extensions.get("timeout", {}).get("read")
    body = AsyncPassingBody(stream, head, empty, seconds)
    response.stream = response.extensions[PASSED_BY] = body
    return response


async def finish(response: httpx.Response) -> None:
    """Free the connection of an answer of which nothing more is wanted, if its end has come."""
    body = response.extensions.get(PASSED_BY)
    if isinstance(body, AsyncPassingBody):
        await body.finish()
