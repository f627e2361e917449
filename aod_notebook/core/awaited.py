"""Let a notebook's stop button end what is awaited, with a line about its state."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING

from aod_notebook.core.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PULSE_S = 0.2


class Heartbeat:
    """Wakes the running event loop regularly, until it is stopped.

    A kernel handles the stop button when its loop wakes up, and a loop that waits for something
    far off does not: the signal alone does not wake it (ipykernel 6 and 7).
    """

    def __init__(self) -> None:
        self._next: asyncio.TimerHandle | None = None
        with contextlib.suppress(RuntimeError):  # no loop: it is a terminal, and nothing awaits
            self._beat(asyncio.get_running_loop())

    def stop(self) -> None:
        """Let the loop sleep again."""
        if self._next is not None:
            self._next.cancel()

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        self._next = loop.call_later(PULSE_S, self._beat, loop)


class _Waits:
    """Everything that is awaited on one loop, with one heartbeat."""

    def __init__(self) -> None:
        self.heartbeat = Heartbeat()
        self.open = 0


_cancelled: deque[Callable[[], str]] = deque(maxlen=100)
_waits: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Waits] = weakref.WeakKeyDictionary()


def what_became() -> list[str]:
    """Return, once, the state of everything that is no longer awaited."""
    lines = dict.fromkeys(one_line(account(), limit=500) for account in _cancelled)
    _cancelled.clear()
    return list(lines)


def _rendered() -> list[str]:
    """Return what a cell shows instead of a traceback (for IPython)."""
    return [f"CancelledError: {line}" for line in what_became()] or ["CancelledError: interrupted"]


def _cells_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs a kernel's cells, if that is the running one."""
    if "ipykernel" in sys.modules and threading.current_thread() is threading.main_thread():
        with contextlib.suppress(RuntimeError):  # none runs, or one of trio
            return asyncio.get_running_loop()
    return None


@contextlib.contextmanager
def awaited(account: Callable[[], str]) -> Iterator[None]:
    """Keep the stop button working while something is awaited in a kernel.

    When the wait is cancelled, a cell shows the account in place of a traceback. Without a kernel
    nothing is done: a terminal and `asyncio.run` handle Ctrl-C themselves.

    Args:
        account: returns what became of what was awaited, in one line.

    Example:
        >>> with awaited(lambda: "Interrupted: the session continues."):
        ...     pass
    """
    loop = _cells_loop()
    if loop is None:
        yield
        return
    if loop not in _waits:
        _waits[loop] = _Waits()
    waits = _waits[loop]
    waits.open += 1
    try:
        yield
    except asyncio.CancelledError as error:
        _cancelled.append(account)
        # Set on the instance: asyncio.timeout checks for the exact class. Of several gathered calls
        # the cell gets one error; its text names all of them.
        error._render_traceback_ = _rendered  # type: ignore[attr-defined]
        raise
    finally:
        waits.open -= 1
        if not waits.open:
            waits.heartbeat.stop()
            _waits.pop(loop, None)
