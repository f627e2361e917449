"""Names for completion: what the services were last seen to have, without waiting for them."""

from __future__ import annotations

import threading
import time
from concurrent.futures import wait
from functools import partial
from typing import TYPE_CHECKING, Any

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.live.connections import current_if_any
from aod_notebook.live.credentials import AGENTOS, AOD

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from aod_notebook.live.connections import Connection


FRESH_S = 5.0
"""How long a list counts as fresh; after that it is asked for again in the background."""


class Known:
    """The names of agents, environments and sessions of the current connection, from memory.

    Asking never waits for the network and never starts the embedded service: the answer is what
    was known before, and a list that is not fresh is asked for in the background.

    Args:
        current: gives the connection, if one was made already.
    """

    def __init__(self, current: Callable[[], Connection[Any, Any] | None]) -> None:
        self._current = current
        self._lock = threading.Lock()  # guards the three fields below
        self._names: dict[tuple[str, str], list[str]] = {}
        self._asked_at: dict[tuple[str, str], float] = {}
        self._asking: dict[tuple[str, str], Future[None]] = {}

    def names(self, kind: str) -> list[str]:
        """Return the names (for sessions the ids) that are known.

        Args:
            kind: `agents`, `environments`, `sessions` or `runs`.
        """
        on = self._current()
        if on is None:
            return []
        key = (on.base_url, kind)
        with self._lock:
            if time.monotonic() - self._asked_at.get(key, -FRESH_S) >= FRESH_S:
                self._asked_at[key] = time.monotonic()
                self._asking[key] = on.in_background(partial(self._ask, key))
            return list(self._names.get(key, ()))

    def wait(self, timeout: float) -> None:
        """Wait until what is being asked for has been answered."""
        with self._lock:
            asking = list(self._asking.values())
        wait(asking, timeout)

    async def _ask(self, key: tuple[str, str], client: Any) -> None:
        try:
            rows = await getattr(client, key[1]).list()
        except AodNotebookError:
            return  # completion has nothing to offer then; the command itself will say why
        names = [_name(row) for row in rows]
        with self._lock:
            self._names[key] = names


def _name(row: Any) -> str:
    """Return the name of a row, else its id; AgentOS gives dicts."""
    found = row if isinstance(row, dict) else vars(row)
    return str(found.get("name") or found.get("id"))


known = Known(partial(current_if_any, AOD))
"""What this process knows of Agent on Demand."""
known_runs = Known(partial(current_if_any, AGENTOS))
"""What this process knows of AgentOS."""
