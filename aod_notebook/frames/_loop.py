"""An async client, for functions that wait in a thread: its calls run on its own loop."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import anyio
from anyio.from_thread import BlockingPortal

from aod_notebook.aod import AsyncClient, StreamEvent, StreamInterrupted

T = TypeVar("T")
_NOUNS = frozenset({"agents", "sessions", "runs"})


class OnLoop:
    """Stands for an async client, or one of its nouns, in a thread.

    Its methods wait until the client's own ones have been awaited.
    """

    def __init__(self, target: Any, portal: BlockingPortal) -> None:
        self.target = target
        self._portal = portal

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.target, name)
        if name in _NOUNS:
            return OnLoop(found, self._portal)
        return partial(self._call, found) if callable(found) else found

    def _call(self, function: Callable[..., Awaitable[T]], *args: Any, **options: Any) -> T:
        return self._portal.call(partial(function, *args, **options))

    def read_events(
        self, session_id: str, since: int | None, quiet_s: float | None
    ) -> tuple[list[StreamEvent], StreamInterrupted | None]:
        """Read a session's events on the loop, all at once; see `_fetch.read_events`."""
        return self._portal.call(_read, self.target, session_id, since, quiet_s)


async def _read(
    client: AsyncClient, session_id: str, since: int | None, quiet_s: float | None
) -> tuple[list[StreamEvent], StreamInterrupted | None]:
    events: list[StreamEvent] = []
    try:
        async with client.sessions.stream(session_id, since=since) as stream:
            coming = aiter(stream)
            while True:
                with anyio.move_on_after(quiet_s) as waiting:
                    events.append(await anext(coming))
                if waiting.cancelled_caught:
                    break
    except StopAsyncIteration:
        pass
    except StreamInterrupted as error:
        return events, error
    return events, None
