"""The one thread that sends for all live viewers of a kernel, with a rate limit."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

PERIOD_S = 0.05
"""Viewers are served at most this often; the first news after a quiet time goes out at once."""
PAUSE_S = 0.01
"""The least that the thread rests after a round, however long that took."""
IDLE_S = 0.25
"""How often beats are looked for when nothing happens."""
MESSAGES_PER_S = 50
FAILURES = 20
"""A viewer that fails so often in a row is given up."""

_log = logging.getLogger(__name__)


class FlushedWidget(Protocol):
    """A widget, as the thread sees it."""

    def step(self, now: float) -> bool:
        """Send one message if there is one to send in the round that began at `now`."""

    def is_quiet(self) -> bool:
        """Whether nothing more will be sent until the next `wake`."""


class RateWindow:
    """Allows so many messages in any one second.

    Example:
        >>> window = RateWindow(2)
        >>> [window.take(at) for at in (0.0, 0.1, 0.9, 1.0)]
        [True, True, False, True]
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sent: deque[float] = deque(maxlen=limit)

    def take(self, now: float) -> bool:
        """Count a message at `now` if it is allowed."""
        if len(self._sent) == self._limit and now - self._sent[0] < 1.0:
            return False
        self._sent.append(now)
        return True

    def put_back(self) -> None:
        """Uncount the last message: there was nothing to send."""
        self._sent.pop()


class Flusher:
    """Serves all widgets in turn from one thread, which ends when none has anything to send.

    Args:
        clock: gives the time in seconds; `time.monotonic`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._news = threading.Event()
        self._lock = threading.Lock()  # guards the three fields below
        self._widgets: dict[int, FlushedWidget] = {}
        self._failures: dict[int, int] = {}
        self._thread: threading.Thread | None = None
        self._window = RateWindow(MESSAGES_PER_S)  # used by the thread only

    def wake(self, widget: FlushedWidget) -> None:
        """Serve `widget` soon; cheap when it is waited for already. Any thread may call it."""
        if self._news.is_set() and id(widget) in self._widgets:
            return
        with self._lock:
            self._widgets[id(widget)] = widget
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._run, name="aod-notebook viewers", daemon=True
                )
                self._thread.start()
        self._news.set()

    def drop(self, widget: FlushedWidget) -> None:
        """Stop serving `widget`."""
        with self._lock:
            self._widgets.pop(id(widget), None)
            self._failures.pop(id(widget), None)

    def _run(self) -> None:
        began = self._clock()
        while self._serve():
            time.sleep(max(began + PERIOD_S - self._clock(), PAUSE_S))
            self._news.wait(IDLE_S)
            began = self._clock()

    def _serve(self) -> bool:
        """Send what is pending; return whether the thread is still needed."""
        self._news.clear()
        now, busy = self._clock(), True
        while busy:
            busy = False
            for widget in list(self._widgets.values()):
                if not self._window.take(self._clock()):
                    self._news.set()  # the rest goes out as soon as it may
                    return True
                if self._step(widget, now):
                    busy = True
                    self._put_last(widget)
                else:
                    self._window.put_back()
        # Channels are asked without the lock: theirs may be held by a thread that wakes us.
        quiet = [key for key, each in list(self._widgets.items()) if each.is_quiet()]
        with self._lock:
            for key in quiet if not self._news.is_set() else ():
                self._widgets.pop(key, None)
            if not self._widgets:
                self._thread = None
            return bool(self._widgets)

    def _put_last(self, widget: FlushedWidget) -> None:
        """Serve the others first when the rate ends a round early: none is left to starve."""
        with self._lock:
            if self._widgets.pop(id(widget), None) is not None:
                self._widgets[id(widget)] = widget

    def _step(self, widget: FlushedWidget, now: float) -> bool:
        try:
            sent = widget.step(now)
        except Exception:  # noqa: BLE001 - the thread serves others too, whatever one meets
            _log.debug("a viewer could not send", exc_info=True)
            count = self._failures[id(widget)] = self._failures.get(id(widget), 0) + 1
            if count >= FAILURES:
                self.drop(widget)
            return False
        self._failures.pop(id(widget), None)
        return sent


flusher = Flusher()
"""The kernel's one flusher."""
