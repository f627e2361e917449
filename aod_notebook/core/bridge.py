"""One background event loop for the whole process, for coroutines that sync callers wait for.

A cell that blocks in `call` can be interrupted with the Stop button: the waiting happens in the
caller's thread, the work in the loop's thread.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["call", "is_running", "stop", "submit"]

T = TypeVar("T")


def submit(function: Callable[..., Awaitable[T]], *args: object) -> Future[T]:
    """Start `function(*args)` on the background loop and return its future at once.

    It waits for nothing that the loop does, so it may be called with a lock held that a coroutine
    on the loop wants. Cancelling the future cancels the coroutine.
    """
    with _lock:  # so that it comes before the loop's end, or to the next loop
        return asyncio.run_coroutine_threadsafe(_call(function, *args), _started().loop)


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
        ended, _loop = _loop, None
        if ended is not None:
            running = ended.ready.result()
            running.loop.call_soon_threadsafe(running.stopped.set)
    if ended is not None:
        ended.thread.join()


class _Running(NamedTuple):
    loop: asyncio.AbstractEventLoop
    stopped: asyncio.Event


class _Loop(NamedTuple):
    ready: Future[_Running]
    thread: threading.Thread


_lock = threading.Lock()  # guards _loop
_loop: _Loop | None = None


async def _call(function: Callable[..., Awaitable[T]], *args: object) -> T:
    return await function(*args)


def _started() -> _Running:
    """Give the loop, started if there is none; `_lock` is held."""
    global _loop  # noqa: PLW0603 - the one loop of the process
    if _loop is None:
        ready: Future[_Running] = Future()
        thread = threading.Thread(target=_run, args=(ready,), name="aod-notebook-loop", daemon=True)
        _loop = _Loop(ready, thread)
        thread.start()
    return _loop.ready.result()


def _run(ready: Future[_Running]) -> None:
    """Run the loop until it is stopped, then cancel what still runs: the thread's whole life."""

    async def serve() -> None:
        running = _Running(asyncio.get_running_loop(), asyncio.Event())
        ready.set_result(running)
        await running.stopped.wait()

    try:
        asyncio.run(serve())
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
