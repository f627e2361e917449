"""Names for completion: what the service was last seen to have, without waiting for it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from aod_notebook.core import bridge
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.live import connections

if TYPE_CHECKING:
    from concurrent.futures import Future

    from aod_notebook.live.connections import Connection

__all__ = ["Known", "known"]

FRESH_S = 5.0
"""How long a list counts as fresh; after that it is asked for again in the background."""


class Known:
    """The names of agents, environments and sessions of the current connection, from memory.

    Asking never waits for the network and never starts the embedded service: the answer is what
    was known before, and a list that is not fresh is asked for in the background.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the three fields below
        self._names: dict[tuple[str, str], list[str]] = {}
        self._asked_at: dict[tuple[str, str], float] = {}
        self._asking: dict[tuple[str, str], Future[None]] = {}

    def names(self, kind: str) -> list[str]:
        """Give the names (for sessions the ids) that are known.

        Args:
            kind: `agents`, `environments` or `sessions`.
        """
        on = connections.current_if_any()
        if on is None:
            return []
        key = (on.base_url, kind)
        with self._lock:
            if time.monotonic() - self._asked_at.get(key, -FRESH_S) >= FRESH_S:
                self._asked_at[key] = time.monotonic()
                self._asking[key] = bridge.submit(self._ask, on, kind)
            return list(self._names.get(key, ()))

    def wait(self, timeout: float) -> None:
        """Wait until what is being asked for has been answered."""
        with self._lock:
            asking = list(self._asking.values())
        for future in asking:
            future.result(timeout)

    async def _ask(self, on: Connection, kind: str) -> None:
        try:
            rows = await getattr(on.async_client, kind).list()
        except AodNotebookError:
            return  # completion has nothing to offer then; the command itself will say why
        names = [str(getattr(row, "name", None) or row.id) for row in rows]
        with self._lock:
            self._names[on.base_url, kind] = names


known = Known()
"""What this process knows."""
