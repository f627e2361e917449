"""The event stream of a session in the async client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aod_notebook.aod.events import StreamEvent
from aod_notebook.core._async.stream import AsyncStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aod_notebook.aod.follow import SessionFollow
    from aod_notebook.core._async.transport import AsyncTransport


class AsyncEventStream(AsyncStream[StreamEvent]):
    """Events of one session: a context manager and an iterator, exactly once each.

    Made by `sessions.stream`. Entering opens the connection and raises what the service
    refuses. The iteration ends after a terminal event; `terminal` then tells a `stale`
    stream from a finished session.

    Raises:
        StreamInterrupted: the connection broke and could not be resumed; it has the
            `last_event_id` to continue from.

    Example:
        >>> async with client.sessions.stream(session_id) as events:  # doctest: +SKIP
        ...     async for event in events:
        ...         print(event.type, events.last_event_id)
    """

    def __init__(self, transport: AsyncTransport, follow: SessionFollow, session_id: str) -> None:
        super().__init__(transport, follow)
        self._rules = follow
        self.session_id = session_id

    @property
    def terminal(self) -> StreamEvent | None:
        """The event that ended the stream: exit, error, terminated or stale; None before."""
        return self._rules.terminal

    def chunks(self) -> AsyncIterator[bytes]:
        r"""Iterate over the undecoded bytes instead, in chunks of whole events.

        They are the events that the iteration gives, each exactly once over all connections, in
        pieces of any size that end after an event. A frame is made of them at a fraction of
        the cost. Read a stream in one of the two ways, not in both.

        Example:
            >>> async with client.sessions.stream(session_id) as events:  # doctest: +SKIP
            ...     body = b"".join([chunk async for chunk in events.chunks()])
            >>> aod_notebook.frames.decode_events(body, session_id)  # doctest: +SKIP
        """
        return self._follow(self._rules.whole)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of session {self.session_id} at {self.last_event_id}>"
