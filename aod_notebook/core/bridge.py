"""One background event loop for the whole process, for coroutines that sync callers wait for.

A cell that blocks in `call` can be interrupted with the Stop button: the waiting happens in the
caller's thread, the work in the loop's thread.
"""

from __future__ import annotations

import atexit
import os
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.from_thread import BlockingPortal

__all__ = ["call", "is_running", "stop", "submit"]

T = TypeVar("T")


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
    return _loop is not None


def stop() -> None:
    """Cancel what runs on the loop and end its thread; a later call starts a new one."""
    global _loop
    with _lock:
        loop, _loop = _loop, None
    if loop is not None:
        portal = loop.ready.result()
        portal.call(portal.stop, True)
        loop.thread.join()


class _Loop(NamedTuple):
    ready: Future[BlockingPortal]
    thread: threading.Thread


_lock = threading.Lock()  # guards _loop
_loop: _Loop | None = None


def _running_portal() -> BlockingPortal:
    global _loop  # noqa: PLW0603 - the one loop of the process
    with _lock:
        if _loop is None:
            ready: Future[BlockingPortal] = Future()
            thread = threading.Thread(
                target=_run, args=(ready,), name="aod-notebook-loop", daemon=True
            )
            _loop = _Loop(ready, thread)
            thread.start()
        loop = _loop
    return loop.ready.result()


def _run(ready: Future[BlockingPortal]) -> None:
    """Run the loop until its portal is stopped: the thread's whole life."""
    import anyio
    from anyio.from_thread import BlockingPortal

    async def serve() -> None:
        async with BlockingPortal() as portal:
            ready.set_result(portal)
            await portal.sleep_until_stopped()

    try:
        anyio.run(serve)
    except BaseException as error:
        if ready.done():
            raise
        ready.set_exception(error)  # whoever waits for the loop learns why there is none


def _forget_after_fork() -> None:
    """A forked child has no loop thread: let it start its own."""
    global _loop, _lock
    _loop, _lock = None, threading.Lock()


atexit.register(stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
