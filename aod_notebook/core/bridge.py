"""One background event loop for the whole process, for coroutines that sync callers wait for.

A cell that blocks in `call` can be interrupted with the Stop button: the waiting happens in the
caller's thread, the work in the loop's thread.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Queue
    from collections.abc import Awaitable, Callable, Coroutine

T = TypeVar("T")


def submit(function: Callable[..., Awaitable[T]], *args: object) -> Future[T]:
    """Start `function(*args)` on the background loop and return its future at once.

    It waits for nothing that the loop does, so it may be called with a lock held that a coroutine
    on the loop wants. Cancelling the future cancels the coroutine.
    """
    future: Future[T] = Future()
    with _lock:  # so that it comes before the loop's end, or to the next loop
        running = _started()
        job = partial(_fulfil, running.loop, future, function, args)
        running.loop.call_soon_threadsafe(running.jobs.put_nowait, job)
    return future


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
    """Check whether the loop's thread exists."""
    return _loop is not None


def stop() -> None:
    """Cancel what runs on the loop and end its thread; a later call starts a new one."""
    global _loop
    with _lock:
        ended, _loop = _loop, None
        is_alive = ended is not None and ended.thread.is_alive()
        if ended is not None and is_alive:
            running = ended.ready.result()
            with contextlib.suppress(RuntimeError):  # it has ended by itself meanwhile
                running.loop.call_soon_threadsafe(running.jobs.put_nowait, None)
    if ended is not None and is_alive:
        ended.thread.join()


class _RunningLoop(NamedTuple):
    loop: AbstractEventLoop
    jobs: Queue[Callable[[], Coroutine[Any, Any, None]] | None]
    """What to start; None is the end."""


class _Loop(NamedTuple):
    ready: Future[_RunningLoop]
    thread: threading.Thread


_lock = threading.Lock()  # guards _loop
_loop: _Loop | None = None


async def _fulfil(
    loop: AbstractEventLoop,
    future: Future[T],
    function: Callable[..., Awaitable[T]],
    args: tuple[object, ...],
) -> None:
    """Run `function(*args)` for its future, as a portal of anyio does."""
    import anyio

    with anyio.CancelScope() as scope:

        def settled(_: object) -> None:
            if future.cancelled():
                loop.call_soon_threadsafe(scope.cancel)

        future.add_done_callback(settled)
        try:
            result = await function(*args)
        except anyio.get_cancelled_exc_class():
            future.cancel()
            future.set_running_or_notify_cancel()
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it; the loop continues
            if future.set_running_or_notify_cancel():
                future.set_exception(error)
        else:
            if future.set_running_or_notify_cancel():
                future.set_result(result)


def _started() -> _RunningLoop:
    """Return the loop, started if none is alive; `_lock` is held."""
    global _loop  # noqa: PLW0603 - the one loop of the process
    if _loop is None or not _loop.thread.is_alive():
        ready: Future[_RunningLoop] = Future()
        thread = threading.Thread(target=_run, args=(ready,), name="aod-notebook-loop", daemon=True)
        _loop = _Loop(ready, thread)
        thread.start()
    return _loop.ready.result()


def _run(ready: Future[_RunningLoop]) -> None:
    """Run the loop until it is stopped, then cancel what still runs: the thread's whole life."""
    import asyncio

    import anyio

    async def serve() -> None:
        running = _RunningLoop(asyncio.get_running_loop(), asyncio.Queue())
        async with anyio.create_task_group() as tasks:
            ready.set_result(running)
            while (job := await running.jobs.get()) is not None:
                tasks.start_soon(job)
            tasks.cancel_scope.cancel()

    try:
        anyio.run(serve)
    except BaseException as error:
        if ready.done():
            raise
        ready.set_exception(error)  # whoever waits for the loop learns why there is none


def _forget_after_fork() -> None:
    """Let a forked child, which has no loop thread, start its own."""
    global _loop, _lock
    _loop, _lock = None, threading.Lock()


atexit.register(stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
