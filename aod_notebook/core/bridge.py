"""One background event loop for the whole process, for coroutines that sync callers wait for.

A cell that blocks in `call` can be interrupted with the Stop button: the waiting happens in the
caller's thread, the work in the loop's thread.
"""

from __future__ import annotations

import atexit
import os
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Future
    from contextlib import AbstractContextManager

    from anyio.from_thread import BlockingPortal

__all__ = ["call", "is_running", "stop", "submit"]

T = TypeVar("T")

_lock = threading.Lock()  # guards _context and _portal
_context: AbstractContextManager[BlockingPortal] | None = None
_portal: BlockingPortal | None = None


def submit(function: Callable[..., Awaitable[T]], *args: object) -> Future[T]:
    """Start `function(*args)` on the background loop and return its future at once.

    Cancelling the future cancels the coroutine.
    """
    return _running_portal().start_task_soon(function, *args)


def call(function: Callable[..., Awaitable[T]], *args: object) -> T:
    """Run `function(*args)` on the background loop and wait for its result.

    An interrupt of the waiting thread cancels the coroutine and is raised on.

    Example:
        >>> import anyio
        >>> from aod_notebook.core import bridge
        >>> async def add(a, b):
        ...     await anyio.sleep(0)
        ...     return a + b
        >>> bridge.call(add, 1, 2)
        3
    """
    future = submit(function, *args)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def is_running() -> bool:
    """Say whether the loop's thread exists."""
    return _portal is not None


def stop() -> None:
    """Cancel what runs on the loop and end its thread; a later call starts a new one."""
    global _context, _portal  # noqa: PLW0603 - the one loop of the process
    with _lock:
        context, portal = _context, _portal
        _context = _portal = None
    if context is not None and portal is not None:
        portal.call(portal.stop, True)
        context.__exit__(None, None, None)


def _running_portal() -> BlockingPortal:
    global _context, _portal  # noqa: PLW0603 - the one loop of the process
    from anyio.from_thread import start_blocking_portal

    with _lock:
        if _portal is None:
            _context = start_blocking_portal(name="aod-notebook-loop")
            _portal = _context.__enter__()
        return _portal


def _forget_after_fork() -> None:
    """A forked child has no loop thread: let it start its own."""
    global _context, _portal, _lock  # noqa: PLW0603 - the one loop of the process
    _context = _portal = None
    _lock = threading.Lock()


atexit.register(stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
