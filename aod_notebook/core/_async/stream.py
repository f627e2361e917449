"""The async stream driver: follows a `Resume` policy over as many connections as it takes."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio
import httpx

from aod_notebook.core.awaited import awaited
from aod_notebook.core.errors import CallFailure, FailureKind
from aod_notebook.core.retry import is_passing
from aod_notebook.core.wire import attempt_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
    from types import TracebackType
    from typing import Self

    from aod_notebook.core._async.transport import AsyncResponseBody, AsyncTransport
    from aod_notebook.core.resume import Resume

T = TypeVar("T")
U = TypeVar("U")


class AsyncStream(Generic[T]):
    """An open stream: a context manager and an iterator of its events.

    Entering opens the connection and raises what the service refuses. `aclose` may be
    called from another task; the iteration then simply ends.
    """

    def __init__(self, transport: AsyncTransport, resume: Resume[T]) -> None:
        self._transport = transport
        self._resume = resume
        self._body: AsyncResponseBody | None = None
        self._closed = False
        self._reading = False  # whether someone waits for bytes
        self._events = self._follow(resume.feed)

    @property
    def last_event_id(self) -> int | None:
        """Number of the last log row that was returned; `since=` resumes after it."""
        return self._resume.last_event_id

    async def __aenter__(self) -> Self:
        """Open the stream, unless it is open already."""
        await self._open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection, whatever happened inside."""
        await self.aclose()

    def __aiter__(self) -> AsyncIterator[T]:
        """Iterate over the events that come from now on."""
        return self._events

    async def __anext__(self) -> T:
        """Wait for the next event."""
        return await anext(self._events)

    async def aclose(self) -> None:
        """End the stream; an iteration that waits for the next event ends too."""
        self._closed = True
        if self._body is None:
            return
        if self._reading:
            _hang_up(self._body.response)
        await self._body.aclose()

    async def _open(self) -> AsyncResponseBody:
        if self._body is None:
            self._body = await self._transport.open(self._resume.call())
            self._resume.connected()
            if self._closed:
                await self._body.aclose()
        return self._body

    async def _follow(self, feed: Callable[[bytes], Iterator[U]]) -> AsyncGenerator[U, None]:
        body = None if self._closed else await self._open()
        while body is not None:
            failure, chunks = None, body.response.aiter_bytes()
            try:
                self._reading = True
                with awaited(self._resume.call().left):
                    async for chunk in chunks:
                        self._reading = False
                        for event in feed(chunk):
                            yield event
                            if self._closed:
                                return
                        if self._resume.ended or self._resume.is_overdue():
                            break
                        self._reading = True
            except (httpx.HTTPError, httpx.StreamError) as error:
                call = self._resume.call()
                failure = call.failure_of(error, self._transport.url(call))
            self._reading = False
            if self._resume.ended and not self._closed:
                from aod_notebook.core._async.passing import finish

                await finish(body.response, chunks)
            await body.aclose()
            if self._closed or self._resume.ended:
                return
            body = await self._reconnect(failure)
            if body is not None and self._closed:
                await body.aclose()
                return

    async def _reconnect(self, failure: CallFailure | None) -> AsyncResponseBody | None:
        call = self._resume.call()
        if failure is None:
            reason = "the body ended, or went silent, before a last event"
            failure = call.failure(FailureKind.BROKEN, self._transport.url(call), reason)
        while not self._closed:
            wait = self._resume.wait(attempt_of(failure).retry_after)
            if wait is None:
                raise self._resume.gave_up(failure)
            self._transport.announce(call, wait, failure)
            await anyio.sleep(wait)
            self._body, refused = await self._transport.open_once(call)
            if self._body is not None:
                self._resume.connected()
                return self._body
            failure = refused or failure
            if failure.kind is FailureKind.CLOSED or not is_passing(failure.status):
                raise self._transport.error(failure)
        return None


def _hang_up(response: httpx.Response) -> None:
    """Wake a reader that waits for bytes in another thread or task."""
    stream = response.extensions.get("network_stream")
    sock = stream.get_extra_info("socket") if stream is not None else None
    if sock is not None and not response.is_closed:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
