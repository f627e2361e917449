"""Limits on connections without a valid token, so that they can't block the service."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    from uvicorn.protocols.http.h11_impl import RequestResponseCycle

HEAD_S = 10.0
"""How long a connection may stay without a request that shows a valid token."""
_BUSY_S = 5.0
"""How much longer if it is just being answered; who asks on and on gets no more than that."""
_PIECE = 2048
"""So many bytes of a visitor are looked at in a row: a chunk of one byte takes as long as a request."""
_MOST_VISITORS = 256
_MOST_AT_ONCE = 128
_FEWEST = 16


def accepted_at_once() -> int:
    """Return how many connections are accepted at a time, in addition to the open ones."""
    return max(_FEWEST, min(_MOST_AT_ONCE, _files() // 8))


class Visitors:
    """The connections without a valid token so far, the oldest first.

    If there are too many, a new one is let in and the oldest is closed: a client of ours shows
    its token at once, so what has been here longest is the least likely to be one. Those that
    have asked something, a proof for instance, are counted apart from those that are silent.
    """

    def __init__(self) -> None:
        files = _files()
        self._most = max(_FEWEST, min(_MOST_VISITORS, files // 8)) // 2
        self._most_in_all = files * 3 // 4  # the rest is for the database and for programs
        self._silent: dict[object, VisitorConnection] = {}
        self._asking: dict[object, VisitorConnection] = {}

    def arrive(self, connection: VisitorConnection, in_all: int) -> None:
        """Note a new connection, and close the oldest one if there are too many."""
        self._silent[connection.client] = connection
        if len(self._silent) > self._most or in_all > self._most_in_all:
            _close_oldest(self._silent)

    def ask(self, client: object) -> None:
        """Note that a request came from this address."""
        connection = self._silent.pop(client, None)
        if connection is not None:
            self._asking[client] = connection
            if len(self._asking) > self._most:
                _close_oldest(self._asking)

    def welcome(self, client: object) -> None:
        """Note that a valid token came from this address."""
        connection = self._asking.pop(client, None)
        if connection is not None:
            connection.stay()

    def leave(self, connection: VisitorConnection) -> None:
        """Forget a connection that has closed."""
        for group in (self._silent, self._asking):
            if group.get(connection.client) is connection:
                del group[connection.client]


def _close_oldest(group: dict[object, VisitorConnection]) -> None:
    group.pop(next(iter(group))).transport.abort()


class VisitorConnection(H11Protocol):
    """A uvicorn connection that is closed if it shows no valid token in time."""

    _late: asyncio.TimerHandle | None = None

    def __init__(self, visitors: Visitors, **parts: Any) -> None:
        super().__init__(**parts)
        self._visitors = visitors

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin as a visitor."""
        super().connection_made(transport)
        # asyncio's own limit of a read, which is 256 KiB
        self.transport.max_size = _PIECE  # type: ignore[attr-defined]
        self._late = self.loop.call_later(HEAD_S, self._end_visit)
        self._visitors.arrive(self, len(self.connections))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._visitors.leave(self)
        self.stay()
        super().connection_lost(exc)

    def stay(self) -> None:
        """Stop being a visitor: from now on only uvicorn's time limits apply."""
        if self._late is not None:
            self._late.cancel()
            self._late = None
            del self.transport.max_size  # type: ignore[attr-defined]

    def is_answering(self) -> bool:
        """Whether a request is being answered."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _end_visit(self) -> None:
        if self.is_answering():
            self._late = self.loop.call_later(_BUSY_S, self._close)
        else:
            self._close()

    def _close(self) -> None:
        self._visitors.leave(self)
        self.transport.abort()


def _files() -> int:
    """Return how many files this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft
