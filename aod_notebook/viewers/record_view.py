"""`RecordView`: what the trace and the board have in common."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from aod_notebook.viewers.live_widget import LiveWidget
from aod_notebook.viewers.records import RecordFeed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FACTS_S, KNOWN_S = 0.25, 1.0
SHOWN_S = 1.0
"""A view that is shown gets its HTML so much later: the page reads and checks all of it."""
MOST_CHILDREN = 3
"""So many views that were opened below stay answerable."""


class RecordView(LiveWidget):
    """A view of records that change in place.

    A subclass fills `feed` in `_read`. What a button of the page does is a function in `_actions`,
    called in a thread of its own.
    """

    feed: RecordFeed
    _shown_s = SHOWN_S
    _version = 0

    def __init__(self, metadata: Callable[[], dict[str, Any]] = dict) -> None:
        self.feed = RecordFeed()
        self._children: OrderedDict[str, Any] = OrderedDict()
        self._facts_at = 0.0
        self._is_over = False
        self._known: tuple[int, float, dict[str, Any]] = (-1, 0.0, {})
        super().__init__(metadata)

    # -- what a subclass defines ----------------------------------------------------------------

    def _read(self, now: float) -> bool:
        """Put what has changed into `feed`; return whether anything had."""
        raise NotImplementedError

    def _facts(self) -> dict[str, Any]:
        """Return what the header shows, of JSON's types only."""
        raise NotImplementedError

    def _actions(self) -> Mapping[str, Callable[[str, Mapping[str, Any]], object]]:
        """Return what the page can ask for: by name, a function of the page and its message."""
        raise NotImplementedError

    # -- what is sent ---------------------------------------------------------------------------

    def step(self, now: float) -> bool:
        """Send one message if there is one to send (`flusher.FlushedWidget`)."""
        if self._read(now):
            self._version += 1
        if self.feed.is_final and not self._is_over:  # what is kept of it is complete from now on
            self._is_over, self._refresh_at = True, now
        return super().step(now)

    def is_quiet(self) -> bool:
        """Whether nothing more will be sent until something happens (`flusher.FlushedWidget`)."""
        return super().is_quiet() and self._refresh_at is None and self.facts == self._all_facts()

    def _send_facts(self, now: float) -> bool:
        if now - self._facts_at < FACTS_S:
            return False
        self._facts_at = now
        facts = self._all_facts()
        if facts == self.facts:
            return False
        self.facts = facts
        return True

    def _all_facts(self) -> dict[str, Any]:
        """Return the facts; with nothing new they are made once a second, for they cost."""
        now = time.monotonic()
        version, at, known = self._known
        if version != self._version or now - at > KNOWN_S:
            known = {**self._facts(), "key": self._key, "can": sorted(self._actions())}
            self._known = self._version, now, known
        return known

    # -- what the page asks for -------------------------------------------------------------------

    def close(self) -> None:
        """Stop sending and take the view, with those that were opened in it, from the page."""
        for child in getattr(self, "_children", {}).values():
            child.close()
        super().close()

    def _answer(self, name: str, page: str, content: Mapping[str, Any]) -> None:
        if name in self._actions() and self._is_new(page, content):
            self._in_thread(name, lambda: self._actions()[name](page, content))

    def _open(self, page: str, key: str, make: Callable[[], Any]) -> Any:
        """Let the page show another view below; return that view, which is made once per key."""
        with self._lock:
            child = self._children.pop(key, None)
        if child is None:
            child = make()
        with self._lock:
            self._children[key] = child
            old = (
                self._children.popitem(last=False)[1]
                if len(self._children) > MOST_CHILDREN
                else None
            )
        if old is not None:
            old.close()
        self.feed.reply(type="opened", page=page, key=key, model=child.model_id)
        return child
