"""Wake the streams of a session when its log or its status has changed."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Feeds:
    """Events of the open streams by session; used on the service's event loop only."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[asyncio.Event]] = {}
        self.closing = False

    @contextmanager
    def listen(self, key: str) -> Iterator[asyncio.Event]:
        """Return an event that is set at every notification, until the block ends."""
        event = asyncio.Event()
        listeners = self._listeners.setdefault(key, set())
        listeners.add(event)
        try:
            yield event
        finally:
            listeners.discard(event)
            if not listeners:
                self._listeners.pop(key, None)

    def notify(self, key: str) -> None:
        """Wake everybody who listens to the session."""
        for event in self._listeners.get(key, ()):
            event.set()

    def close(self) -> None:
        """Wake everybody for the service's end."""
        self.closing = True
        for key in list(self._listeners):
            self.notify(key)
