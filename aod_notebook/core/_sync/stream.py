# Generated from aod_notebook/core/_async/stream.py by tests/tools/unasync.py; edit that file instead.
"""The sync stream driver: follows a `Resume` policy over as many connections as it takes."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING, Generic, TypeVar

import httpx

from aod_notebook.core.awaited import awaited
from aod_notebook.core.errors import CallFailure, FailureKind
from aod_notebook.core.retry import is_passing
from aod_notebook.core.wire import attempt_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from types import TracebackType
    from typing import Self

    from aod_notebook.core._sync.transport import ResponseBody, Transport
    from aod_notebook.core.resume import Resume

T = TypeVar("T")
U = TypeVar("U")


class Stream(Generic[T]):
    """An open stream: a context manager and an iterator of its events.

    Entering opens the connection and raises what the service refuses. `close` may be
    called from another thread; the iteration then simply ends.
    """

    def __init__(self, transport: Transport, resume: Resume[T]) -> None:
        self._transport = transport
        self._resume = resume
        self._body: ResponseBody | None = None
        self._closed = False
        self._reading = False  # whether someone waits for bytes
        self._events = self._follow(resume.feed)

    @property
    def last_event_id(self) -> int | None:
        """Number of the last log row that was returned; `since=` resumes after it."""
        return self._resume.last_event_id

    def __enter__(self) -> Self:
        """Open the stream, unless it is open already."""
        self._open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection, whatever happened inside."""
        self.close()

    def __iter__(self) -> Iterator[T]:
        """Iterate over the events that come from now on."""
        return self._events

    def __next__(self) -> T:
        """Wait for the next event."""
        return next(self._events)

    def close(self) -> None:
        """End the stream; an iteration that waits for the next event ends too."""
        self._closed = True
        if self._body is None:
            return
        if self._reading:
            _hang_up(self._body.response)
        self._body.close()

    def _open(self) -> ResponseBody:
        if self._body is None:
            self._body = self._transport.open(self._resume.call())
            self._resume.connected()
            if self._closed:
                self._body.close()
        return self._body

    def _follow(self, feed: Callable[[bytes], Iterator[U]]) -> Generator[U, None, None]:
        body = None if self._closed else self._open()
        while body is not None:
            failure, chunks = None, body.response.iter_bytes()
            try:
                self._reading = True
                with awaited(self._resume.call().left):
                    for chunk in chunks:
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
                from aod_notebook.core._sync.passing import finish

                finish(body.response, chunks)
            body.close()
            if self._closed or self._resume.ended:
                return
            body = self._reconnect(failure)
            if body is not None and self._closed:
                body.close()
                return

    def _reconnect(self, failure: CallFailure | None) -> ResponseBody | None:
        call = self._resume.call()
        if failure is None:
            reason = "the body ended, or went silent, before a last event"
            failure = call.failure(FailureKind.BROKEN, self._transport.url(call), reason)
        while not self._closed:
            wait = self._resume.wait(attempt_of(failure).retry_after)
            if wait is None:
                raise self._resume.gave_up(failure)
            self._transport.announce(call, wait, failure)
            time.sleep(wait)
            self._body, refused = self._transport.open_once(call)
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
