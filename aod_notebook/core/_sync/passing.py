# Generated from aod_notebook/core/_async/passing.py by tests/tools/unasync.py; edit that file instead.
"""Bodies of answers that pass httpcore by, which reads their heads and keeps their connections."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from aod_notebook.core.framing import (
    Chunks,
    FramingError,
    LengthBody,
    Lines,
    OpenBody,
    without_length,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from aod_notebook.core.framing import Part

_READ_BYTES = 1 << 18
"""On the loopback device so much has mostly come already; httpcore asks for 64 KiB."""
_NO_BODY = frozenset({204, 304})
_END_S = 0.05
"""The end of a body comes with its last event, or at once after it."""


class PassingStream(httpcore.NetworkStream):
    """A connection that gives httpcore no more than one part of an answer at a time.

    Thus a part can pass it by, and bytes after an answer are never taken for the next one.

    Attributes:
        part: the part that comes next, or came last.
        length: length of the body, if httpcore has read a length of 0 instead; else 0.
        limit: seconds that a read may take; None: as long as its caller wants.
    """

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._rest = b""  # has come, and does not belong to the part
        self.limit: float | None = None
        self._await_head()

    def read(
        self,
        max_bytes: int,
        timeout: float | None = None,
    ) -> bytes:
        if self.part.has_ended:  # it was the head of an interim answer
            self._await_head()
        data, self._rest = self.part.take(self._next(max_bytes, timeout))
        if isinstance(self.part, Lines) and self.part.came_whole:
            data, self.length = without_length(data)
        return data

    def read_past(self, seconds: float | None) -> bytes:
        """Return the next bytes of the part; none at its end.

        Raises:
            FramingError: the connection was closed, or what came is not such a part.
        """
        while not self.part.has_ended:
            came = self._next(_READ_BYTES, seconds)
            if not came:
                raise FramingError("the connection was closed before the body's end")
            data, self._rest = self.part.take(came)
            if data:
                return data
        return b""

    def _next(self, most: int, seconds: float | None) -> bytes:
        rest, self._rest = self._rest, b""
        seconds = seconds if self.limit is None else self.limit
        return rest or self._stream.read(max(most, _READ_BYTES), seconds)

    def write(
        self,
        buffer: bytes,
        timeout: float | None = None,
    ) -> None:
        self.limit = None
        self._await_head()
        self._stream.write(buffer, timeout)

    def _await_head(self) -> None:
        self.part: Part = Lines()
        self.length = 0

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        secure = self._stream.start_tls(ssl_context, server_hostname, timeout)
        return PassingStream(secure)

    def get_extra_info(self, info: str) -> Any:
        # httpcore does not use an idle connection again that has something to read
        if info == "is_readable" and (self._rest or not self.part.has_ended):
            return True
        return self._stream.get_extra_info(info)


class PassingBody(httpx.SyncByteStream):
    """The body of an answer, read past httpcore as far as it is large or in plain chunks.

    Args:
        stream: the connection.
        others: the rest of the body, by httpcore; when it has ended, the connection is free.
        seconds: how long a read may take.
    """

    def __init__(
        self, stream: PassingStream, others: httpx.SyncByteStream, seconds: float | None
    ) -> None:
        self._stream = stream
        self._others = others
        self._seconds = seconds

    def __iter__(self) -> Iterator[bytes]:
        try:
            while data := self._read():
                yield data
            if isinstance(self._stream.part, Chunks):
                self._stream.part = Lines() if self._stream.part.is_last else OpenBody()
            for data in self._others:
                yield data
        except BaseException:
            self.close()
            raise

    def _read(self) -> bytes:
        try:
            return self._stream.read_past(self._seconds)
        except httpcore.TimeoutException as error:
            raise httpx.ReadTimeout(str(error)) from error
        except httpcore.NetworkError as error:
            raise httpx.ReadError(str(error)) from error
        except FramingError as error:
            raise httpx.RemoteProtocolError(str(error)) from error

    def close(self) -> None:
        self._others.close()


def passing(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    """Return the answer with a body that passes httpcore by, where that is faster."""
    stream = response.extensions.get("network_stream")
    if not isinstance(stream, PassingStream):
        return response
    length = stream.length
    if length:
        response.headers["content-length"] = str(length)
    stream.part = _body(request, response)
    if isinstance(stream.part, Chunks) or (length and not stream.part.has_ended):
        others = response.stream
        assert isinstance(others, httpx.SyncByteStream)  # noqa: S101 - for the type checker
        seconds = request.extensions.get("timeout", {}).get("read")
        response.stream = PassingBody(stream, others, seconds)
    return response


def _body(request: httpx.Request, response: httpx.Response) -> Part:
    """Return the body that h11 expects; it has read the headers, and found them valid."""
    if request.method == "HEAD" or response.status_code in _NO_BODY:
        return LengthBody(0)
    if "transfer-encoding" in response.headers:
        return Chunks()
    if "content-length" in response.headers:
        return LengthBody(int(response.headers["content-length"]))
    return OpenBody()


def finish(response: httpx.Response, body: Iterator[bytes]) -> None:
    """Free the connection of an answer of which nothing more is wanted, if its end has come."""
    stream = response.extensions.get("network_stream")
    if isinstance(stream, PassingStream):
        stream.limit = _END_S
        with contextlib.suppress(httpx.HTTPError, httpx.StreamError):
            next(body, None)
