"""Reports of background failures: once per kind, and counted."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any
from weakref import ref

from aod_notebook.core.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("aod_notebook.agentos")


class Notices:
    """Passes every failure to the clients' `on_error`; without one, logs one line.

    A line is logged once per kind of trouble; how often it happened is counted.
    """

    def __init__(self) -> None:
        # Replaced, never changed: it is read by the sender and by whoever reports.
        self._callbacks: tuple[tuple[ref[Any], Callable[[BaseException], Any]], ...] = ()
        self.counts: dict[str, int] = {}
        self._busy = threading.local()

    def add(self, client: object, callback: Callable[[BaseException], Any]) -> None:
        """Register the callback of a client while it exists; under the sender's lock."""
        self._callbacks = (*self._callbacks, (ref(client), callback))

    def remove(self, client: object) -> None:
        """Remove the callback of a client; under the sender's lock."""
        self._callbacks = tuple(
            (owner, callback)
            for owner, callback in self._callbacks
            if owner() not in (None, client)
        )

    def tell(self, kind: str, error: BaseException) -> None:
        """Report one failure; never raises, and never from inside its own callback."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if getattr(self._busy, "inside", False):
            return
        callbacks = [callback for owner, callback in self._callbacks if owner() is not None]
        if callbacks:
            self._busy.inside = True
            try:
                for callback in callbacks:
                    self._call(callback, error)
            finally:
                self._busy.inside = False
        elif self.counts[kind] == 1:
            logger.warning("AgentOS reporting: %s", one_line(str(error), limit=600))

    def warn(self, kind: str, text: str) -> None:
        """Log a warning, once per kind."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if self.counts[kind] == 1:
            logger.warning("AgentOS reporting: %s", one_line(text, limit=600))

    @staticmethod
    def _call(callback: Callable[[BaseException], Any], error: BaseException) -> None:
        try:
            callback(error)
        except (Exception, SystemExit):  # the sender must outlive a callback that wants to exit
            logger.exception("AgentOS reporting: on_error raised")
