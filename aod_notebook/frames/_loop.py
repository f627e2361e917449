"""An async client, for functions that wait in a thread: its calls run on its own loop."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import anyio
from anyio.from_thread import BlockingPortal
from anyio.to_thread import run_sync

from aod_notebook.agentos import AsyncAgentOS
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


async def in_thread(function: Callable[..., T], *args: Any, **options: Any) -> T:
    """Run a function that waits, in a thread; async clients among its arguments stay here.

    A cancelled call ends its requests at once, and its thread with them.
    """
    async with BlockingPortal() as portal:

        def sent(value: Any) -> Any:
            is_async = isinstance(value, AsyncClient | AsyncAgentOS)
            return OnLoop(value, portal) if is_async else value

        given = {name: sent(value) for name, value in options.items()}
        waiting = partial(function, *map(sent, args), **given)
        result = await run_sync(waiting, abandon_on_cancel=True)
    return result  # noqa: RET504 - to mypy, leaving the portal might swallow an error


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
