"""The connections and followed sessions of this process; a forked child clears them."""

from __future__ import annotations

import os
import threading
from typing import Any, Protocol
from weakref import WeakSet, WeakValueDictionary

CLOSE_S = 2.0
"""How long following that was cancelled may take to end."""


class _Connection(Protocol):
    def close(self) -> None: ...
    def forget(self) -> None: ...


class _Follower(Protocol):
    def close(self) -> None: ...
    def forget(self) -> None: ...
    def wait_for_end(self, seconds: float) -> None: ...


class Registry:
    """The state of this kernel.

    Attributes:
        lock: guards `current` and `choices`.
        current: the current connection to each API, by `Half.name`.
        choices: which service the next connection to each API is for, where one was chosen.
        open: the connections that have clients to close.
        followers: what follows a session or a run in the background.
        handles: the `LiveSession`s and `LiveRun`s in use, by `Connection.key` and id.
        last: the id of this process's last session or run, by `Connection.key`.
        warned: URLs for which a warning was shown.
        allows_root: whether claude may run as root on the embedded service.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.current: dict[str, Any] = {}
        self.choices: dict[str, Any] = {}
        self.open: set[_Connection] = set()
        self.followers: WeakSet[_Follower] = WeakSet()
        self.handles: WeakValueDictionary[tuple[str, str], Any] = WeakValueDictionary()
        self.last: dict[str, str] = {}
        self.warned: set[str] = set()
        self.allows_root = False

    def held(self, connection_key: str) -> dict[str, Any]:
        """Return the sessions and runs of one service that this process follows or followed, by id."""
        return {
            name: one for (key, name), one in list(self.handles.items()) if key == connection_key
        }

    def received_times(self, session_id: str) -> dict[int, int]:
        """Return when the events of a followed session came, in microseconds since 1970, by id."""
        times: dict[int, int] = {}
        for (_, known), handle in list(self.handles.items()):
            is_it = known == session_id and handle.noun == "session"
            for event, at in handle.received() if is_it else ():
                # A `turn_start` has the id of the row to come, a terminal event that of the last one.
                if event.id is not None and event.type != "turn_start":
                    times.setdefault(event.id, round(at * 1e6))
        return times

    def close(self) -> None:
        """Stop following, wait until that is done, and close every connection."""
        with self.lock:
            self.current.clear()
            self.choices.clear()
        for follower in list(self.followers):
            follower.close()
            follower.wait_for_end(CLOSE_S)
        for connection in list(self.open):
            connection.close()

    def forget(self) -> None:
        """Clear it in a forked child: the connections are the parent's."""
        self.lock = threading.RLock()  # a thread of the parent may have held it
        for follower in list(self.followers):
            follower.forget()
        for connection in list(self.open):
            connection.forget()


registry = Registry()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=registry.forget)
