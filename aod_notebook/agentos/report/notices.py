"""Telling people about trouble in the background: once per kind, and counted."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from aod_notebook.core.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Notices"]

logger = logging.getLogger("aod_notebook.agentos")


class Notices:
    """Passes every failure to the clients' `on_error`; where none is given, logs one line.

    A line is logged once per kind of trouble; how often it happened is counted.
    """

    def __init__(self) -> None:
        self.callbacks: WeakKeyDictionary[object, Callable[[BaseException], Any]] = (
            WeakKeyDictionary()
        )
        self.counts: dict[str, int] = {}
        self._busy = threading.local()

    def tell(self, kind: str, error: BaseException) -> None:
        """Tell of one failure; never raises, and never from inside its own callback."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if getattr(self._busy, "inside", False):
            return
        if self.callbacks:
            self._busy.inside = True
            try:
                for callback in list(self.callbacks.values()):
                    self._call(callback, error)
            finally:
                self._busy.inside = False
        elif self.counts[kind] == 1:
            logger.warning("AgentOS reporting: %s", one_line(str(error), limit=600))

    @staticmethod
    def _call(callback: Callable[[BaseException], Any], error: BaseException) -> None:
        try:
            callback(error)
        except Exception:
            logger.exception("AgentOS reporting: on_error raised")
