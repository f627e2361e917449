"""Send a widget's content to its pages: numbered, pushed, and repeated on request."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

BEAT_S = 1.0
LAST_BEATS = 3
"""Beats after the end: they show a page that the last message was lost."""


@dataclass(frozen=True, slots=True)
class PageMessage:
    """A custom message to the page: a small object, and perhaps a chunk of content."""

    content: dict[str, Any]
    buffers: list[bytes] = field(default_factory=list)


class Feed:
    """What the pages of one widget have been sent; safe in any thread.

    Attributes:
        is_watched: whether there is a page to send to.
    """

    def __init__(self) -> None:
        self.is_watched = True
        self._lock = threading.RLock()  # guards everything below, and what a subclass keeps
        self._pushed = 0  # how much every page was sent
        self._syncs: dict[str, Any] = {}  # by page: what it asked for
        self._replies: deque[PageMessage] = deque()
        self._beat_at, self._beats_left = 0.0, LAST_BEATS

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        raise NotImplementedError

    def ask(self, content: Mapping[str, Any]) -> None:
        """Send a page what it lacks; it has one such wish at a time."""
        raise NotImplementedError

    def next_message(self, now: float) -> PageMessage | None:
        """Return the next message for the pages, in the round that began at `now`."""
        raise NotImplementedError

    def is_quiet(self) -> bool:
        """Whether all was sent, often enough, and nothing more happens by itself."""
        raise NotImplementedError

    def reply(self, buffers: list[bytes] | None = None, /, **content: object) -> None:
        """Queue a small message."""
        with self._lock:
            self._replies.append(PageMessage(content, buffers or []))

    def answer_hello(self, page: str) -> None:
        """Confirm to a page that messages arrive; by `head` it sees what it lacks."""
        with self._lock:
            self.is_watched, self._beats_left = True, LAST_BEATS
            welcome = PageMessage({"type": "welcome", "page": page, "head": self._pushed})
            if welcome not in self._replies:  # a page asks each second, and a busy kernel keeps it
                self._replies.append(welcome)

    def _beat(self, now: float) -> PageMessage | None:
        if now - self._beat_at < BEAT_S or self._beats_left == 0:
            return None
        self._beat_at = now
        if self.is_final:
            self._beats_left -= 1
        return PageMessage({"type": "beat", "head": self._pushed})
